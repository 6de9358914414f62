"""What the proxy keeps of images in an object store: handed out to whom it may, and what the registry is asked for."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from rendering.proxy import Cache
from tests.rendering.cache_world import CACHE, SLICE, World, world
from tests.rendering.mirror_world import MANIFEST, await_true, digest_of

__all__ = ["world"]

pytestmark = pytest.mark.e2e

NOT_OF_IT = {"date", "connection", "server"}


def _layers(count: int, size: int = 1000) -> list[bytes]:
    return [os.urandom(size) for _ in range(count)]


def test_the_second_pull_asks_for_the_tag_alone(world: World) -> None:
    """Whether it still has that image, which costs one look."""
    world.push("team/twice", "1", *_layers(20))
    # A client fetches what nobody has fetched before without asking for it twice.
    first = world.pull("bob", "team/twice", "1")
    assert len([one for one in first if "/blobs/" in one]) == 21
    asked = world.pull("bob", "team/twice", "1")
    assert asked == ["HEAD /v2/team/twice/manifests/1"]
    assert world.pull("alice", "team/twice", "1") == ["HEAD /v2/team/twice/manifests/1"]
    # The metrics count it as what the proxy served by itself.
    log = world.proxy.home / "logs/traffic"
    hit = re.compile(r"^blob\|200\|HIT\|[^\t]*\|team/twice\t", re.MULTILINE)
    await_true(lambda: len(hit.findall(log.read_text())) == 2 * 21)


def test_it_is_as_the_registry_would_hand_it_out(world: World) -> None:
    """With the same headers, of GET and of HEAD, of whole blobs and of parts, first and later."""
    layer = os.urandom(2 * SLICE + SLICE // 2)
    image, (digest, _) = world.push("team/same", "1", layer, b"")
    paths = [f"team/same/{kind}" for kind in ("manifests/1", f"manifests/{image}", f"blobs/{digest}")]
    ranges = ("0-0", "5-12", f"{SLICE - 3}-{SLICE + 5}", "-7", f"{2 * SLICE}-", f"0-{10 * SLICE}", f"{10 * SLICE}-")
    asked: list[tuple[str, str, dict[str, str]]]
    asked = [(method, path, {}) for method in ("GET", "HEAD") for path in (*paths, f"team/same/blobs/{digest_of(b'')}")]
    asked += [("GET", paths[2], {"Range": f"bytes={part}"}) for part in ranges]
    for method, path, headers in asked:
        # A condition is the registry's to judge.
        its = world.ask("bob", method, path, If_None_Match='"another"', **headers)
        for _ in range(2):
            ours = world.ask("bob", method, path, **headers)
            assert (ours.status, ours.body) == (its.status, its.body), (method, path, headers)
            # A part says by itself that there are parts.
            other = NOT_OF_IT | ({"accept-ranges"} if its.status == 206 else set())
            assert {k: v for k, v in ours.headers.items() if k not in other} == {
                k: v for k, v in its.headers.items() if k not in other
            }, (method, path, headers)
    answer = world.ask("bob", "GET", paths[0], If_None_Match=f'"{image}"')
    assert (answer.status, answer.body) == (304, b"")


def test_rights_and_repositories_are_looked_at_first(world: World) -> None:
    """What is kept for one repository is not there for who may only pull another, or by another's name."""
    layer = os.urandom(1000)
    image, (digest,) = world.push("team/rights", "1", layer)
    world.pull("bob", "team/rights", "1")
    world.push("team/other", "1", b"other")
    world.push("closed/one", "1", b"other")
    for path in (f"blobs/{digest}", f"manifests/{image}", "manifests/1"):
        found = [world.ask(who, "GET", f"team/rights/{path}").status for who in (None, "carol", "bob")]
        assert found == [401, 403, 200]
        assert world.ask("bob", "GET", f"closed/one/{path}").status == 403
    for path in (f"blobs/{digest}", f"manifests/{image}"):
        for who in ("alice", "bob"):
            assert world.ask(who, "GET", f"team/other/{path}").status == 404
    # Nor is what somebody else is just fetching.
    _, (fetched,) = world.push("team/rights", "2", os.urandom(SLICE))
    world.front.held.clear()
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(world.ask, "bob", "GET", f"team/rights/blobs/{fetched}")
            await_true(lambda: f"GET /v2/team/rights/blobs/{fetched}" in world.front.asked)
            other = pool.submit(world.ask, "bob", "GET", f"team/other/blobs/{fetched}")
            world.front.held.set()
            assert (first.result().status, other.result().status) == (200, 404)
    finally:
        world.front.held.set()
    for name in ("/cached-blob", "/cached-manifest", "/first-blob", "/ask-store", "/cache-asks"):
        assert world.proxy.connection("alice").ask("GET", name).status == 404


def test_one_copy_is_kept_for_all_repositories(world: World) -> None:
    """The registry says of each whether it has it, and hands it out once."""
    layer = os.urandom(1000)
    for name in ("team/one", "team/two"):
        _, (digest,) = world.push(name, "1", layer)
    world.pull("bob", "team/one", "1")
    asked = world.pull("bob", "team/two", "1")
    assert [one for one in asked if one.startswith("GET ")] == []
    assert f"HEAD /v2/team/two/blobs/{digest}" in asked


def test_a_tag_that_moves_is_seen_at_once(world: World) -> None:
    """Wherever it was pushed."""
    for layer in (b"first", b"second"):
        image, _ = world.push("team/moves", "1", layer)
        for method in ("HEAD", "GET"):
            assert world.ask("bob", method, "team/moves/manifests/1").headers["docker-content-digest"] == image


def test_what_is_pushed_asks_the_registry_whether_it_is_there(world: World) -> None:
    """By HEAD, of blobs always, and of manifests who may push."""
    image, (digest,) = world.push("team/asked", "1", b"asked")
    world.pull("alice", "team/asked", "1")
    for path in (f"blobs/{digest}", f"manifests/{image}"):
        world.front.take()
        assert world.ask("alice", "HEAD", f"team/asked/{path}").status == 200
        assert world.front.take() == [f"HEAD /v2/team/asked/{path}"]


def test_what_is_deleted_here_is_gone_at_once(world: World) -> None:
    """However long answers are remembered."""
    image, (digest,) = world.push("team/deleted", "1", b"deleted")
    world.pull("bob", "team/deleted", "1")
    assert world.ask("bob", "GET", f"team/deleted/manifests/{image}").status == 200
    assert world.ask("alice", "DELETE", f"team/deleted/blobs/{digest}").status == 202
    assert world.ask("bob", "GET", f"team/deleted/blobs/{digest}").status == 404
    assert world.ask("alice", "DELETE", f"team/deleted/manifests/{image}").status == 202
    for path in ("manifests/1", f"manifests/{image}"):
        assert world.ask("bob", "GET", f"team/deleted/{path}").status == 404


def test_what_was_said_before_a_deletion_does_not_count_after_it(world: World) -> None:
    """Also where who was told takes his time."""
    _, (digest,) = world.push("team/late", "1", os.urandom(SLICE))
    path = f"team/late/blobs/{digest}"
    world.front.held.clear()
    try:
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(world.ask, "bob", "GET", path)
            await_true(lambda: f"GET /v2/{path}" in world.front.asked)
            assert world.ask("alice", "DELETE", path).status == 202
            world.front.held.set()
            assert first.result().status == 200
    finally:
        world.front.held.set()
    assert world.ask("bob", "GET", path).status == 404


def _unlink(world: World, name: str, digest: str) -> None:
    """As the host's tools remove it: the registry is not told."""
    links = list((world.proxy.storage / f"docker/registry/v2/repositories/{name}").rglob("link"))
    gone = [link for link in links if link.read_text() == digest]
    assert gone
    for link in gone:
        link.unlink()


def test_what_is_deleted_elsewhere_is_gone_after_a_while(world: World) -> None:
    """Or at once, where nothing is remembered."""
    image, (digest,) = world.push("team/gone", "1", b"gone")
    paths = [f"team/gone/blobs/{digest}", f"team/gone/manifests/{image}", "team/gone/manifests/1"]
    world.reconfigure(Cache(megabytes=64, remembered=0, min_free=1))
    try:
        for _ in range(2):
            assert [world.ask("bob", "GET", path).status for path in paths] == [200] * 3
        world.front.take()
        assert world.ask("bob", "GET", paths[0]).status == 200
        assert world.front.take() == [f"HEAD /v2/{paths[0]}"]
        _unlink(world, "team/gone", digest)
        assert world.ask("bob", "GET", paths[0]).status == 404
        world.reconfigure(Cache(megabytes=64, remembered=2, min_free=1))
        assert [world.ask("bob", "GET", path).status for path in paths[1:]] == [200] * 2
        _unlink(world, "team/gone", image)
        await_true(lambda: [world.ask("bob", "GET", path).status for path in paths[1:]] == [404] * 2)
    finally:
        world.reconfigure(CACHE)


def test_a_client_of_few_types_is_answered_by_the_registry(world: World) -> None:
    """Which makes something else of it, or refuses it."""
    image, _ = world.push("team/types", "1", b"types")
    world.pull("bob", "team/types", "1")
    for which in ("1", image):
        for accept, status in ((MANIFEST, 200), ("application/vnd.docker.distribution.manifest.v2+json", 404)):
            assert world.ask("bob", "GET", f"team/types/manifests/{which}", Accept=accept).status == status
