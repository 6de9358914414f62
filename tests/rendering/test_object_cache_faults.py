"""What the proxy keeps of images in an object store, while the store is away, slow or asked by many; and its bound."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rendering.proxy import CACHE as PLACE
from rendering.proxy import Cache
from tests.lab.docker import docker
from tests.rendering.cache_world import CACHE, SLICE, World, caching, world
from tests.rendering.mirror_world import await_true, digest_of
from tests.rendering.proxy_connection import FQDN, PASSWORD

__all__ = ["world"]

pytestmark = pytest.mark.e2e

AT_ONCE = 8


def _kept(world: World) -> list[Path]:
    return [path for path in (world.proxy.home / "cache").rglob("*") if path.is_file()]


def test_while_the_store_is_away_pulls_go_on(world: World) -> None:
    """As long as answers are remembered; what nobody asked for is the registry's own error."""
    world.push("team/away", "1", b"away")
    _, (cold,) = world.push("team/cold", "1", b"cold")
    world.pull("bob", "team/away", "1")
    world.front.status = 503
    try:
        asked = world.pull("bob", "team/away", "1")
        assert asked == ["HEAD /v2/team/away/manifests/1"]
        assert world.ask("bob", "GET", f"team/cold/blobs/{cold}").status == 503
        assert world.ask("bob", "GET", "team/cold/manifests/1").status == 503
    finally:
        world.front.status = 0
    assert world.ask("bob", "GET", f"team/cold/blobs/{cold}").status == 200


def test_a_silent_store_is_not_asked_again_and_again(world: World) -> None:
    """One question that gets no answer is enough for some seconds, also where what was told is no longer new."""
    world.reconfigure(Cache(megabytes=64, remembered=12, slice=1, min_free=1))
    try:
        world.push("team/silent", "1", *[os.urandom(100) for _ in range(4)])
        world.pull("bob", "team/silent", "1")
        time.sleep(12)
        world.front.answers.clear()
        begun = time.monotonic()
        assert world.pull("bob", "team/silent", "1") == ["HEAD /v2/team/silent/manifests/1"]
        assert 4 < time.monotonic() - begun < 9
        assert world.pull("bob", "team/silent", "1") == []
    finally:
        world.front.answers.set()
        world.reconfigure(CACHE)
    # Then it is asked as ever.
    await_true(lambda: world.ask("bob", "HEAD", "team/silent/manifests/1").status == 200 and world.front.take() != [])


@pytest.mark.parametrize("news", ["HEAD manifests/1", "GET blobs/"])
def test_a_store_that_answers_again_is_asked_again(world: World, news: str) -> None:
    """At once: whatever was told before it was silent would end the sooner the next time."""
    method, _, path = news.partition(" ")
    world.push("team/back", "1", b"back")
    _, (layer,) = world.push("team/news", "1", os.urandom(100))
    world.pull("bob", "team/back", "1")
    tag = "team/back/manifests/1"
    world.front.answers.clear()
    try:
        assert world.ask("bob", "HEAD", tag).status == 200
    finally:
        world.front.answers.set()
    world.front.take()
    assert (world.ask("bob", "HEAD", tag).status, world.front.take()) == (200, [])
    assert world.ask("bob", method, f"team/news/{path}{layer if path.endswith('/') else ''}").status == 200
    world.front.take()
    assert (world.ask("bob", "HEAD", tag).status, world.front.take()) == (200, [f"HEAD /v2/{tag}"])


def test_what_the_registry_refuses_by_itself_is_no_sign_of_its_store(world: World) -> None:
    """Else anybody could have each pull of all others wait."""
    world.push("team/mute", "1", b"mute")
    world.pull("bob", "team/mute", "1")
    world.front.answers.clear()
    try:
        assert world.ask("bob", "HEAD", "team/mute/manifests/1").status == 200
    finally:
        world.front.answers.set()
    world.front.status = 404
    try:
        assert world.ask("bob", "GET", "team/mute/manifests/none").status == 404
        world.front.take()
        assert world.ask("bob", "HEAD", "team/mute/manifests/1").status == 200
        assert world.front.take() == []
    finally:
        world.front.status = 0


def test_it_does_not_go_on_for_ever(world: World) -> None:
    """Twice as long as answers are remembered, at most."""
    world.reconfigure(Cache(megabytes=64, remembered=2, min_free=1))
    try:
        world.push("team/ever", "1", b"ever")
        world.pull("bob", "team/ever", "1")
        world.front.status = 503
        begun = time.monotonic()
        statuses: list[int] = []
        while not statuses or statuses[-1] == 200:
            statuses.append(world.ask("bob", "GET", "team/ever/manifests/1").status)
            assert time.monotonic() - begun < 20
        assert statuses[-1] == 503
    finally:
        world.front.status = 0
        world.reconfigure(CACHE)


def test_a_tag_that_is_gone_does_not_come_back(world: World) -> None:
    """Not either when the store fails right after the registry has said that it is gone."""
    world.push("team/withdrawn", "1", b"withdrawn")
    path = "team/withdrawn/manifests/1"
    assert world.ask("bob", "GET", path).status == 200
    link = "docker/registry/v2/repositories/team/withdrawn/_manifests/tags/1/current/link"
    (world.proxy.storage / link).unlink()
    assert world.ask("bob", "GET", path).status == 404
    world.front.status = 503
    try:
        assert world.ask("bob", "GET", path).status == 503
    finally:
        world.front.status = 0


def test_of_many_who_ask_first_one_fetches(world: World) -> None:
    """While the store has not sent all of it yet."""
    layer = os.urandom(3 * SLICE + 5)
    _, (digest,) = world.push("team/many", "1", layer)
    path, together = f"team/many/blobs/{digest}", threading.Barrier(AT_ONCE)

    def ask(_: int) -> bytes:
        together.wait()
        return world.ask("bob", "GET", path).body

    world.front.held.clear()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asking = [pool.submit(ask, number) for number in range(AT_ONCE)]
            await_true(lambda: f"GET /v2/{path}" in world.front.asked)
            world.front.held.set()
            bodies = [one.result() for one in asking]
    finally:
        world.front.held.set()
    assert {digest_of(body) for body in bodies} == {digest}
    # A slice a request.
    assert [one for one in world.front.take() if one.startswith("GET ")] == [f"GET /v2/{path}"] * 4


def test_one_who_does_not_take_it_keeps_nobody_waiting(world: World) -> None:
    """It comes as fast as the store sends it, however slow who asked first is."""
    layer = os.urandom(8 * SLICE)
    _, (digest,) = world.push("team/slow", "1", layer)
    path = f"/v2/team/slow/blobs/{digest}"
    words = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((world.proxy.address, 443))
        with trusting.wrap_socket(slow) as first:
            first.sendall(f"GET {path} HTTP/1.1\r\nHost: {FQDN}\r\nAuthorization: Basic {words}\r\n\r\n".encode())
            await_true(lambda: f"GET {path}" in world.front.asked)
            assert world.ask("bob", "GET", path.removeprefix("/v2/")).body == layer
    # Who waits in vain asks beside in the end.
    assert len([one for one in world.front.take() if one == f"GET {path}"]) == 8


def test_who_goes_first_in_vain_keeps_nobody_waiting(world: World) -> None:
    """Somebody of whose repository it is not."""
    world.push("team/none", "1", b"none")
    _, (digest,) = world.push("team/some", "1", os.urandom(1000))
    assert world.ask("bob", "GET", f"team/none/blobs/{digest}").status == 404
    assert world.ask("bob", "GET", f"team/some/blobs/{digest}").status == 200
    # Who had waited would have asked by HEAD.
    assert world.front.take() == [f"GET /v2/team/{name}/blobs/{digest}" for name in ("none", "some")]


def test_who_does_not_take_that_he_has_it_not_keeps_nobody_waiting(world: World) -> None:
    """HTTP/2 lets a client not take a single byte."""
    world.push("team/nothing", "1", b"none")
    _, (digest,) = world.push("team/something", "1", os.urandom(1000))
    words = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    fields = {
        ":method": "GET",
        ":scheme": "https",
        ":authority": FQDN,
        ":path": f"/v2/team/nothing/blobs/{digest}",
        "authorization": f"Basic {words}",
    }
    # Each field as its own name and value; 4 is the window of a stream.
    block = b"".join(b"\x00" + b"".join(_length(word) + word.encode() for word in one) for one in fields.items())
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    trusting.set_alpn_protocols(["h2"])
    with socket.create_connection((world.proxy.address, 443)) as plain, trusting.wrap_socket(plain) as other:
        other.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"\x00\x04\x00\x00\x00\x00"))
        other.sendall(_frame(1, 5, 1, block))
        await_true(lambda: f"GET /v2/team/nothing/blobs/{digest}" in world.front.asked)
        begun = time.monotonic()
        assert world.ask("bob", "GET", f"team/something/blobs/{digest}").status == 200
        # He would have waited for half a minute.
        assert time.monotonic() - begun < 20


def _length(word: str) -> bytes:
    """As HTTP/2 has it: seven bits, and the rest in others."""
    size = len(word)
    return bytes([size]) if size < 127 else bytes([127, size - 127])


def _frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def test_what_is_cut_is_not_kept(world: World) -> None:
    """The next one fetches it again."""
    layer = os.urandom(SLICE // 2)
    _, (digest,) = world.push("team/cut", "1", layer)
    path = f"team/cut/blobs/{digest}"
    world.front.most = 1000
    try:
        with pytest.raises(Exception, match="IncompleteRead"):
            world.ask("bob", "GET", path)
    finally:
        world.front.most = 0
    assert world.ask("bob", "GET", path).body == layer


def test_it_takes_no_more_room_than_it_may(world: World) -> None:
    """Some seconds later."""

    def used() -> int:
        return sum(path.stat().st_size for path in _kept(world))

    for number in range(10):
        layer = os.urandom(10 * SLICE)
        _, (digest,) = world.push(f"team/room{number}", "1", layer)
        assert world.ask("bob", "GET", f"team/room{number}/blobs/{digest}").body == layer
    await_true(lambda: used() <= 64 << 20)
    assert used() > 32 << 20


def test_on_a_full_disk_pulls_go_on() -> None:
    """Nothing is kept then, and nobody is cut."""
    with caching(room="4m") as small:
        layer = os.urandom(8 * SLICE)
        _, (digest,) = small.push("team/full", "1", layer)
        docker("exec", small.proxy.name, "sh", "-c", "until [ -e /run/cache-full ]; do sleep 0.1; done", timeout=60)
        path = f"team/full/blobs/{digest}"
        for _ in range(2):
            assert small.ask("bob", "GET", path).body == layer
        assert docker("exec", small.proxy.name, "find", PLACE, "-type", "f").stdout == ""
