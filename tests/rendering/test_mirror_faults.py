"""What clients get of a mirror while the other registry fails in every way, and that nothing half is kept."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import IncompleteRead
from typing import ClassVar

import pytest

from config.mirrors import Mirror
from tests.rendering.mirror_world import MANIFEST, digest_of, mirroring
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

PREFIX = "failing.example.org"
CLIENTS = 8
SLOW_SECONDS = 1.5
SETTLING_SECONDS = 0.5
"""As mirrors.js has it."""
LAYER = b"0123456789abcdef" * 65536


@dataclass
class _Failing:
    """What the other registry does, and what it was asked."""

    fault: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def image(self, name: str) -> tuple[str, bytes]:
        """A new one, under tags of its name; the digests of its manifest and its layer's content."""
        layer = name.encode() + LAYER
        parts = [{"mediaType": "a/b", "digest": digest_of(one), "size": len(one)} for one in (b"{}", layer)]
        found = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        manifest = json.dumps(found).encode()
        self.blobs |= {digest_of(b"{}"): b"{}", digest_of(layer): layer}
        self.manifests |= {name: manifest, digest_of(manifest): manifest}
        return digest_of(manifest), layer


class _Registry(http.server.BaseHTTPRequestHandler):
    """The other registry."""

    protocol_version = "HTTP/1.1"
    its: ClassVar[_Failing]

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_HEAD(self) -> None:
        """As GET."""
        self.do_GET()

    def do_GET(self) -> None:
        """A fault, or what is asked for."""
        name = self.path.rpartition("/")[2]
        if self.path == "/v2/":
            self._say(200, b"{}")
        elif self.its.fault.isdigit() or (self.its.fault == "limit" and self._counts()):
            self._say(
                int(self.its.fault.replace("limit", "429")),
                b'{"errors":[{"code":"TOOMANYREQUESTS","message":"http://theirs/"}]}',
            )
        elif "/manifests/" in self.path:
            found = self.its.manifests.get(name)
            self._say(200 if found else 404, found or b"{}", MANIFEST)
        else:
            self._blob(name)

    def _counts(self) -> bool:
        """What Docker Hub counts, and refuses once it is too much: not the question which image a tag has."""
        return self.command == "GET" and "/manifests/" in self.path

    def _blob(self, name: str) -> None:
        content = self.its.blobs.get(name)
        if content is None:
            self._say(404, b"{}")
            return
        if self.command == "GET":
            self.its.fetched.append(name)
        if self.its.fault == "wrong":
            content = content[:-1] + b"X"
        if self.its.fault == "slow" and self.command == "GET":
            time.sleep(SLOW_SECONDS)
        half = len(content) // 2 if self.its.fault == "cut" and self.command == "GET" else len(content)
        self._say(200, content, "application/octet-stream", sent=half)

    def _say(self, status: int, body: bytes, kind: str = "application/json", sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if kind == MANIFEST:
            self.send_header("Docker-Content-Digest", digest_of(body))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:sent])
        if sent is not None and sent < len(body):
            self.close_connection = True


@dataclass
class World:
    """A proxy whose mirror asks a registry that can fail."""

    proxy: Proxy
    other: _Failing

    def ask(self, path: str, repository: str = "x") -> Answer:
        """One request."""
        return self.proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/{repository}/{path}", Accept=MANIFEST)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all."""
    _Registry.its = _Failing()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server, proxied([user("alice")]) as proxy:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = Mirror(prefix=PREFIX, insecure=True, upstream=f"http://127.0.0.1:{server.server_port}")
        proxy.configure([user("alice")], mirrors=[mirror])
        proxy.reload()
        with mirroring(mirror, proxy.home / "run", tmp_path_factory.mktemp("mirror")):
            yield World(proxy, _Registry.its)
        server.shutdown()


@pytest.fixture(autouse=True)
def well_again(world: World) -> Iterator[None]:
    """After each test."""
    yield
    world.other.fault = ""


@pytest.mark.parametrize("fault", ["401", "403", "404", "429", "500", "502", "503"])
def test_what_is_here_is_pulled_whatever_it_answers(world: World, fault: str) -> None:
    """By tag, digest and layer. What isn't has one clear error in the proxy's own words, and comes afterwards."""
    digest, layer = world.other.image(f"warm-{fault}")
    paths = [f"manifests/warm-{fault}", f"manifests/{digest}", f"blobs/{digest_of(layer)}"]
    before = [world.ask(path).body for path in paths]
    cold, cold_layer = world.other.image(f"cold-{fault}")
    cold_paths = [f"manifests/cold-{fault}", f"manifests/{cold}", f"blobs/{digest_of(cold_layer)}"]
    world.other.fault = fault
    assert [(answer.status, answer.body) for answer in map(world.ask, paths)] == [(200, body) for body in before]
    for answer in map(world.ask, cold_paths):
        assert answer.status in {403, 404, 429, 503}
        assert answer.json["errors"][0]["message"].startswith((PREFIX, "the mirror of "))
        assert b"theirs" not in answer.body
    assert world.ask(cold_paths[0]).status == 404
    world.other.fault = ""
    assert [world.ask(path).status for path in cold_paths] == [200, 200, 200]


def test_a_limit_as_docker_hub_has_it(world: World) -> None:
    """What is here is pulled, by tag too. For what isn't, also of a tag that moved, the client hears to wait."""
    _, layer = world.other.image("limited")
    assert world.ask("manifests/limited").status == 200
    assert world.ask(f"blobs/{digest_of(layer)}").body == layer
    cold, _ = world.other.image("beyond")
    world.other.fault = "limit"
    assert world.ask("manifests/limited").status == 200
    world.other.manifests["limited"] = world.other.manifests[cold]
    for reference in ("beyond", cold, "limited"):
        answer = world.ask(f"manifests/{reference}")
        assert (answer.status, answer.json["errors"][0]["code"]) == (429, "TOOMANYREQUESTS"), answer.body
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("fault", ["cut", "wrong"])
def test_nothing_half_or_wrong_is_kept(world: World, fault: str) -> None:
    """The client notices; the next one gets it as it should be."""
    _, layer = world.other.image(fault)
    path = f"blobs/{digest_of(layer)}"
    world.other.fault = fault
    try:
        assert world.ask(path).body != layer
    except IncompleteRead as found:
        assert fault == "cut" and len(found.partial) < len(layer)
    world.other.fault = ""
    world.other.fetched.clear()
    assert world.ask(path).body == layer
    assert world.other.fetched == [digest_of(layer)]
    assert world.ask(path).body == layer
    assert world.other.fetched == [digest_of(layer)]


def test_several_at_a_time_get_it_whole(world: World) -> None:
    """And the other registry is asked once, though it is slow: the first is waited for."""
    layers = [world.other.image(f"many-{number}")[1] for number in range(3)]
    wanted = [layer for layer in layers for _ in range(CLIENTS)]
    world.other.fetched.clear()
    world.other.fault = "slow"
    with ThreadPoolExecutor(len(wanted)) as pool:
        found = list(pool.map(lambda layer: world.ask(f"blobs/{digest_of(layer)}").body, wanted))
    assert found == wanted
    assert sorted(world.other.fetched) == sorted(map(digest_of, layers))


def test_who_gives_up_is_not_waited_for(world: World) -> None:
    """The next one goes first, and gets it whole."""
    _, layer = world.other.image("given-up")
    path = f"/v2/{PREFIX}/x/blobs/{digest_of(layer)}"
    world.other.fault = "slow"
    leaving, staying = world.proxy.connection("alice"), world.proxy.connection("alice")
    leaving.ask("GET", "/v2/")
    began = time.monotonic()
    leaving.send_and_leave("GET", path, b"", MANIFEST)
    assert staying.ask("GET", path).body == layer
    assert time.monotonic() - began < 3 * SLOW_SECONDS + 2


def test_nobody_waits_for_another_repository(world: World) -> None:
    """Whoever may pull from that one alone would hold up each new layer of all others."""
    _, layer = world.other.image("two-repositories")
    digest = digest_of(layer)
    world.other.fault = "slow"
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(world.ask, f"blobs/{digest}", name) for name in ("x", "y")]
        assert [one.result().body for one in asking] == [layer] * 2
    assert time.monotonic() - began < 2 * SLOW_SECONDS


def test_who_sends_no_body_holds_nobody_up(world: World) -> None:
    """He says that one follows, and asks for a layer that is not here yet."""
    _, layer = world.other.image("no-body")
    path = f"/v2/{PREFIX}/x/blobs/{digest_of(layer)}"
    began = time.monotonic()
    with world.proxy.connection("alice").begun("GET", path, "Content-Length: 1"):
        time.sleep(1)
        assert world.proxy.connection("alice").ask("GET", path).body == layer
        # She would have waited for half a minute.
        assert time.monotonic() - began < 10


def test_who_is_slow_holds_nobody_up_who_pulls_what_is_here(world: World) -> None:
    """Each is served from the mirror at once."""
    _, layer = world.other.image("here")
    path = f"blobs/{digest_of(layer)}"
    assert world.ask(path).body == layer
    world.other.fetched.clear()
    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert list(pool.map(lambda _: world.ask(path).body, range(CLIENTS))) == [layer] * CLIENTS
    # One after another, each would wait for the time that the mirror has to put the blob in its place.
    assert time.monotonic() - began < (CLIENTS - 1) * SETTLING_SECONDS
    assert world.other.fetched == []


def test_who_asks_for_what_is_not_there_leaves_nothing_behind(world: World) -> None:
    """Of such names anybody has any number: the next one need not wait, and the room for turns does not fill."""
    path = f"blobs/{digest_of(b'nowhere')}"
    began = time.monotonic()
    assert [world.ask(path).status for _ in range(6)] == [404] * 6
    # One after another, each would wait for the time that the mirror has to put a blob in its place.
    assert time.monotonic() - began < 5 * SETTLING_SECONDS
