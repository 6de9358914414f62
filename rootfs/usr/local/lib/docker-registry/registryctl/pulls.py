"""When images were pulled last, as far as the metrics of traffic have counted it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from registryctl.endings import ToolError
from registryctl.facts import Facts
from registryctl.local import Stored
from registryctl.machine import Machine
from registryctl.metrics import reader, store
from registryctl.metrics.store import Known


class PullsError(ToolError):
    """Not all pulls are known."""


def catch_up(facts: Facts) -> None:
    """Counts what is not counted yet. Where that can't be done, what was counted so far is too old, or new enough."""
    with suppress(OSError):
        reader.read(Machine(), facts.root / "nginx/logs")


def known(repository: str, path: Path | None = None) -> Known | None:
    """What was counted of a repository; None where nobody counts."""
    path = path or store.of_host()
    if not path.exists():
        return None
    with store.opened(path) as found:
        return found.known(repository)


def last_pulls(found: Stored, moment: float) -> dict[str, float]:
    """When each tag was last pulled at the latest: by its name, or by a digest to which it leads.

    Before counting began it may have been pulled at any time, and at other hosts while there were any. Raises
    `PullsError` where that is so to this day.
    """
    its = known(found.name)
    if its is None or not its.since:
        raise PullsError("nobody has counted its pulls yet: metrics.enabled")
    if moment - its.until > store.LATE:
        raise PullsError("its pulls were not counted of late: systemctl status docker-registry-metrics.timer")
    since = max(its.since, its.shared)
    return {tag: max(since, _last(found, its, tag)) for tag in found.digests}


def _last(found: Stored, its: Known, tag: str) -> float:
    """What it was before it was moved counts too: whoever pulls a tag wants it."""
    return its.of({tag, *found.reach([found.digests[tag]])}, tag).last
