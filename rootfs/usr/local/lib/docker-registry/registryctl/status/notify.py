"""Whether those are reached who are told of the status."""

from __future__ import annotations

from registryctl.notify_memory import SETTINGS, load
from registryctl.status.finding import OK, WARNING, Finding, Here


def look(here: Here) -> Finding:
    """By what the last run left. Where nobody is told there is nothing to say."""
    if not here.machine.path(SETTINGS).exists():
        return Finding(OK, "", {"state": "off"})
    memory = load(here.machine)
    failing = memory.failing
    state, level = ("failing", WARNING) if failing else ("ok", OK)
    detail = f"told last {memory.last or 'never'}" + (f"; not {'; not '.join(failing)}" if failing else "")
    known = {"state": state, "last": memory.last, "failing": len(failing), "detail": detail}
    return Finding(level, f"notify: {state}; {detail}", known)
