"""Lets the running proxy serve what is in place."""

from __future__ import annotations

from pathlib import Path

from registryctl.certificate.openssl import CertificateError
from registryctl.machine import LOCAL_TOOLS, Machine

_SECONDS = 10
# It waits for others that reload.
_RELOAD_SECONDS = 200
_BEGIN, _END = "-BEGIN CERTIFICATE-", "-END CERTIFICATE-"


def serve(machine: Machine, chain: Path) -> None:
    """Reloads the proxy if it serves another chain: another certificate, or other issuers."""
    ports = machine.answer("docker", "port", "nginx", "443/tcp")
    if not ports:
        return
    address = ports.splitlines()[0]
    said = machine.run("openssl", "s_client", "-connect", address, "-showcerts", seconds=_SECONDS).out
    if _certificates(said) == _certificates(chain.read_text(encoding="utf-8", errors="replace")):
        return
    done = machine.run(str(LOCAL_TOOLS / "nginx-reload"), seconds=_RELOAD_SECONDS)
    if done.code != 0:
        raise CertificateError(done.err.strip() or "the proxy can't be reloaded")


def _certificates(text: str) -> str:
    """What is between the marks, without white space."""
    parts = (part.partition(_END)[0] for part in text.split(_BEGIN)[1:])
    return "|".join("".join(part.split()) for part in parts)
