"""What the time is, for what may be old: a leap of the clock makes nothing old by itself."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from registryctl import clock, trash
from registryctl.clock import Known, believed
from registryctl.files import FileStorage
from tests.e2e.artifacts import image
from tests.registryctl.stored import StoredHost

DAY = 86400
LAST = Known(1000 * DAY, "a", 5 * DAY)


@pytest.mark.parametrize("ahead", [-400 * DAY, -1, 0, 3600])
def test_within_a_boot_the_kernel_counts(ahead: float) -> None:
    """What the clock is put right by, and any step back, is believed."""
    now = 1001 * DAY + ahead
    assert believed(now, "a", 6 * DAY, LAST) == Known(now, "a", 6 * DAY)


@pytest.mark.parametrize("ahead", [3601, 8 * DAY, 400 * DAY])
def test_a_leap_within_a_boot_is_not_believed(ahead: float) -> None:
    """The kernel knows how much time it was."""
    found = believed(1001 * DAY + ahead, "a", 6 * DAY, LAST)
    assert found == Known(1001 * DAY, "a", 6 * DAY, 1, 1001 * DAY + ahead)


def test_a_leap_over_a_restart_is_longer_than_a_host_is_off() -> None:
    """A month may be."""
    assert believed(1032 * DAY, "b", 60, LAST) == Known(1032 * DAY, "b", 60)
    assert believed(1032 * DAY + 1, "b", 60, LAST) == Known(1000 * DAY, "b", 60, 1, 1032 * DAY + 1)


def test_a_leap_that_stays_is_believed_after_a_week() -> None:
    """Runs that follow at once are no further witnesses; then the clock counts again."""
    known, day = believed(1400 * DAY, "b", 0, LAST), 0
    while known.believed < 1400 * DAY:
        day += 1
        for second in range(3):
            known = believed((1400 + day) * DAY + second, "b", day * DAY + second, known)
    assert day == clock.WITNESSES
    assert known == believed(known.believed, "b", known.up, known)


def test_many_restarts_are_one_witness() -> None:
    """A host that can't stay up says nothing about days."""
    known = LAST
    for boot in range(20):
        known = believed(1400 * DAY + boot * 60, str(boot), 30, known)
    assert (known.believed, known.witnesses) == (1000 * DAY, 1)


def test_a_clock_that_was_wrong_for_a_night_leaves_no_doubt() -> None:
    """Later leaps are counted anew."""
    wrong = believed(1400 * DAY, "a", 6 * DAY, LAST)
    assert believed(1002 * DAY, "a", 7 * DAY, wrong) == Known(1002 * DAY, "a", 7 * DAY)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredHost:
    """An empty registry."""
    return StoredHost(tmp_path, monkeypatch)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"believed": 1}', '{"other": 1}'])
def test_what_can_t_be_read_is_no_memory(host: StoredHost, text: str) -> None:
    """A first run believes the clock; a dry one leaves nothing."""
    (host.results / clock.NAME).write_text(text)
    assert clock.now(keep=False) == pytest.approx(time.time(), abs=60)
    assert (host.results / clock.NAME).read_text() == text


def test_a_clock_that_is_ahead_empties_no_trash(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was removed yesterday can be brought back after a clean-up by such a clock."""
    pushed = host.push("app", image("one"), "1.0")
    assert host.remove("app:1.0").code == 0
    assert host.run("gc", "--force").code == 0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 400 * DAY)
    assert host.run("gc", "--force").code == 0
    assert host.run("undo").code == 0
    assert host.has("app", pushed)
    assert host.tags("app") == {"1.0": pushed.digest}


@pytest.mark.parametrize("how", ["rm", "retention"])
def test_a_record_is_not_of_the_future(how: str, host: StoredHost) -> None:
    """By a clock that is ahead: it, and all that come after it, would take space for years."""
    for tag in ("1.0", "2.0"):
        host.push("app", image(tag), tag)
    known = Known(time.time() - 400 * DAY, clock.BOOT.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME))
    (host.results / clock.NAME).write_text(json.dumps(asdict(known)))
    done = host.remove("app:1.0") if how == "rm" else host.retention("--force", drop=["1.0"])
    assert done.code == 0, done.err
    assert set(host.tags("app")) == {"2.0"}
    [run] = trash.runs(FileStorage(host.root / "srv/docker-registry/data"))
    assert trash.made(run) == pytest.approx(known.believed, abs=60)


def test_a_leap_that_is_believed_empties_no_trash(host: StoredHost) -> None:
    """What the clean-up removed before was noted by the time that was believed then, which was long ago."""
    pushed = host.push("app", image("one"))
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    boot = clock.BOOT.read_text().strip()
    behind = Known(time.time() - 400 * DAY, boot, up, clock.WITNESSES, time.time() - DAY // 4)
    (host.results / clock.NAME).write_text(json.dumps(asdict(behind)))
    assert host.run("gc", "--force").code == 0
    assert not host.has("app", pushed)
    (host.results / clock.NAME).write_text(json.dumps(asdict(replace(behind, witnessed=time.time() - DAY))))
    assert host.run("gc", "--force").code == 0
    assert clock.now(keep=False) == pytest.approx(time.time(), abs=60)
    assert host.run("undo").code == 0
    assert host.has("app", pushed)


def test_a_clock_that_is_ahead_drops_no_tag(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age; retention goes by the same time."""
    for number in range(10):
        host.push("app", image(f"number {number}"), f"t{number}", days=number)
    assert host.retention(keepDays=30).code == 0
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 25 * DAY)
    assert host.retention(keepDays=30).code == 0
    assert len(host.tags("app")) == 10


def test_tags_of_the_future_take_nobodys_place(host: StoredHost) -> None:
    """They were pushed while the clock was ahead. What is pushed since would go each night, for so long."""
    for number in range(3):
        host.push("app", image(f"future {number}"), f"f{number}", days=-400)
    for number in range(6):
        host.push("app", image(f"number {number}"), f"t{number}", days=number)
    assert host.retention(keepLast=3).code == 0
    assert set(host.tags("app")) == {"f0", "f1", "f2", "t0", "t1", "t2"}
