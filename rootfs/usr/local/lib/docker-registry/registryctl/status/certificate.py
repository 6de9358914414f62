"""The certificate that the proxy serves, and how the last renewal went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from registryctl.certificate.openssl import Life, life
from registryctl.machine import RESULTS, Machine
from registryctl.status.finding import BROKEN, OK, WARNING, Finding, Here, iso

UNIT = "docker-registry-certificate.service"

_RENEWAL_ENDS_WELL = ("", "success")
# A run that only gave warning, or said itself that it failed.
_TOLD = {"0", "1", "2"}


@dataclass(frozen=True)
class _State:
    state: str = "ok"
    level: int = OK
    detail: str = ""


def look(here: Here) -> Finding:
    """How long it is good for. Its end counts as near within `warnDays`, or the last quarter of a short life."""
    its, now = here.site.certificate, here.machine.now()
    its_life = life(here.machine, here.machine.path(its.served))
    found = _judge(its_life, now, its.warn_days) if its_life else _missing(str(its.served))
    renewal = _renewal(here.machine)
    detail = found.detail
    if renewal.startswith("failed"):
        if found.state == "ok":
            found = _State("renewal-failed", WARNING)
        last = f"the last renewal {renewal}: journalctl -u {UNIT.removesuffix('.service')}"
        detail = f"{detail}; {last}" if detail else last
    end = iso(its_life.end) if its_life else ""
    line = f"certificate ({its.mode}): {found.state}, until {end or 'never'}" + (f"; {detail}" if detail else "")
    known = {
        "mode": its.mode,
        "state": found.state,
        "begins": iso(its_life.begin) if its_life else "",
        "expires": end,
        "daysLeft": _days(its_life.end - now) if its_life else 0,
        "lastRenewal": renewal,
        "detail": detail,
    }
    return Finding(found.level, line, known)


def _missing(chain: str) -> _State:
    return _State("missing", BROKEN, f"there is no certificate in {chain}")


def _judge(its: Life, now: datetime, warn_days: int) -> _State:
    begin, end = its.begin, its.end
    if end <= now:
        return _State("expired", BROKEN, f"it ended {iso(end)}")
    if begin > now:
        return _State("not-yet-valid", BROKEN, f"it begins later than this host's clock says it is: {iso(now)}")
    if end - now < min(timedelta(days=warn_days), (end - begin) / 4):
        days = _days(end - now)
        return _State("expiring", WARNING, "1 day is left" if days == 1 else f"{days} days are left")
    return _State()


def _days(left: timedelta) -> int:
    """Whole days, towards zero."""
    return int(left / timedelta(days=1))


def _renewal(machine: Machine) -> str:
    """How the last renewal went: `never`, or `ok` or `failed` with what is known of it."""
    shown = machine.answer("systemctl", "show", "--property=Result,ExecMainStatus", UNIT) or ""
    ended = dict(line.partition("=")[::2] for line in shown.splitlines())
    result, code = ended.get("Result", ""), ended.get("ExecMainStatus", "")
    # A run that was cut off, or had no place for its result, left none; systemd knows how it ended.
    if result not in _RENEWAL_ENDS_WELL and not (result == "exit-code" and code in _TOLD):
        return f"failed: it ended by {result} {code}"
    try:
        return machine.path(RESULTS / "renewal").read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:
        return "never"
