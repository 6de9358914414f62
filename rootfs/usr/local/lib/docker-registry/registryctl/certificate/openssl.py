"""What openssl says of a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from registryctl.endings import ToolError
from registryctl.machine import Machine

_FORM = "%b %d %H:%M:%S %Y GMT"
_NO_CERTIFICATE = 1
"""What openssl ends with where it reads none in a file."""


class CertificateError(ToolError):
    """There is no certificate, for the reason that is said."""


@dataclass(frozen=True)
class Life:
    """From when until when a certificate is valid, in UTC."""

    begin: datetime
    end: datetime


def life(machine: Machine, chain: Path) -> Life | None:
    """Of the first certificate of a chain. None: there is none that can be read."""
    said = _fields(machine, chain, "-dates")
    try:
        return Life(_time(said["notBefore"]), _time(said["notAfter"]))
    except (KeyError, ValueError):
        return None


def end(machine: Machine, chain: Path) -> float:
    """When it ends, in seconds since 1970; 0 where there is none. Raises `CertificateError` where nobody could look."""
    if not chain.exists():
        return 0
    done = machine.run(*_x509(chain), "-enddate")
    if done.code not in {0, _NO_CERTIFICATE}:
        raise CertificateError(f"openssl does not say when {chain} ends: {done.err.strip() or done.code}")
    found = life(machine, chain) if done.code == 0 else None
    return found.end.timestamp() if found else 0


def told(machine: Machine, chain: Path) -> str:
    """Its end, and its fingerprint: two lines, as the program reads them. Raises `CertificateError`."""
    said = _fields(machine, chain, "-enddate", "-fingerprint", "-sha256")
    try:
        return f"{said['notAfter']}\n{said['sha256 Fingerprint'].replace(':', '')[:16]}"
    except KeyError:
        raise CertificateError(f"there is no certificate in {chain}") from None


def is_for(machine: Machine, chain: Path, name: str) -> bool:
    """Whether a client that asks for this name takes it."""
    return "does match" in (machine.answer(*_x509(chain), "-checkhost", name) or "")


def lasts(machine: Machine, chain: Path, seconds: int) -> bool:
    """Whether it is there and will still be valid after so many seconds."""
    return machine.answer(*_x509(chain), "-checkend", str(seconds)) is not None


def names(machine: Machine, chain: Path) -> list[str]:
    """The names that it is for, sorted."""
    said = machine.answer(*_x509(chain), "-ext", "subjectAltName") or ""
    words = said.replace(",", " ").split()
    return sorted(word.removeprefix("DNS:") for word in words if word.startswith("DNS:"))


def made(machine: Machine, *words: str, stdin: str = "") -> str:
    """What openssl makes. Raises `CertificateError` with its words."""
    done = machine.run("openssl", *words, stdin=stdin)
    if done.code != 0:
        raise CertificateError(f"openssl {words[0]} failed: {done.err.strip()}")
    return done.out


def _x509(chain: Path) -> list[str]:
    return ["openssl", "x509", "-in", str(chain), "-noout"]


def _fields(machine: Machine, chain: Path, *options: str) -> dict[str, str]:
    said = machine.answer(*_x509(chain), *options) or ""
    return dict(line.partition("=")[::2] for line in said.splitlines())


def _time(text: str) -> datetime:
    return datetime.strptime(text, _FORM).replace(tzinfo=timezone.utc)
