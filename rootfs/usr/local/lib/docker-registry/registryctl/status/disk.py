"""How full the file systems are that hold the images, the logs and what mirrors have."""

from __future__ import annotations

from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here

BROKEN_PERCENT = 95
_MEGABYTE = 1 << 20


def look(here: Here) -> list[Finding]:
    """One file system that holds several is one problem."""
    findings: list[Finding] = []
    reported = ""
    places = [("data", here.facts.data), ("logs", here.facts.root / "nginx/logs")]
    if here.facts.mirrors:
        places.append(("mirrors", here.facts.mirrored))
    for name, path in places:
        said = here.machine.answer("df", "-B", "1", "--output=pcent,avail,target", str(path))
        if said is None:
            findings.append(_missing(name, str(path)))
            continue
        percent, free, mount = said.splitlines()[-1].split(None, 2)
        used = int(percent.rstrip("%"))
        state, level = _judge(used, here.facts.warn_percent)
        detail = f"{used} % used, {int(free) // _MEGABYTE} MB free"
        line = f"disk ({name}, {mount}): {state}; {detail}"
        known = {"usedPercent": used, "freeBytes": int(free), "mount": mount, "detail": detail}
        told = mount != reported
        findings.append(Finding(level if told else OK, line if told else "", {"name": name, "state": state, **known}))
        reported = mount
    return findings


def _judge(used: int, warn_percent: int) -> tuple[str, int]:
    if used >= BROKEN_PERCENT:
        return "full", BROKEN
    return ("filling", WARNING) if used >= warn_percent else ("ok", OK)


def _missing(name: str, path: str) -> Finding:
    detail = f"there is no {path}"
    known = {"usedPercent": 0, "freeBytes": 0, "mount": "", "detail": detail}
    return Finding(BROKEN, f"disk ({name}): missing; {detail}", {"name": name, "state": "missing", **known})
