"""`registryctl metrics`: what it counts of pulls."""

from __future__ import annotations

import os
import sqlite3
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from registryctl.metrics import store
from registryctl.metrics.store import Pulled
from tests.registryctl.traffic_log import DAY, LINE, PULL, Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """An empty one."""
    return Log(tmp_path)


def test_the_last_pull_and_those_of_thirty_days(log: Log) -> None:
    """By repository and reference, whatever the order of the lines."""
    now = int(log.machine.time.timestamp())
    times = [now - days * DAY for days in (0, 3, 29, 31, 400)]
    for when in (times[1], times[0], *times[2:]):
        log.write(PULL.replace("1795600000", str(when)))
    log.write(PULL.replace("1795600000", str(times[4])).replace("v1", "old"))
    log.write(PULL.replace("1795600000", str(now - 1200 * DAY)).replace("v1", "older"))
    log.counted()
    assert log.machine.path(store.of_host()).stat().st_mode & 0o777 == 0o600
    assert log.pulls() == {"v1": Pulled(times[0], 3), "old": Pulled(times[4], 0)}
    assert log.pulls("other") == {}


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        ("manifest|200||200||1|team/app", True),
        ("manifest|200|HIT|||1|team/app", True),
        ("manifest|304||304||1|team/app", True),
        ("manifest|404||404||1|team/app", False),
        ("manifest|401|||unauthorized|1|team/app", False),
        ("manifest|201||201||1|team/app", False),
        ("blob|200||||1|team/app", False),
    ],
)
def test_what_counts_as_a_pull(words: str, counts: bool, log: Log) -> None:
    """What was answered with the manifest, or that the client has it."""
    log.write(f"{words}\t1\t1\t0.001\tv1 {log.machine.time.timestamp():.3f}")
    log.counted()
    assert bool(log.pulls()) == counts


def test_since_when_and_until_when_pulls_are_known(log: Log) -> None:
    """The proxy may not have written the last seconds yet."""
    began = log.machine.time.timestamp()
    log.write(LINE)
    log.counted()
    log.machine.time += timedelta(hours=5)
    log.counted()
    with store.opened(log.machine.path(store.of_host())) as found:
        known = found.known("x")
    assert known.since == began
    assert 0 < log.machine.time.timestamp() - known.until < 5


def _since(log: Log) -> float:
    with store.opened(log.machine.path(store.of_host())) as found:
        return found.known("x").since


@pytest.mark.parametrize("how", ["removed", "cut", "result lost"])
def test_where_lines_were_lost_counting_begins_anew(how: str, log: Log) -> None:
    """Somebody removed or cut a log that seemed to grow, or put an older result back: who knows what was pulled?"""
    result = log.machine.path(store.of_host())
    log.write(*[PULL] * 1000)
    log.counted()
    before, old = log.machine.time.timestamp(), result.read_bytes()
    log.write(*[PULL] * 1000)
    for _ in range(2):
        log.machine.time += timedelta(hours=1)
        log.counted()
    assert _since(log) == before
    if how == "removed":
        log.path.rename(log.logs / "old")
        log.write(PULL)
    elif how == "cut":
        log.path.write_text(f"{PULL}\n")
    else:
        result.write_bytes(old)
    log.machine.time += timedelta(days=40)
    log.counted()
    assert _since(log) == log.machine.time.timestamp()
    assert "v1" in log.pulls()


def test_on_a_full_disk_counting_begins_anew(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy, which is not root, writes no line there, and says nothing of it."""
    log.write(PULL)
    log.counted()
    log.machine.time += timedelta(minutes=1)
    full = log.machine.time.timestamp()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=0))
        log.counted()
    log.machine.time += timedelta(days=1)
    log.counted()
    assert _since(log) == full


def test_what_a_full_disk_lost_is_known_later(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even that could be noted."""
    log.write(PULL)
    log.counted()

    def save(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstatvfs", lambda _: SimpleNamespace(f_bavail=0))
        patched.setattr(store.Store, "save", save)
        for _ in range(2):
            log.machine.time += timedelta(minutes=1)
            with pytest.raises(OSError, match="full"):
                log.counted()
    for _ in range(2):
        log.machine.time += timedelta(minutes=1)
        log.counted()
    assert _since(log) == (log.machine.time - timedelta(minutes=1)).timestamp()
    assert "v1" in log.pulls()


def test_a_power_cut_costs_a_minute_at_most(log: Log) -> None:
    """The log is shorter by what the disk had not yet: counting goes on."""
    before = log.machine.time.timestamp()
    log.write(*[PULL] * 10)
    log.counted()
    log.write(PULL)
    log.counted()
    os.truncate(log.path, log.path.stat().st_size // 2)
    log.machine.time += timedelta(minutes=10)
    log.counted()
    assert _since(log) == before


def test_a_clock_that_is_ahead_makes_nothing_unpulled(log: Log) -> None:
    """It forgets pulls: then it is not known either that there were none."""
    right = log.machine.time
    log.write(PULL.replace("1795600000", str(int(right.timestamp()))))
    log.counted()
    log.machine.time += timedelta(days=4000)
    log.counted()
    assert log.pulls() == {}
    log.machine.time = right + timedelta(days=1)
    log.counted()
    assert _since(log) > right.timestamp()


@pytest.mark.parametrize("pulled", ["v1", "v1 x", "v1 1 2", " "])
def test_a_pull_that_says_nothing(pulled: str, log: Log) -> None:
    """Is a line that is malformed."""
    log.write(PULL.replace("v1 1795600000.123", pulled))
    assert log.counted().malformed == 1
    assert log.pulls() == {}
