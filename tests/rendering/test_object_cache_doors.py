"""What the proxy keeps of images in an object store: doors that an attack found open, each tried as the attack did."""

from __future__ import annotations

import os
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from tests.lab.docker import docker
from tests.rendering.cache_world import ALL, SLICE, World, world
from tests.rendering.mirror_world import await_true, digest_of

__all__ = ["world"]

pytestmark = pytest.mark.e2e

LENGTHS = ("Content-Length: 5000", "Content-Length: 400000000", "Transfer-Encoding: chunked")


def _begun(world: World, path: str, *says: str) -> AbstractContextManager[ssl.SSLSocket]:
    """Bob has sent the head of a request, and nothing else."""
    return world.proxy.connection("bob").begun("GET", f"/v2/{path}", f"Accept: {ALL}", *says)


@pytest.mark.parametrize("says", LENGTHS)
def test_nobody_who_pulls_fills_the_memory(world: World, says: str) -> None:
    """With bodies that a request to read has not: whatever was remembered of what it asks for."""
    _, (digest,) = world.push("team/bodies", "1", says.encode())
    paths = [f"team/bodies/{path}" for path in ("manifests/1", f"blobs/{digest}")]
    for _ in range(3):
        for path in paths:
            with _begun(world, path, says) as tls:
                tls.sendall(b"ffff\r\n" + b"x" * 0xFFFF if says == LENGTHS[2] else b"x" * 1000)
                assert tls.recv(4096).split()[1] == b"413", path
            assert world.ask("bob", "GET", path).status == 200
    assert docker("exec", world.proxy.name, "find", "/tmp/bodies", "-type", "f").stdout == ""  # noqa: S108 - inside the container


def test_who_sends_no_body_holds_nobody_up(world: World) -> None:
    """He says that one follows, and asks for a piece that is not kept yet."""
    layer = os.urandom(2 * SLICE)
    for name in ("team/piece", "closed/piece"):
        _, (digest,) = world.push(name, "1", layer)
    for who, name in (("bob", "team/piece"), ("alice", "closed/piece")):
        assert world.ask(who, "GET", f"{name}/blobs/{digest}", Range="bytes=0-1").status == 206
    with _begun(world, f"team/piece/blobs/{digest}", f"Range: bytes={SLICE}-", "Content-Length: 1"):
        time.sleep(1)
        begun = time.monotonic()
        assert world.ask("alice", "GET", f"closed/piece/blobs/{digest}").body == layer
        # She would have waited for half a minute.
        assert time.monotonic() - begun < 10


def test_nobody_waits_for_another_repository(world: World) -> None:
    """Nor learns by that what is fetched there."""
    world.push("team/empty", "1", b"of its own")
    _, (digest,) = world.push("closed/new", "1", os.urandom(1000))
    asked = [f"GET /v2/{name}/blobs/{digest}" for name in ("team/empty", "closed/new")]
    world.front.answers.clear()
    try:
        with ThreadPoolExecutor(2) as pool:
            his = pool.submit(world.ask, "bob", "GET", asked[0].removeprefix("GET /v2/"))
            await_true(lambda: world.front.asked == asked[:1])
            hers = pool.submit(world.ask, "alice", "GET", asked[1].removeprefix("GET /v2/"))
            await_true(lambda: world.front.asked == asked)
            world.front.answers.set()
            assert (his.result().status, hers.result().status) == (404, 200)
    finally:
        world.front.answers.set()


def test_a_no_does_not_tell_what_others_have(world: World) -> None:
    """It costs as much, and so takes as long, where a blob is kept for another repository as where there is none."""
    world.push("team/curious", "1", b"of its own")
    _, (kept, not_kept) = world.push("closed/secret", "1", os.urandom(1000), os.urandom(1000))
    assert world.ask("alice", "GET", f"closed/secret/blobs/{kept}").status == 200
    found = set()
    for digest in (kept, not_kept, digest_of(b"nowhere")):
        world.front.take()
        answer = world.ask("bob", "GET", f"team/curious/blobs/{digest}")
        said = tuple(sorted(pair for pair in answer.headers.items() if pair[0] != "date"))
        found.add((answer.status, said, answer.body.replace(digest.encode(), b""), len(world.front.take())))
    assert len(found) == 1
    assert next(iter(found))[0] == 404
