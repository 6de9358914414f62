"""What the last clean-up left alone or could not keep, and what can be brought back."""

from __future__ import annotations

import re

from registryctl.machine import RESULTS
from registryctl.status.finding import OK, WARNING, Finding, Here

_NUMBER = re.compile(r"(skipped|early)=([0-9]+)")


def look(here: Here) -> Finding:
    """By the result that the clean-up left, and the records in the trash."""
    words = _result(here)
    numbers = {found[1]: int(found[2]) for word in words if (found := _NUMBER.fullmatch(word))}
    skipped, early = numbers.get("skipped", 0), numbers.get("early", 0)
    runs = sorted(path.stem for path in here.machine.path(here.facts.data / "trash").glob("*.json"))
    oldest = runs[0] if runs else ""
    state, level = "ok", OK
    detail = f"{len(runs)} in the trash" + (f", the oldest of {oldest}" if oldest else "")
    if skipped:
        state, level = "skipping", WARNING
        why = "because something can't be read: journalctl -u docker-registry-gc"
        detail = f"{skipped} left alone by the last clean-up, {why}; {detail}"
    elif early or "unrecorded" in words:
        state, level = "short-of-room", WARNING
        detail = f"the disk was too full to keep what was removed for gc.trashDays; {detail}"
    known = {"state": state, "skipped": skipped, "early": early, "runs": len(runs), "oldest": oldest, "detail": detail}
    return Finding(level, f"removals: {state}; {detail}", known)


def _result(here: Here) -> list[str]:
    try:
        return here.machine.path(RESULTS / "gc").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []
