"""A host for the certificate's tools, with a `docker` that has certbot and the proxy in its stead."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from rendering.rootfs import TREE
from tests.registryctl.stored import DEFAULTS
from tests.rendering.host_tools import FakeHost, Ran
from tests.unit.config import pki

FQDN = "dr.example.net"
SERVER = "https://ca.example.net/dir"

_PROGRAM_PLACE = "/usr/local/bin"
_PROGRAMS = ("registry-status", "registryctl")

# Writes down each call; certbot does and says what the test wants.
_DOCKER = """
printf '%s\\n' "$*" >>{root}/docker-calls
case "$1 $*" in
    'container '*' registry-certbot') test -e {root}/registry-certbot ;;
    'wait '*) test -e {root}/registry-certbot ;;
    'rm '*' registry-certbot') rm -f {root}/registry-certbot ;;
    'container '* | 'port '*) exit 1 ;;
    'run '*' --name registry-certbot '*) . {root}/certbot ;;
esac
"""


class CertificateHost(FakeHost):
    """A host whose storage root is `data`, with facts and a status as the stack leaves them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.data = root / "data"
        for place in (
            _PROGRAM_PLACE,
            "/etc/docker-registry",
            "/data/certbot/logs",
            "/data/certbot/webroot",
            "/data/letsencrypt/renewal",
        ):
            self.path(place).mkdir(parents=True)
        for name in _PROGRAMS:
            shutil.copy(TREE / "usr/local/bin" / name, self.path(_PROGRAM_PLACE))
        self.command("docker", _DOCKER.format(root=root))
        self.certbot("exit 0")
        self.ended("success", 0)
        self.facts()

    def facts(self, **changes: object) -> None:
        """What the stack told the host of its certificate, in mode acme unless it changes."""
        its = {"mode": "acme", "warnDays": 7, "chain": None, "key": None} | changes
        served = f"letsencrypt/live/{FQDN}" if its["mode"] == "acme" else f"nginx/etc/tls/{its['mode']}/current"
        certificate = {"served": f"{self.data}/{served}/fullchain.pem", **its}
        site = {"fqdn": FQDN, "network": "registry", "images": {"nginx": "nginx:1", "certbot": "certbot:1"}}
        known = {**DEFAULTS, "root": str(self.data), **site, "certificate": certificate}
        self.path("/etc/docker-registry/host.json").write_text(json.dumps(known))

    def certbot(self, script: str) -> None:
        """What certbot does: a piece of shell script."""
        (self.root / "certbot").write_text(script + "\n")

    def ended(self, result: str, code: int) -> None:
        """How systemd says that the timer's service ended."""
        self.command("systemctl", f"echo Result={result}; echo ExecMainStatus={code}")

    def has_certificate(self, *names: str, starts: timedelta, ends: timedelta, folder: str = "") -> Path:
        """A certificate where the proxy has it; its file."""
        chain = self.data / (folder or f"letsencrypt/live/{FQDN}") / "fullchain.pem"
        chain.parent.mkdir(parents=True, exist_ok=True)
        chain.write_text(pki.issue(*(names or (FQDN,)), starts=starts, ends=ends).pem)
        return chain

    def has_record(self, **changes: str) -> Path:
        """What certbot writes down about its certificate; its file."""
        entries: Mapping[str, str] = {"fullchain": "somewhere", "server": SERVER, "key_type": "ecdsa"} | changes
        record = self.data / f"letsencrypt/renewal/{FQDN}.conf"
        record.write_text("".join(f"{key} = {value}\n" for key, value in entries.items()))
        return record

    def renewal_was(self, result: str) -> None:
        """How the last renewal went, in the words of its tool."""
        self.path("/var/lib/docker-registry/renewal").write_text(f"{result} 2026-01-02T03:04:05+00:00\n")

    def status(self, *words: str) -> Ran:
        """What registry-status says of the certificate."""
        return self.run("../../bin/registry-status", *words, "certificate")

    def docker_calls(self) -> list[str]:
        """How `docker` was called."""
        calls = self.root / "docker-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def _moved(self, script: str) -> str:
        return super()._moved(script).replace(f"{_PROGRAM_PLACE}/", f"{self.path(_PROGRAM_PLACE)}/")
