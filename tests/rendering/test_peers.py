"""Challenges of certificate authorities that another host of the same name has the answer to."""

from __future__ import annotations

import http.client
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from config.site import Site
from tests.lab.docker import docker
from tests.rendering.proxy_connection import FQDN
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

BELOW = "/.well-known/acme-challenge"
LONGEST_SECONDS = 9
MOST_ROWS = 600
"""Of one address in a minute, as rows.js has it."""


@dataclass
class _Peer:
    """Another host: what it has, and what it was asked."""

    has: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0


@dataclass
class World:
    """A proxy, two other hosts, and one that is away."""

    proxy: Proxy
    gateway: str
    first: _Peer
    second: _Peer
    away: _Peer

    def ask(self, path: str, method: str = "GET", host: str = FQDN, **headers: str) -> tuple[int, bytes]:
        """As an authority does."""
        connection = http.client.HTTPConnection(self.proxy.address, 80, timeout=20)
        connection.request(method, path, headers={"Host": host, **headers})
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def asked(self) -> list[str]:
        """What the others were asked since this was asked last."""
        found = [path for peer in (self.first, self.second) for path, _ in peer.asked]
        for peer in (self.first, self.second):
            peer.asked.clear()
        return found


@contextmanager
def _serving(peer: _Peer, address: str) -> Iterator[None]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def do_GET(self) -> None:
            peer.asked.append((self.path, dict(self.headers.items())))
            body = peer.has.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

    with http.server.ThreadingHTTPServer((address, peer.port), Handler) as server:
        peer.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One for all."""
    with ExitStack() as held:
        proxy = held.enter_context(proxied([user("alice")]))
        gateway = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
        here = docker("inspect", "--format", gateway, proxy.name).stdout.strip()
        with socket.socket() as unused:
            unused.bind((here, 0))
            away = _Peer(port=unused.getsockname()[1])
        found = World(proxy, here, _Peer(), _Peer(), away)
        for peer in (found.first, found.second):
            held.enter_context(_serving(peer, here))
        peers = (proxy.address, *(f"{here}:{peer.port}" for peer in (away, found.first, found.second)))
        proxy.site = Site(fqdn=FQDN, peers=peers)
        proxy.configure([user("alice")])
        proxy.reload()
        yield found


@pytest.mark.parametrize("host", [FQDN, "other.example.net"])
def test_whoever_has_the_answer_gives_it(world: World, host: str) -> None:
    """The others are told nothing of who asks."""
    world.first.has[f"{BELOW}/one"] = "one.key"
    world.second.has[f"{BELOW}/two"] = "two.key"
    for name in ("one", "two"):
        answer = world.ask(f"{BELOW}/{name}", host=host, Authorization="Basic c2VjcmV0", Cookie="a=b")
        assert answer == (200, f"{name}.key".encode())
        assert world.ask(f"{BELOW}/{name}", "HEAD", host=host) == (200, b"")
    said = [headers for peer in (world.first, world.second) for _, headers in peer.asked]
    assert all(headers["Host"] == FQDN for headers in said)
    assert {name for headers in said for name in headers} == {"Host", "Docker-Registry-Peer", "Connection"}


def test_what_it_has_itself_nobody_else_is_asked_for(world: World) -> None:
    """Its own answer is the right one."""
    world.asked()
    world.first.has[f"{BELOW}/own"] = "of another"
    place = f"/var/www/letsencrypt{BELOW}"
    docker("exec", world.proxy.name, "sh", "-c", f"mkdir -p {place} && printf own.key > {place}/own")
    assert world.ask(f"{BELOW}/own") == (200, b"own.key")
    assert world.asked() == []


def test_what_nobody_has_is_not_there(world: World) -> None:
    """Each is asked once, and in time for who waits."""
    world.asked()
    began = time.monotonic()
    # 502 where one that is away was the last.
    assert world.ask(f"{BELOW}/none")[0] in {404, 502}
    assert time.monotonic() - began < LONGEST_SECONDS
    assert world.asked() == [f"{BELOW}/none"] * 2


def test_who_asks_for_another_is_answered_from_here_alone(world: World) -> None:
    """Else hosts that don't have it would ask each other for ever."""
    world.asked()
    assert world.ask(f"{BELOW}/none", **{"Docker-Registry-Peer": "1"})[0] == 404
    assert world.asked() == []


def test_one_that_was_away_is_asked_again_at_once(world: World) -> None:
    """It may be the one that ordered."""
    path = f"{BELOW}/back"
    assert world.ask(path)[0] in {404, 502}
    world.away.has[path] = "back.key"
    with _serving(world.away, world.gateway):
        assert world.ask(path) == (200, b"back.key")


def test_strangers_fill_no_log(world: World) -> None:
    """As with what the proxy answers alone: some hundred rows a minute of one address."""
    world.asked()
    times = 2 * MOST_ROWS + 100
    for _ in range(times):
        assert world.ask(f"{BELOW}/flood")[0] in {404, 502}
    # Two minutes may have a part of it each.
    assert 0 < (world.proxy.home / "logs/access.log").read_text().count(f"{BELOW}/flood") <= 2 * MOST_ROWS
    assert world.asked() == [f"{BELOW}/flood"] * 2 * times


@pytest.mark.parametrize("path", [f"{BELOW}/", f"{BELOW}/a/b", f"{BELOW}/a.b", f"{BELOW}/a%0Ab", f"{BELOW}/../../v2/"])
def test_nothing_else_reaches_them(world: World, path: str) -> None:
    """Neither by other paths nor by other methods."""
    world.asked()
    assert world.ask(path)[0] in {307, 404, 421}
    assert world.ask(f"{BELOW}/one", "POST")[0] == 404
    assert world.asked() == []


def test_bodies_fill_no_memory(world: World) -> None:
    """Nor does one that never comes reach them."""
    world.asked()
    for says in ("Content-Length: 400000000", "Transfer-Encoding: chunked"):
        head = f"GET {BELOW}/none HTTP/1.1\r\nHost: {FQDN}\r\n{says}\r\n\r\n"
        with socket.create_connection((world.proxy.address, 80), timeout=10) as tcp, suppress(ConnectionError):
            tcp.sendall(head.encode() + b"60000\r\n" + b"x" * 0x60000)
            tcp.recv(4096)
        assert docker("exec", world.proxy.name, "find", "/tmp/bodies", "-type", "f").stdout == ""  # noqa: S108 - inside the container
    assert world.asked() == []
