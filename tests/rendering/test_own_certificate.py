"""The certificate of the host's own: its CA, which all clients know, is not lost."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from registryctl import clock
from tests.rendering.certificate_host import FQDN, CertificateHost
from tests.rendering.host_tools import Ran

DAY = 86400


class OwnHost(CertificateHost):
    """A host in mode self-signed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.facts(mode="self-signed")
        self.folder = self.data / "nginx/etc/tls/self-signed"

    def make(self) -> Ran:
        """What `up` and the timer do."""
        return self.run("self-signed-certificate", "nginx:1", str(self.data), FQDN)

    def ca(self) -> tuple[str, str]:
        """The CA and its key."""
        return (self.folder / "ca.pem").read_text(), (self.folder / "ca.key").read_text()

    def ends_in(self, days: int) -> tuple[str, str]:
        """Another CA, which ends so soon."""
        words = ("req", "-x509", "-new", "-key", "ca.key", "-days", str(days), "-subj", "/CN=Registry CA")
        subprocess.run(["openssl", *words, "-out", "ca.pem"], cwd=self.folder, check=True, capture_output=True)
        return self.ca()

    def clock_leapt(self, days: int) -> None:
        """What the last clean-up believed, in this boot."""
        up = time.clock_gettime(time.CLOCK_BOOTTIME)
        known = {"believed": time.time() - days * DAY, "boot": clock.BOOT.read_text().strip(), "up": up}
        self.path("/var/lib/docker-registry/clock").write_text(json.dumps(known))


@pytest.fixture
def host(tmp_path: Path) -> OwnHost:
    """One that has its certificate."""
    found = OwnHost(tmp_path / "host")
    done = found.make()
    assert done.code == 0, done.err
    return found


def test_what_is_good_stays(host: OwnHost) -> None:
    """All of it, and what is told of it."""
    before = sorted(host.folder.iterdir()), host.ca(), host.make().out
    assert (sorted(host.folder.iterdir()), host.ca(), host.make().out) == before
    assert before[2].endswith(host.ca()[0])


def test_a_ca_that_another_takes_the_place_of_is_kept(host: OwnHost) -> None:
    """Clients may trust it still, and a clock may have been wrong: it and its key can be put back."""
    old = host.ends_in(20)
    assert host.make().code == 0
    assert host.ca() != old
    kept = [next(host.folder.glob(f"{name}.*~")).read_text() for name in ("ca.pem", "ca.key")]
    assert tuple(kept) == old


def test_a_clock_that_leaps_ends_no_ca(host: OwnHost) -> None:
    """It would end the trust of all clients."""
    old = host.ends_in(20)
    host.clock_leapt(60)
    assert host.make().code == 0
    assert host.ca() == old


@pytest.mark.parametrize("script", ["kill -9 $$", "exit 127"])
def test_where_nobody_can_look_the_ca_stays(host: OwnHost, script: str) -> None:
    """Without memory, or without openssl."""
    old = host.ca()
    host.command("openssl", f'case "$*" in *-enddate*) {script} ;; esac; PATH={host.system} exec openssl "$@"')
    done = host.make()
    assert done.code == 1
    assert "openssl does not say when " in done.err
    assert host.ca() == old


@pytest.mark.parametrize("content", [None, "", "half"])
def test_a_key_that_is_lost_is_made_anew(host: OwnHost, content: str | None) -> None:
    """With its certificate, by the same CA."""
    ca, key = host.ca(), host.folder / "current/privkey.pem"
    key.unlink()
    if content is not None:
        key.write_text(content)
    done = host.make()
    assert done.code == 0, done.err
    assert host.ca() == ca
    assert "PRIVATE KEY" in key.read_text()
