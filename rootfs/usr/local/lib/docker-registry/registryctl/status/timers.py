"""Each timer of the registry, and the one that rotates the logs: when, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from registryctl.machine import Machine
from registryctl.status.finding import OK, WARNING, Finding, Here

UNITS = "/etc/systemd/system"

_PROPERTIES = "Id,UnitFileState,ActiveState,LastTriggerUSec,NextElapseUSecRealtime,Result,ExecMainStatus"
# The certificate is judged by itself: a good one may have come since.
_JUDGED_ELSEWHERE = "docker-registry-certificate"


def look(here: Here) -> list[Finding]:
    """Whether they run, and how the last runs of their services ended."""
    names = sorted(path.stem for path in here.machine.path(UNITS).glob("docker-registry-*.timer"))
    names.append("logrotate")
    units = _units(here.machine, names)
    return [_finding(name, units.get(f"{name}.timer", {}), units.get(f"{name}.service", {})) for name in names]


def _units(machine: Machine, names: list[str]) -> dict[str, Mapping[str, str]]:
    """What systemd has of each unit."""
    words = [f"{name}.{kind}" for name in names for kind in ("timer", "service")]
    said = machine.run("systemctl", "show", f"--property={_PROPERTIES}", *words).out
    found = [dict(line.partition("=")[::2] for line in part.splitlines()) for part in said.split("\n\n")]
    return {one["Id"]: one for one in found if "Id" in one}


def _finding(name: str, timer: Mapping[str, str], service: Mapping[str, str]) -> Finding:
    last, following = _iso(timer.get("LastTriggerUSec", "")), _iso(timer.get("NextElapseUSecRealtime", ""))
    state, detail = _judge(name, timer, f"last {last or 'never'}, next {following or 'unknown'}")
    result = " ".join(filter(None, (service.get("Result", ""), service.get("ExecMainStatus", ""))))
    if service.get("ActiveState") == "activating":
        detail += "; it runs now"
    elif service.get("Result") != "success":
        detail += f"; the last run ended by {service.get('Result', '')} {service.get('ExecMainStatus', '')}"
        if name != _JUDGED_ELSEWHERE:
            detail += f": journalctl -u {name}"
            state = "failed" if state == "ok" else state
    known = {"name": name, "state": state, "last": last, "next": following, "lastResult": result, "detail": detail}
    return Finding(OK if state == "ok" else WARNING, f"timer {name}: {state}; {detail}", known)


def _judge(name: str, timer: Mapping[str, str], times: str) -> tuple[str, str]:
    enabled, active = timer.get("UnitFileState", ""), timer.get("ActiveState", "")
    if not enabled:
        return "missing", "systemd has no such timer"
    if not enabled.startswith("enabled"):
        return "disabled", f"{times}; systemctl enable --now {name}.timer"
    if active != "active":
        return "stopped", f"{times}; systemctl start {name}.timer"
    return "ok", times


def _iso(text: str) -> str:
    """A time as systemd writes it, in UTC; nothing where there was none."""
    match text.split():
        case [_, date, time, _]:
            return f"{date}T{time}Z"
    return ""
