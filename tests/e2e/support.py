"""What the end-to-end tests share: a registry that was deployed, and questions to it over HTTP."""

import base64
import http.client
import json
import os
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.traces import Traces, traces
from tests.lab.clients import Client
from tests.lab.host import LabHost
from tests.lab.images import SUITES
from tests.lab.paths import write_private
from tests.lab.stack import LabStack, default_config

USER = "alice"
"""The user of every stack that `default_config` makes."""

CONTAINERS = ("nginx", "registry", "registry-ui")
"""What runs on a host."""

OTHER_SUITE = os.environ.get("LAB_SUITE") or SUITES[0]
"""The release of the hosts on which the same is tried once more: the older one, or another where it can be had."""

HTTP_SECONDS = 30
HEALTHY_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """The answer to one HTTP request; redirects are not followed."""

    status: int
    headers: Mapping[str, str]
    """With lower-case names."""
    body: str


@dataclass(frozen=True)
class Deployed:
    """A registry that `up` made: the host, the stack, `alice`'s password, and the file with its CA."""

    host: LabHost
    stack: LabStack
    fqdn: str
    password: str
    ca: Path
    settings: Mapping[str, Any] = field(repr=False)
    """What it was made with, for `stack.configure`."""
    before: Traces = field(repr=False)
    """What was on the host before the first `up`."""
    logins: int = 0
    """How often the first `up` logged in at the host."""

    def get(self, path: str, *, scheme: str = "https", password: str | None = None, user: str = USER) -> Answer:
        """GET `path` from the proxy, verifying its certificate; as `user` where a `password` is given."""
        headers = {}
        if password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = self.connect(scheme)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read().decode(errors="replace"))
        finally:
            connection.close()

    def certificate(self) -> bytes:
        """The certificate that the proxy shows, in DER."""
        with self._tls() as tls:
            found = tls.getpeercert(binary_form=True)
        assert found is not None
        return found

    def client(self, host: LabHost) -> Client:
        """A client on `host` that trusts this registry and is logged in as `alice`."""
        client = Client(host, self.fqdn)
        client.trust(self.ca.read_text())
        client.login(USER, self.password)
        return client

    def connect(self, scheme: str) -> http.client.HTTPConnection:
        """A connection to the proxy, which verifies its certificate."""
        # The name leads to the host through the lab's network alone, so the address is dialled.
        connection = http.client.HTTPConnection(self.fqdn, 443 if scheme == "https" else 80, timeout=HTTP_SECONDS)
        connection.sock = self._tls() if scheme == "https" else self.dial(80)
        return connection

    def dial(self, port: int) -> socket.socket:
        """A connection to a port of the host."""
        return socket.create_connection((self.host.address, port), timeout=HTTP_SECONDS)

    def _tls(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.ca))
        return context.wrap_socket(self.dial(443), server_hostname=self.fqdn)


def deploy(host: LabHost, stack: LabStack, fqdn: str, settings: Mapping[str, Any] | None = None) -> Deployed:
    """`up` with the least configuration and `settings` on top, and what is needed to use the registry."""
    password = secrets.token_hex(16)
    least = default_config(host, fqdn, password)
    config = least | dict(settings or {})
    config["host"] = least["host"] | config["host"]
    before = traces(host)
    stack.configure(config)
    logins = _logins(host)
    stack.up()
    logins = _logins(host) - logins
    # Empty where the certificate is of an authority of its own: then the caller knows whom to trust.
    ca = write_private(host.folder / "registry-ca.pem", stack.outputs().get("certificateAuthority", ""))
    return Deployed(host, stack, fqdn, password, ca, config, before, logins)


def _logins(host: LabHost) -> int:
    """How often somebody has logged in at the host by SSH since it booted."""
    return int(host.run("journalctl --sync; journalctl -q -o cat | grep -c '^Accepted publickey ' || true").stdout)


def runs(host: LabHost) -> dict[str, tuple[str, str]]:
    """The stack's containers: name → (id, time of the start); neither changes unless it is replaced or restarted."""
    return {name: (found["Id"], found["State"]["StartedAt"]) for name, found in _containers(host).items()}


def wait_until_healthy(host: LabHost) -> None:
    """Wait until the stack's containers are healthy."""
    deadline = time.monotonic() + HEALTHY_SECONDS
    while (found := _health(host)) != dict.fromkeys(CONTAINERS, "healthy"):
        assert time.monotonic() < deadline, f"not healthy after {HEALTHY_SECONDS} s: {found}"
        time.sleep(0.2)


def round_trip(user: Client, name: str, digest: str) -> None:
    """Pull `name` by tag and by `digest`, each time without a local copy, and run it."""
    by_digest = f"{name.rpartition(':')[0]}@{digest}"
    assert user.digest(name) == digest
    for reference in (name, by_digest):
        user.forget(name, by_digest, f"{name}-docker")
        argv = ["docker", "image", "inspect", f"{user.registry}/{reference}"]
        assert user.host.run(argv, check=False).returncode != 0
        user.pull(reference)
        user.host.run(["docker", "run", "--rm", f"{user.registry}/{reference}", "true"])


def _health(host: LabHost) -> dict[str, str]:
    return {name: found["State"]["Health"]["Status"] for name, found in _containers(host).items()}


def _containers(host: LabHost) -> dict[str, Any]:
    done = host.run(["docker", "container", "inspect", *CONTAINERS], check=False)
    found = json.loads(done.stdout or "[]")
    return {entry["Name"].lstrip("/"): entry for entry in found}
