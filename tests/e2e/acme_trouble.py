"""A registry with a certificate from the lab's ACME server, and scenarios of trouble that are played on it in turn."""

import json
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.interrupting import Point, Running, interrupt
from tests.e2e.support import CONTAINERS
from tests.lab.acme_requests import Request, delay
from tests.lab.acme_settings import Settings
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.pebble import Pebble
from tests.lab.stack import LabStack, Result, default_config

UNIT = "docker-registry-certificate"
LETSENCRYPT = "/var/opt/letsencrypt"
THROWN_AWAY = {"registry-acme", "registry-certbot"}
"""Containers that are there only while a certificate is got."""

DELAY_SECONDS = 8
RELOAD_SECONDS = 20
TLS_SECONDS = 30
RENEWAL_SECONDS = 180

_RENEW = f"""
cursor=$(journalctl -q -n 1 --show-cursor -o cat | sed -n 's/^-- cursor: //p')
systemctl start {UNIT}
code=$?
journalctl --sync
journalctl -q --no-pager -o cat -u {UNIT}.service --after-cursor="$cursor"
exit $code
"""


@dataclass(frozen=True)
class Status:
    """What registry-status says of the certificate, as JSON and as text, and its exit code, the same for both."""

    code: int
    certificate: Mapping[str, Any]
    text: str

    @property
    def state(self) -> str:
        """The state of the certificate."""
        return str(self.certificate["state"])


@dataclass(frozen=True)
class Asked:
    """A point at which a server has had so many requests of a kind."""

    pebble: Pebble
    kind: Request
    count: int

    def reached(self, run: Running) -> bool:
        """See `interrupting.Point`."""
        del run
        return self.come()

    def come(self) -> bool:
        """Whether they have come."""
        return self.pebble.requests(self.kind) >= self.count


class Site:
    """A host, its stack in mode `acme`, and an ACME server that nobody else uses, where the name leads nowhere yet."""

    def __init__(self, host: LabHost, stack: LabStack, pebble: Pebble, fqdn: str) -> None:
        self.host = host
        self.stack = stack
        self.pebble = pebble
        self.fqdn = fqdn
        self._least = default_config(host, fqdn, secrets.token_hex(16))

    def configure(self, **acme: object) -> None:
        """Settings of mode `acme` beside the server."""
        server = {"server": self.pebble.directory, "serverCa": self.pebble.server_ca}
        self.configure_certificate({"mode": "acme", "acme": server | acme})

    def configure_certificate(self, settings: Mapping[str, Any]) -> None:
        """Settings of the certificate."""
        self.stack.configure(self._least | {"certificate": settings})

    def failed_up(self) -> str:
        """An `up` that must fail; what it says."""
        done = self.stack.up(check=False)
        assert done.returncode != 0, said(done)
        return said(done)

    def broken_up(self, point: Point, act: Callable[[Running], None]) -> None:
        """An `up` to which something is done at a point; when this returns it has ended, and its lock is dropped."""
        interrupt(self.stack, self.host, point, act)
        self.stack.cancel()

    def challenged_slowly(self) -> Asked:
        """From now on the server takes its time with the last step; the point at which certbot is about to wait."""
        self.pebble.fault("finalize", delay(DELAY_SECONDS))
        return Asked(self.pebble, "challenge", self.pebble.requests("challenge") + 1)

    def serial(self) -> int:
        """The serial number of the certificate that the proxy serves to a client that trusts the server's root."""
        context = ssl.create_default_context(cadata=self.pebble.root())
        with (
            socket.create_connection((self.host.address, 443), timeout=TLS_SECONDS) as dialled,
            context.wrap_socket(dialled, server_hostname=self.fqdn) as tls,
        ):
            found = tls.getpeercert()
        assert found is not None
        return int(str(found["serialNumber"]), 16)

    def wait_for_another(self, serial: int) -> None:
        """Waits until the proxy, whose old workers may take a moment to end, serves another certificate."""
        deadline = time.monotonic() + RELOAD_SECONDS
        while self.serial() == serial:
            assert time.monotonic() < deadline, f"still the old certificate after {RELOAD_SECONDS} s"
            time.sleep(0.1)

    def exists(self, path: str) -> bool:
        """Whether there is such a path on the host."""
        return self.host.run(["test", "-e", path], check=False).returncode == 0

    def containers(self) -> set[str]:
        """The names of all containers, running or not."""
        return set(self.host.run(["docker", "ps", "-a", "--format", "{{.Names}}"]).stdout.split())

    def status(self) -> Status:
        """What registry-status says of the certificate."""
        as_json = self.host.run(["registry-status", "--json", "certificate"], check=False)
        as_text = self.host.run(["registry-status", "certificate"], check=False)
        assert as_json.returncode == as_text.returncode
        found = json.loads(as_json.stdout)
        assert found["status"] == as_json.returncode
        return Status(as_json.returncode, found["certificate"], as_text.stdout)

    def renew(self) -> tuple[bool, str]:
        """A run of the timer's service: whether it succeeded, and what it wrote to the journal."""
        done = self.host.run(_RENEW, check=False, timeout=RENEWAL_SECONDS)
        return done.returncode == 0, done.stdout

    def be_due(self) -> None:
        """Certbot's own setting makes the certificate due for renewal, and each that follows."""
        setting = "1i renew_before_expiry = 3650 days"
        self.host.run(["sed", "-i", setting, f"{LETSENCRYPT}/renewal/{self.fqdn}.conf"])

    def assert_nothing_is_left(self) -> None:
        """Neither the throw-away proxy nor certbot is left, nor the key of an account at the server."""
        assert not self.containers() & THROWN_AWAY
        assert not self.exists(f"{LETSENCRYPT}/eab.ini")

    def assert_complete(self) -> None:
        """All containers run, and a client trusts the one certificate that there is."""
        self.assert_nothing_is_left()
        assert self.containers() == set(CONTAINERS)
        assert self.serial()
        assert self.host.run(["ls", f"{LETSENCRYPT}/renewal"]).stdout.split() == [f"{self.fqdn}.conf"]
        status = self.status()
        assert (status.code, status.state) == (0, "ok"), status


def said(done: Result) -> str:
    """All that a command printed."""
    return done.stdout + done.stderr


Scenario = Callable[[Site], None]
"""Plays on a site, in the state in which the scenario before left it, and asserts what is promised."""


class Chain:
    """A site with scenarios that are played on it in turn, and what came of each."""

    def __init__(self, name: str, scenarios: Sequence[Scenario], settings: Settings | None = None) -> None:
        self.name = name
        self.outcomes: dict[str, Future[None]] = {scenario.__name__: Future() for scenario in scenarios}
        self._scenarios = scenarios
        self._settings = settings or Settings(renewal_info=False)

    def play(self, lab: Lab, new_host: NewHost, new_stack: NewStack) -> None:
        """Plays all scenarios; one that fails doesn't keep the next from being played."""
        try:
            host = new_host(self.name)
            pebble = Pebble.start(lab, self._settings, name=f"pebble-{self.name}")
            site = Site(host, new_stack(self.name, host), pebble, f"{self.name}.example.net")
        except BaseException as error:
            for outcome in self.outcomes.values():
                outcome.set_exception(error)
            raise
        for scenario in self._scenarios:
            _play(scenario, site, self.outcomes[scenario.__name__])
        pebble.remove()
        host.remove()


def _play(scenario: Scenario, site: Site, outcome: Future[None]) -> None:
    try:
        scenario(site)
    except BaseException as error:
        outcome.set_exception(error)
    else:
        outcome.set_result(None)
