"""How old the last good backup is, and what went wrong since."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from registryctl.backup_state import NAME
from registryctl.machine import RESULTS, noted
from registryctl.repository import HOME
from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here


def look(here: Here) -> Finding:
    """By what the last backups, checks and drills left."""
    settings = noted(here.machine.path(HOME / "backup.json"))
    if not settings:
        elsewhere = "its images are in the store, of which nothing is backed up"
        what = elsewhere if here.facts.objects else "nothing of this registry survives its disk"
        return Finding(OK, f"backup: off; {what}", {"state": "off"})
    known = noted(here.machine.path(RESULTS / NAME))
    good, failed = _part(known, "good"), _part(known, "failed")
    state, level, detail = _judge(here, good, failed, int(settings.get("warnDays", 2)))
    said = f"the last good one of {good['time']}" if good else "there is no good one yet"
    known = {
        "state": state,
        "last": str(good.get("time", "")),
        "run": str(good.get("run", "")),
        "bytes": good.get("bytes", 0),
        "checked": str(_part(known, "check").get("time", "")),
        "drilled": str(_part(known, "drill").get("time", "")),
        "detail": detail,
    }
    return Finding(level, f"backup: {state}; {said}{f'; {detail}' if detail else ''}", known)


def _judge(here: Here, good: Mapping[str, Any], failed: Mapping[str, Any], days: int) -> tuple[str, int, str]:
    """State, level, and what to say besides."""
    if here.machine.path(here.facts.data / "restoring").exists():
        return "restoring", WARNING, "a restore was cut off: registryctl restore goes on with it"
    if failed:
        detail = f"{failed.get('what')} of {failed.get('time')}: {failed.get('why')}"
        damaged = failed.get("name") == "DAMAGED"
        return ("damaged", BROKEN, detail) if damaged else ("failed", WARNING, detail)
    if not good:
        return "none", WARNING, "registryctl backup makes one"
    try:
        age = here.machine.now() - datetime.fromisoformat(str(good["time"]))
    except (ValueError, TypeError, KeyError):
        return "unknown", WARNING, "when it was made can't be read"
    if age > timedelta(days=days):
        return "overdue", WARNING, f"more than {days} days ago: journalctl -u docker-registry-backup"
    return "ok", OK, ""


def _part(known: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = known.get(name)
    return found if isinstance(found, dict) else {}
