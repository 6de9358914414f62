"""A registry whose certificate comes from the lab's ACME server, and whose settings tests change."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cryptography import x509

from tests.e2e.support import Deployed
from tests.e2e.traces import traces
from tests.lab.host import LabHost
from tests.lab.images import SUITES
from tests.lab.lab import Lab
from tests.lab.paths import write_private
from tests.lab.pebble import Pebble
from tests.lab.stack import LabStack, default_config

Settings = Mapping[str, Any]


class AcmeRegistry:
    """A host with a stack of its own. Each test first says which settings it needs, and nobody puts them back."""

    def __init__(self, lab: Lab, name: str, server: Pebble, suite: str = SUITES[-1]) -> None:
        """Starts the host; clients of `deployed` trust the certificates of `server`. There is no `up` yet."""
        fqdn = f"{name}.example.net"
        host = LabHost.start(name, aliases=[fqdn], lab=lab, suite=suite)
        server.resolve(fqdn, host.address)
        stack = LabStack(f"{lab.name}-{name}", host)
        stack.init()
        password = secrets.token_hex(16)
        least = default_config(host, fqdn, password)
        ca = write_private(host.folder / "root.pem", server.root())
        self.server = server
        self.deployed = Deployed(host, stack, fqdn, password, ca, least, traces(host))
        self._now: Settings | None = None

    def become(self, certificate: Settings, **changed: object) -> None:
        """`up` with these settings, unless they are in effect already."""
        settings = {**self.deployed.settings, "certificate": certificate, **changed}
        if settings == self._now:
            return
        self._now = None
        self.deployed.stack.configure(settings)
        self.deployed.stack.up()
        self._now = settings

    def destroy(self) -> None:
        """`destroy`; the next `become` is an `up`."""
        self._now = None
        self.deployed.stack.destroy()

    def trusting(self, *authorities: str) -> Deployed:
        """The registry for a client that trusts these authorities (PEM) and no other."""
        ca = self.deployed.host.folder / f"trusted-{secrets.token_hex(4)}.pem"
        return replace(self.deployed, ca=write_private(ca, "".join(authorities)))


def from_server(server: Pebble, renewal: Settings | None = None, **acme: object) -> Settings:
    """Settings of a certificate from an ACME server."""
    found = {"mode": "acme", "acme": {"server": server.directory, "serverCa": server.server_ca, **acme}}
    return found if renewal is None else {**found, "renewal": renewal}


def served(registry: Deployed) -> x509.Certificate:
    """The certificate that the proxy serves. Raises ssl.SSLError where the registry's CA doesn't vouch for it."""
    return x509.load_der_x509_certificate(registry.certificate())


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Waits until `true`; False when that takes longer."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
