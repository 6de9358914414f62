"""The metrics of the host: all that `registry-status` knows. One renderer for all concerns, a line for each number.

Level and state are told of every concern, also of one that is not named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from registryctl import VERSION
from registryctl.metrics.exposition import Metric, Sample
from registryctl.status.command import look
from registryctl.status.finding import Finding, Here

INFO = Metric("docker_registry_info", "The version of the program that made this host.")
WRITTEN = Metric("docker_registry_metrics_timestamp_seconds", "When these metrics were written, by the host's clock.")
STATUS = Metric("docker_registry_status", "How a thing is: 0 well, 1 it wants attention soon, 2 broken.")
STATE = Metric("docker_registry_state", "The state of a thing in a word; always 1.")
IMAGE = Metric("docker_registry_container_info", "The image of a container; always 1.")
ENDS = Metric("docker_registry_account_end_timestamp_seconds", "When an account ends that ends within two weeks.")

_Convert = Callable[[object], "float | None"]


def moment(value: object) -> float | None:
    """A time as the JSON of the status, or the name of a removal, has it."""
    said = str(value)
    form = "%Y%m%dT%H%M%SZ" if "-" not in said else None
    try:
        found = datetime.strptime(said, form) if form else datetime.fromisoformat(said.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def count(value: object) -> float | None:
    """A number."""
    return float(value) if isinstance(value, (int, float)) else None


def ratio(value: object) -> float | None:
    """A share, of what was one of hundred."""
    return float(value) / 100 if isinstance(value, (int, float)) else None


def begins(*words: str) -> _Convert:
    """1 for a text that begins with one of these, 0 for any other."""
    return lambda value: float(str(value).startswith(words))


@dataclass(frozen=True)
class Figure:
    """What in a concern's JSON becomes which metric; None of its value: it is not known."""

    key: str
    metric: Metric
    convert: _Convert = count


def _figure(key: str, name: str, text: str, convert: _Convert = count) -> Figure:
    return Figure(key, Metric(f"docker_registry_{name}", text), convert)


FIGURES: dict[str, tuple[Figure, ...]] = {
    "certificate": (
        _figure("begins", "certificate_begin_timestamp_seconds", "From when on the certificate is good.", moment),
        _figure("expires", "certificate_expiry_timestamp_seconds", "When the certificate ends.", moment),
        _figure("lastRenewal", "certificate_renewal_failed", "Whether the last renewal failed.", begins("failed")),
    ),
    "disk": (
        _figure("usedPercent", "disk_used_ratio", "Used share of a file system, from 0 to 1.", ratio),
        _figure("freeBytes", "disk_free_bytes", "What is free on a file system."),
    ),
    "store": (
        _figure("seconds", "store_answer_seconds", "How long the object store took to answer."),
    ),
    "timers": (
        _figure("last", "timer_last_trigger_timestamp_seconds", "When a timer started its service last.", moment),
        _figure("next", "timer_next_trigger_timestamp_seconds", "When a timer will start its service.", moment),
        _figure("lastResult", "timer_last_run_failed", "Whether the last run of a timer's service failed.",
                lambda value: float(bool(value) and not str(value).startswith("success"))),
    ),
    "writes": (
        _figure("state", "writes_held_off", "Whether pushes and deletions wait.", begins("held-off")),
        _figure("since", "writes_held_off_since_timestamp_seconds", "Since when pushes and deletions wait.", moment),
    ),
    "removals": (
        _figure("skipped", "gc_skipped_objects", "What the last clean-up left alone because it can't be read."),
        _figure("early", "gc_early_removals", "Removals that the last clean-up could not keep for lack of room."),
        _figure("runs", "trash_runs", "Removals that can be brought back."),
        _figure("oldest", "trash_oldest_timestamp_seconds", "When the oldest of these was removed.", moment),
    ),
    "mirrors": (
        _figure("bytes", "mirror_stored_bytes", "What a mirror with a bound had after the last look."),
        _figure("maxBytes", "mirror_max_bytes", "How much it may have; 0: as much as it likes."),
    ),
    "accounts": (
        _figure("count", "accounts", "Accounts, those included that have ended."),
        _figure("ended", "accounts_ended", "Accounts that have ended."),
    ),
    "backup": (
        _figure("state", "backup_enabled", "Whether the registry is backed up.", lambda value: float(value != "off")),
        _figure("last", "backup_last_success_timestamp_seconds", "When the last good backup was made.", moment),
        _figure("bytes", "backup_size_bytes", "What the last good backup has."),
        _figure("checked", "backup_last_check_timestamp_seconds", "When backups were checked last.", moment),
        _figure("drilled", "backup_last_drill_timestamp_seconds", "When a restore was last tried.", moment),
    ),
    "notify": (
        _figure("last", "notify_last_timestamp_seconds", "When somebody was told of the status last.", moment),
        _figure("failing", "notify_failing_targets", "Those who could not be told what they were to be told."),
    ),
}  # fmt: skip
"""What of each concern is a number."""

ITEMS = {"containers": "container", "disk": "disk", "timers": "timer", "mirrors": "mirror"}
"""How the label is called that says which one it is, for concerns of several things."""


def samples(here: Here) -> Iterator[Sample]:
    """All of them, as it is now."""
    yield Sample(INFO, 1, {"version": VERSION})
    for concern, found in look(here).items():
        for one in found if isinstance(found, list) else [found]:
            yield from of(concern, one)
    yield Sample(WRITTEN, here.machine.now().timestamp())


def of(concern: str, found: Finding) -> Iterator[Sample]:
    """What is found of one thing."""
    known = found.known
    item = str(known["name"]) if concern in ITEMS else ""
    labels = {"concern": concern, "item": item}
    yield Sample(STATUS, found.level, labels)
    yield Sample(STATE, 1, {**labels, "state": str(known["state"])})
    its = {ITEMS[concern]: item} if concern in ITEMS else {}
    # Of what is not there, the status has zeros.
    for figure in FIGURES.get(concern, ()) if known["state"] != "missing" or concern == "timers" else ():
        value = figure.convert(known.get(figure.key, ""))
        if value is not None:
            yield Sample(figure.metric, value, its)
    yield from _named(known, its)


def _named(known: Mapping[str, object], its: Mapping[str, str]) -> Iterator[Sample]:
    """What has a name besides."""
    if known.get("image"):
        yield Sample(IMAGE, 1, {**its, "image": str(known["image"])})
    ending = known.get("ending")
    for one in ending if isinstance(ending, list) else ():
        end = moment(one["ends"])
        if end is not None:
            yield Sample(ENDS, end, {"account": str(one["name"])})
