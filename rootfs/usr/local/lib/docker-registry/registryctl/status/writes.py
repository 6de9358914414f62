"""Whether pushes and deletions wait, for whom and since when."""

from __future__ import annotations

from datetime import datetime, timezone

from registryctl.machine import RUN
from registryctl.status.finding import OK, WARNING, Finding, Here, iso
from registryctl.status.waiting import Holder, holder

PATIENCE = 3600
"""What takes longer than this many seconds should be looked at."""


def look(here: Here) -> Finding:
    """They go on, are held off, or that can't be seen."""
    path = here.machine.path
    try:
        found = holder(path(here.facts.data), path(RUN), here.machine.now().timestamp())
    except OSError:
        return _finding("unknown", "whether they wait can not be seen", WARNING)
    return _finding("ok", "", OK) if found is None else _held_off(found, here.machine.now())


def _held_off(found: Holder, now: datetime) -> Finding:
    by = f"by {found.reason or 'somebody who did not say'}"
    if not found.since:
        return _finding("held-off", by, OK, reason=found.reason)
    since = datetime.fromtimestamp(found.since, timezone.utc)
    late = (now - since).total_seconds() > PATIENCE
    return _finding("held-off", f"since {iso(since)} {by}", WARNING if late else OK, iso(since), found.reason)


def _finding(state: str, detail: str, level: int, since: str = "", reason: str = "") -> Finding:
    line = f"writes: {state}" + (f" {detail}" if detail else "")
    return Finding(level, line, {"state": state, "since": since, "reason": reason, "detail": detail})
