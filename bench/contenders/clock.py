"""Hosts for the contenders, the clock, and whether a registry is what was asked for."""

from __future__ import annotations

import base64
import http.client
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.contenders.setup import IMAGES, AcmeServer, Contender, Setup
from tests.e2e.support import CONTAINERS, USER
from tests.lab.host import LabHost
from tests.lab.log import step
from tests.lab.pebble import Pebble
from tests.lab.run import LabError

ANSWER_SECONDS = 60
OK = 200
UNAUTHORIZED = 401


def start_host(contender: Contender, pebble: Pebble) -> Setup:
    """A host with Docker, the images, and what the contender needs beforehand; its name leads there.

    A name of its own: all contenders' hosts are there at the same time, and the server validates one name at one host.
    """
    name = contender.name.replace(" ", "-").lower()
    fqdn = f"{name}.example.net"
    host = LabHost.start(name, "ready", aliases=[fqdn], lab=pebble.lab)
    pebble.resolve(fqdn, host.address)
    with step(f"deploying: {contender.name}'s host gets images and packages"):
        for image in (IMAGES.nginx, IMAGES.registry, IMAGES.ui, IMAGES.certbot):
            host.run(["docker", "pull", "--quiet", str(image)])
        if contender.packages:
            host.run(f"apt-get update -q && apt-get install -qy --no-install-recommends {' '.join(contender.packages)}")
    server = AcmeServer(pebble.directory, pebble.server_ca, pebble.root())
    return Setup(host, fqdn, secrets.token_hex(16), server)


def timed(act: Callable[[], None]) -> float:
    """How many seconds an act takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def seconds(contender: Contender, setup: Setup) -> float:
    """How long a run takes until it has ended and the registry answers."""
    return timed(contender.run) + timed(lambda: _wait(setup))


def _wait(setup: Setup) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS
    while status(setup, "/v2/", with_account=True) != OK:
        if time.monotonic() > deadline:
            raise LabError(f"the registry on {setup.host.name} does not answer after {ANSWER_SECONDS} s")
        time.sleep(0.02)


def check(setup: Setup) -> None:
    """That the registry is what was asked for, with a certificate from the server. Raises LabError."""
    host = setup.host
    anonymous, page = status(setup, "/v2/", with_account=False), status(setup, "/ui/", with_account=True)
    if (anonymous, page) != (UNAUTHORIZED, OK):
        raise LabError(f"the registry on {host.name} answers {anonymous} without the account, and {page} for its page")
    # Whose files these are differs; that the proxy runs with the setting does not.
    loaded = host.run("docker exec nginx nginx -T 2>/dev/null", private=True).stdout
    if f"proxy_read_timeout {setup.read_timeout}" not in loaded:
        raise LabError(f"the proxy on {host.name} does not have the time-out of {setup.read_timeout} s")
    host.run("test -e /etc/logrotate.d/docker-opt && docker network inspect registry")


@contextmanager
def unchanged(setup: Setup) -> Iterator[None]:
    """That the containers run on, with the same certificate. Raises LabError."""
    before, served = _runs(setup.host), _certificate(setup)
    yield
    if _runs(setup.host) != before:
        raise LabError(f"a container on {setup.host.name} was started anew")
    if _certificate(setup) != served:
        raise LabError(f"the proxy on {setup.host.name} has another certificate")


def status(setup: Setup, path: str, *, with_account: bool) -> int | None:
    """The status of the proxy's answer; None where there is none."""
    headers = {}
    if with_account:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{USER}:{setup.password}".encode()).decode()
    try:
        with _connection(setup) as tls:
            connection = http.client.HTTPConnection(setup.fqdn)
            connection.sock = tls
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None


@contextmanager
def _connection(setup: Setup) -> Iterator[ssl.SSLSocket]:
    """To the proxy, whose certificate has to be one of the server's for the name. Raises OSError."""
    context = ssl.create_default_context(cadata=setup.server.root)
    with (
        socket.create_connection((setup.host.address, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=setup.fqdn) as tls,
    ):
        yield tls


def _certificate(setup: Setup) -> bytes | None:
    """What the proxy serves, as DER."""
    with _connection(setup) as tls:
        return tls.getpeercert(binary_form=True)


def _runs(host: LabHost) -> str:
    form = "{{.Name}} {{.Id}} {{.State.Running}} {{.State.StartedAt}}"
    return host.run(["docker", "container", "inspect", "--format", form, *CONTAINERS]).stdout
