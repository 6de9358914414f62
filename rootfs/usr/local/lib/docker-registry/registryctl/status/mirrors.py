"""Whether mirrors of other registries keep within their bounds."""

from __future__ import annotations

from registryctl.facts import Bounded
from registryctl.machine import RESULTS, noted
from registryctl.mirrors import NAME
from registryctl.mirrors.files import earlier
from registryctl.status.finding import OK, WARNING, Finding, Here

_MEGABYTE = 1 << 20
_JOURNAL = "journalctl -u docker-registry-mirrors"


def look(here: Here) -> list[Finding]:
    """By what the last run left; of those that have a bound."""
    results = noted(here.machine.path(RESULTS / NAME)) if here.facts.bounded else {}
    return [_finding(here, one, results.get(one.prefix)) for one in here.facts.bounded]


def _finding(here: Here, mirror: Bounded, result: object) -> Finding:
    known = result if isinstance(result, dict) else {}
    stored, over = known.get("stored", 0), known.get("over") is True
    stays = known.get("faults") or known.get("failed")
    state, level, detail = "ok", OK, "nobody has looked yet"
    if known:
        detail = f"{_megabytes(stored)} MB" + (f" of {_megabytes(mirror.most)} MB" if mirror.most else "")
    if stays:
        state, level = ("failing" if known.get("failed") else "skipping"), WARNING
        detail += f"; not all could go: {_JOURNAL}"
    elif over:
        state, level = "too-large", WARNING
        detail += "; all else was used within the last hour: give it more by mirrors[].maxSize"
    if (size := known.get("earlier")) and (places := earlier(here.machine.path(mirror.data))):
        state, level = ("earlier-upstream" if level == OK else state), WARNING
        names = " ".join(str(mirror.data.parent / place.name) for place in places)
        detail += f"; {_megabytes(size)} MB of an earlier upstream count for no bound: rm -r {names} removes them"
    line = f"mirror {mirror.prefix}: {state}; {detail}"
    its = {"name": mirror.prefix, "state": state, "bytes": stored, "maxBytes": mirror.most or 0, "detail": detail}
    return Finding(level, line, its)


def _megabytes(count: object) -> int:
    return count // _MEGABYTE if isinstance(count, int) else 0
