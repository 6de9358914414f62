"""Which hosts have the same bucket of an object store, whether each is there, and whether this one says that it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from registryctl.endings import count
from registryctl.hosts import times
from registryctl.hosts.service import SEEN
from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here

UNIT = "docker-registry-barrier"
_STALE = 300.0
"""Seconds after which what the service saw is old: mostly it looks twice a minute."""


def look(here: Here) -> Finding:
    """By what the service of this host saw last: nobody is asked now."""
    if not here.facts.objects:
        return Finding(OK, "", {"state": "off"})
    if here.machine.answer("systemctl", "is-active", UNIT) != "active":
        return _finding("stopped", f"other hosts remove nothing: systemctl status {UNIT}", BROKEN)
    try:
        found = json.loads(here.machine.path(SEEN).read_text(encoding="utf-8"))
        age = times.boottime() - float(found["at"])
        return _judge(found, age)
    except (OSError, ValueError, KeyError, TypeError):
        return _finding("unknown", f"its service has not said anything yet: journalctl -u {UNIT}", WARNING)


def _judge(found: Mapping[str, Any], age: float) -> Finding:
    if age > _STALE:
        return _finding("silent", f"its service has done nothing for {age:.0f} s: journalctl -u {UNIT}", WARNING)
    if found.get("fault"):
        return _finding("unknown", f"the store does not say who is there: {found['fault']}", WARNING)
    others = [one for one in found["hosts"] if one["identity"] != found["me"]]
    known = [{"stack": one["stack"], "machine": one["machine"], "quiet": one["quiet"]} for one in others]
    if not found["joined"]:
        return _finding("waiting", "this host does not write before another one's run has ended", WARNING, known)
    away = [one for one in others if one.get("fault") or one["quiet"] > times.MISSED]
    if away:
        texts = [_away(one) for one in away]
        return _finding("away", f"{'; '.join(texts)}. Nothing is removed meanwhile: registryctl hosts", WARNING, known)
    names = ", ".join(str(one["stack"]) for one in others)
    return _finding("ok", f"with {names}" if names else "none but this one", OK, known)


def _away(one: Mapping[str, Any]) -> str:
    if one.get("fault"):
        return f"{one['stack']} is not understood"
    return f"no sign of {one['stack']} for {count(int(one['quiet']) // 60, 'minute')}"


def _finding(state: str, detail: str, level: int, others: object = ()) -> Finding:
    return Finding(level, f"hosts: {state}; {detail}", {"state": state, "others": others, "detail": detail})
