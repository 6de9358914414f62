"""How much space repositories take, as far as it was measured last: a clean-up and `registryctl usage` remember it.

To measure is a walk through the whole storage, which no run of the metrics does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from registryctl import durable
from registryctl.endings import EndError, printable
from registryctl.machine import RESULTS, Machine
from registryctl.metrics import store
from registryctl.metrics.exposition import Metric, Sample
from registryctl.metrics.traffic import OTHER
from registryctl.storage import AwayError, StorageError

if TYPE_CHECKING:
    from registryctl.usage import Usage

NAME = "usage"
"""The file, among the results."""

MOST = 500
"""So many repositories are remembered by name, the largest; `metrics.repositories` is at most that."""

HELD = Metric("docker_registry_repository_size_bytes", "What a repository holds, also what others hold too.")
ALONE = Metric("docker_registry_repository_alone_bytes", "What only this repository holds.")
STORED = Metric("docker_registry_storage_bytes", "What all images take, by who holds it.")
MEASURED = Metric("docker_registry_storage_measured_timestamp_seconds", "When sizes were measured last.")

_HOLDERS = ("one", "several", "trash", "nobody")


def remember(found: Usage) -> None:
    """Where metrics are enabled. Raises `OSError`."""
    if not store.of_host().exists():
        return
    shares = sorted((share for share, _ in found.repositories), key=lambda its: (-its.held, its.name))
    named, rest = shares[:MOST], shares[MOST:]
    sums = (sum(its.alone for its in shares), found.shared, found.trash, found.unneeded)
    text = json.dumps(
        {
            "time": int(time.time()),
            "repositories": [[its.name, its.held, its.alone] for its in named],
            "rest": [sum(its.held for its in rest), sum(its.alone for its in rest)],
            "stored": dict(zip(_HOLDERS, sums, strict=True)),
        }
    )
    # It names repositories.
    durable.put(RESULTS / NAME, text, 0o600)


def measure(how: Callable[[], Usage]) -> None:
    """Measures and remembers, where metrics are enabled; what hinders that is said, and no more."""
    if not store.of_host().exists():
        return
    try:
        remember(how())
    except (StorageError, AwayError, EndError, OSError) as error:
        print(printable(f"sizes for the metrics could not be measured: {error}"), file=sys.stderr, flush=True)


def samples(machine: Machine, most: int) -> Iterator[Sample]:
    """What is remembered; of repositories the largest by name, all others as one."""
    try:
        found = json.loads(machine.path(RESULTS / NAME).read_text(encoding="utf-8"))
        yield from list(_samples(found, most))
    except (OSError, ValueError, KeyError, TypeError):
        return


def _samples(found: Mapping[str, Any], most: int) -> Iterator[Sample]:
    named: dict[str, list[int]] = {}
    others: Sequence[Any] = found["rest"]
    for place, (name, *sizes) in enumerate(found["repositories"]):
        key = str(name) if place < most else OTHER
        named[key] = [int(size) + before for size, before in zip(sizes, named.get(key, (0, 0)), strict=True)]
    if any(others):
        named[OTHER] = [int(size) + before for size, before in zip(others, named.get(OTHER, (0, 0)), strict=True)]
    for name, (held, alone) in named.items():
        yield Sample(HELD, held, {"repository": name})
        yield Sample(ALONE, alone, {"repository": name})
    for holder in _HOLDERS:
        yield Sample(STORED, int(found["stored"][holder]), {"held_by": holder})
    yield Sample(MEASURED, float(found["time"]))
