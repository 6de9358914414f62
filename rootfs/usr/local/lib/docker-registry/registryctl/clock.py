"""The time by which ages count. A leap of the clock alone makes nothing old.

Since the last run the kernel has counted the seconds of this boot, whatever the clock says; what the clock is further
ahead is a leap. Over a restart nobody has counted: there a leap is more than a host is usually off. A leap is believed
once it is still there at so many runs, half a day apart, as real days would bring. A clock that steps back is believed.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from registryctl import host

NAME = "clock"
BOOT = Path("/proc/sys/kernel/random/boot_id")
TOLERATED = 3600
"""Seconds by which a clock may be put right within one boot."""
LONGEST_OFF = 32 * 86400
"""Seconds between two runs, over a restart, that are no leap."""
APART = 43200
"""Seconds of the clock between two runs that both count as witnesses: a host that restarts again and again is one."""
WITNESSES = 7


@dataclass(frozen=True)
class Known:
    """What a run left for the next: the time it believed, and how it knows how long ago that was."""

    believed: float
    """Seconds since 1970."""
    boot: str
    up: float
    """Seconds of that boot."""
    witnesses: int = 0
    """Runs that saw the same leap."""
    witnessed: float = 0
    """What the clock said when the last one did."""


def believed(now: float, boot: str, up: float, last: Known | None) -> Known:
    """What to believe at `up` seconds of this boot, when the clock says `now`."""
    if last is None:
        return Known(now, boot, up)
    same = last.boot == boot
    expected = last.believed + (up - last.up if same else 0)
    if now <= expected + (TOLERATED if same else LONGEST_OFF):
        return Known(now, boot, up)
    counts = not last.witnesses or now - last.witnessed >= APART
    witnesses = last.witnesses + counts
    if witnesses > WITNESSES:
        return Known(now, boot, up)
    return Known(expected, boot, up, witnesses, now if counts else last.witnessed)


def now(*, keep: bool) -> float:
    """Seconds since 1970 by which ages count. `keep`: a real run, which the next one goes by."""
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    found = believed(time.time(), BOOT.read_text(encoding="utf-8").strip(), up, _last())
    if keep:
        # On a full disk the next run goes by the run before.
        with contextlib.suppress(OSError):
            host.leave_result(NAME, json.dumps(asdict(found)))
    return found.believed


def running(*, keep: bool) -> Callable[[], float]:
    """`now`, asked for once, and going on from there."""
    behind = time.time() - now(keep=keep)
    return lambda: time.time() - behind


def _last() -> Known | None:
    try:
        return Known(**host.last_result(NAME))
    except TypeError:
        return None
