"""The accounts that end soon, and those that have ended."""

from __future__ import annotations

from registryctl import rights
from registryctl.endings import count
from registryctl.facts import FactsError
from registryctl.status.finding import OK, WARNING, Finding, Here

WARN_SECONDS = 14 * 86400
"""How long before its end somebody is told of an account."""


def look(here: Here) -> Finding:
    """That one has ended is what its settings say, and no problem."""
    now = here.machine.now().timestamp()
    try:
        accounts = rights.read(here.machine.path(str(here.facts.proxy))).accounts.values()
    except FactsError as error:
        return _finding(WARNING, "unknown", str(error), {"count": 0, "ended": 0}, [])
    ended = sum(its.has_ended(now) for its in accounts)
    ending = sorted((its.ends, its.name) for its in accounts if now < its.end <= now + WARN_SECONDS)
    parts = [f"{name} ends {ends}" for ends, name in ending] + ([f"{ended} ended"] if ended else [])
    detail = ", ".join([count(len(accounts), "account"), *parts])
    level, state = (WARNING, "ending") if ending else (OK, "ok")
    numbers = {"count": len(accounts), "ended": ended}
    return _finding(level, state, detail, numbers, [{"name": name, "ends": ends} for ends, name in ending])


def _finding(level: int, state: str, detail: str, numbers: dict[str, int], ending: list[dict[str, str]]) -> Finding:
    known = {"state": state, "ending": ending, **numbers, "detail": detail}
    return Finding(level, f"accounts: {state}; {detail}", known)
