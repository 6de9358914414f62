"""What the tests of doors that an attack found have in common: requests by the letter, and many passwords."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.e2e.role_users import PASSWORD, basic
from tests.e2e.support import Deployed
from tests.lab.host import LabHost
from tests.lab.stack import Secret

ACCESS = "/var/opt/nginx/logs/access.log"
ERROR = "/var/opt/nginx/logs/error.log"
GUESSED, BESIDE, REMEMBERED = "guessed", "beside", "remembered"
"""Accounts of these tests alone."""


def raw(registry: Deployed, request: bytes, seconds: float = 15) -> bytes:
    """What the proxy answers to some bytes, until it ends the connection or says no more."""
    with registry.connect("https").sock as connection:
        connection.sendall(request)
        return heard(connection, seconds)


def heard(connection: socket.socket, seconds: float) -> bytes:
    """All that comes within a time; it ends with the connection."""
    found, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            more = connection.recv(65536)
        except OSError:
            break
        if not more:
            break
        found += more
    return found


def status_of(answer: bytes) -> int:
    """The status of an answer by the letter."""
    return int(answer.split(b" ", 2)[1])


def head(method: str, path: str, host: str, *lines: str) -> bytes:
    """A request's head; the lines may hold anything."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


BODIES = (
    ("POST", "/ui/", "Content-Length: 1000"),
    ("GET", "/ui/", "Content-Length: 1000"),
    ("GET", "/ui/", "Transfer-Encoding: chunked"),
    ("POST", "/ui/logout", "Content-Length: 1000"),
    ("PUT", "/v2/doors-a/app/manifests/latest", "Content-Length: 1000"),
    ("POST", "/nowhere", "Transfer-Encoding: chunked"),
)
"""Requests for which no account is asked, or none is given."""

Drips = dict[tuple[str, str, str], Future[tuple[float, bytes]]]
"""After how long each connection ended, and what was said."""


@contextmanager
def dripping(registry: Deployed) -> Iterator[Drips]:
    """All bodies drip at once."""

    def drips(method: str, path: str, body: str) -> tuple[float, bytes]:
        with registry.connect("https").sock as connection:
            connection.sendall(head(method, path, registry.fqdn, body))
            return drip(connection, 60, every=3, piece=b"1\r\nx\r\n" if "chunked" in body else b"x")

    with ThreadPoolExecutor(len(BODIES)) as pool:
        yield {asked: pool.submit(drips, *asked) for asked in BODIES}


def drip(connection: socket.socket, seconds: float, every: float = 1, piece: bytes = b"x") -> tuple[float, bytes]:
    """Sends a piece now and then until the other side ends the connection: after how long, and what it said."""
    began, said = time.monotonic(), b""
    while (passed := time.monotonic() - began) < seconds:
        try:
            connection.sendall(piece)
        except OSError:
            return passed, said
        connection.settimeout(every)
        with contextlib.suppress(TimeoutError):
            try:
                more = connection.recv(65536)
            except ConnectionError:
                return passed, said
            if not more:
                return passed, said
            said += more
            time.sleep(every)
    return seconds, said


def with_strangers(found: dict[str, Any]) -> dict[str, Any]:
    """Settings with three accounts more, whose passwords no module before can have made the proxy remember."""
    own = [{"name": name, "password": Secret(PASSWORD), "role": "pull"} for name in (GUESSED, BESIDE, REMEMBERED)]
    return {**found, "users": [*found["users"], *own]}


def guess(host: LabHost, registry: Deployed, user: str, count: int, a_second: int) -> Counter[str]:
    """Wrong passwords for one name, each another, from a host: the statuses."""
    run = time.time_ns()
    lines = [
        f'url = "https://{registry.fqdn}/v2/"\nuser = "{user}:{run}-{number}"\noutput = /dev/null\n'
        'write-out = "%{http_code}\\n"\ncacert = /root/registry-ca.pem\nsilent'
        for number in range(count)
    ]
    host.put_file("/root/guesses", "\nnext\n".join(lines) + "\n", mode=0o600)
    return Counter(host.run(f"curl --rate {a_second}/s -K /root/guesses; rm /root/guesses").stdout.split())


def guess_at_once(host: LabHost, registry: Deployed, user: str) -> None:
    """Fifty wrong passwords at the same time."""
    run = time.time_ns()
    lines = [
        f'url = "https://{registry.fqdn}/v2/"\nuser = "{user}:{run}-{number}"\noutput = /dev/null\n'
        "cacert = /root/registry-ca.pem\nsilent"
        for number in range(50)
    ]
    host.put_file("/root/at-once", "\nnext\n".join(lines) + "\n", mode=0o600)
    host.run("curl --parallel --parallel-max 50 -K /root/at-once; rm /root/at-once")


def login(host: LabHost, registry: Deployed, user: str, password: str) -> str:
    """The status of a login from a host."""
    host.put_file("/root/doors", f'user = "{user}:{password}"\n', mode=0o600)
    ask = "curl -sS --cacert /root/registry-ca.pem -K /root/doors -o /dev/null -w '%{http_code}'"
    return host.run(f"{ask} https://{registry.fqdn}/v2/; rm /root/doors").stdout


def after_guesses(host: LabHost, registry: Deployed, user: str, password: str) -> str:
    """The status of a login right after guesses: they take the attempt that the next moment would allow."""
    run, url = time.time_ns(), f'url = "https://{registry.fqdn}/v2/"\noutput = /dev/null\nsilent'
    words = [*(f"{run}-{number}" for number in range(5)), password]
    ask = 'cacert = /root/registry-ca.pem\nwrite-out = "%{http_code}\\n"'
    text = "\nnext\n".join(f'{url}\n{ask}\nuser = "{user}:{word}"' for word in words)
    host.put_file("/root/after-guesses", f"{text}\n", mode=0o600)
    return host.run("curl -K /root/after-guesses; rm /root/after-guesses").stdout.split()[-1]


def seconds_of(registry: Deployed, user: str, count: int) -> list[float]:
    """How long wrong passwords take to be refused, one after the other over one connection."""
    connection, times, run = registry.connect("https"), [], time.time_ns()
    for number in range(count):
        began = time.monotonic()
        connection.request("GET", "/v2/", headers={"Authorization": basic(user, f"{run}-{number}")})
        answer = connection.getresponse()
        answer.read()
        times.append(time.monotonic() - began)
        assert answer.status == 401
    connection.close()
    return times


def entries(host: LabHost) -> list[dict[str, Any]]:
    """All lines of the access log."""
    return [json.loads(line) for line in host.get_file(ACCESS).splitlines()]


@contextmanager
def logged(registry: Deployed, path: str) -> Iterator[list[bytes]]:
    """What comes to a log meanwhile, as one piece of bytes, once it is over."""
    size = int(registry.host.run(["stat", "-c", "%s", path]).stdout)
    found: list[bytes] = []
    yield found
    time.sleep(0.5)
    text = registry.host.run(f"tail -c +{size + 1} {path} | base64 -w 0").stdout
    found.append(base64.b64decode(text))
