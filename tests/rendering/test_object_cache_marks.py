"""What nginx hands out of an object store's images by itself: what was told in these ten seconds, and nothing else."""

from __future__ import annotations

import os
import time

import pytest

from rendering.proxy import MARKS, Cache
from tests.lab.docker import docker
from tests.rendering.cache_world import CACHE, World, world

__all__ = ["world"]

pytestmark = pytest.mark.e2e

MOMENT = 10
"""Seconds."""


def _inside(world: World, script: str) -> list[str]:
    return docker("exec", world.proxy.name, "sh", "-c", script).stdout.split()


def _marks(world: World) -> set[str]:
    """Without the ten seconds in which they count."""
    return {path.removeprefix(f"{MARKS}/").partition("/")[2] for path in _inside(world, f"find {MARKS} -type f")}


def _early() -> int:
    """Which ten seconds it is now; some of them are left."""
    while time.time() % MOMENT > MOMENT - 4:
        time.sleep(0.1)
    return int(time.time()) // MOMENT


def _pulled(world: World, name: str) -> tuple[str, str]:
    """An image, and its layer, both of which were asked for after they were kept."""
    image, (layer,) = world.push(name, "1", os.urandom(1000))
    for _ in range(2):
        world.pull("bob", name, "1")
    return image, layer


def test_what_was_told_is_marked_for_its_repository(world: World) -> None:
    """Blobs and manifests, by their digests."""
    _early()
    image, layer = _pulled(world, "team/marked/deep")
    of_it = {mark for mark in _marks(world) if mark.startswith("team/marked/")}
    assert {f"team/marked/deep/blob:{layer[7:]}", f"team/marked/deep/manifest:{image[7:]}"} <= of_it
    assert {mark.rpartition("/")[0] for mark in of_it} == {"team/marked/deep"}


def test_a_mark_counts_in_its_ten_seconds(world: World) -> None:
    """There nginx goes by it, and asks nobody; before and after it is nothing."""
    _, layer = _pulled(world, "team/here")
    world.push("team/elsewhere", "1", b"of its own")
    path, now = f"team/elsewhere/blobs/{layer}", _early()
    for moment, status in ((now - 1, 404), (now + 1, 404), (now, 200)):
        home = f"{MARKS}/{moment}/team/elsewhere"
        _inside(world, f"umask 0; mkdir -p {home}; : >{home}/blob:{layer[7:]}")
        assert world.ask("bob", "GET", path).status == status
    world.front.take()
    assert world.ask("carol", "GET", path).status == 403
    assert world.ask("bob", "GET", path).status == 200
    assert world.front.take() == []
    _inside(world, f"rm -r {MARKS}/{now - 1} {MARKS}/{now + 1} {MARKS}/{now}/team/elsewhere")
    assert world.ask("bob", "GET", path).status == 404


def test_marks_of_earlier_moments_go(world: World) -> None:
    """With the first of the next one."""
    _pulled(world, "team/then")
    _inside(world, f"umask 0; mkdir -p {MARKS}/1/team {MARKS}/left-over; : >{MARKS}/1/team/x")
    time.sleep(MOMENT - time.time() % MOMENT)
    now = _early()
    _pulled(world, "team/now")
    assert _inside(world, f"ls {MARKS}") == [str(now)]


def test_a_deletion_ends_them_all(world: World) -> None:
    """Whatever it was that was deleted."""
    _early()
    _, layer = _pulled(world, "team/stays")
    image, _ = _pulled(world, "team/goes")
    assert f"team/stays/blob:{layer[7:]}" in _marks(world)
    assert world.ask("alice", "DELETE", f"team/goes/manifests/{image}").status == 202
    assert _inside(world, f"ls {MARKS}") == []
    world.front.take()
    assert world.ask("bob", "GET", f"team/stays/blobs/{layer}").status == 200
    assert world.front.take() == [f"HEAD /v2/team/stays/blobs/{layer}"]


def test_none_outlives_what_was_told(world: World) -> None:
    """What is remembered for two seconds counts in none but the last two of ten."""
    world.reconfigure(Cache(megabytes=64, remembered=2, slice=1, min_free=1))
    try:
        while not 1 < time.time() % MOMENT < MOMENT - 6:
            time.sleep(0.1)
        _, layer = _pulled(world, "team/short")
        assert not {mark for mark in _marks(world) if mark.startswith("team/short/")}
        assert world.ask("bob", "GET", f"team/short/blobs/{layer}").status == 200
    finally:
        world.reconfigure(CACHE)


def test_what_is_asked_for_often_is_asked_anew_before_its_end(world: World) -> None:
    """By one of many requests: each of them would start a script meanwhile. A few don't cost the store anything."""
    world.reconfigure(Cache(megabytes=64, remembered=12, slice=1, min_free=1))
    try:
        while not 1 < time.time() % MOMENT < 2:
            time.sleep(0.1)
        _, layer = _pulled(world, "team/often")
        path = f"team/often/blobs/{layer}"
        time.sleep(MOMENT - time.time() % MOMENT)
        marks = f"find {MARKS}/{int(time.time()) // MOMENT} -name 'blob:{layer[7:]}' 2>/dev/null | wc -l"
        world.front.take()
        assert {world.ask("bob", "GET", path).status for _ in range(15)} == {200}
        assert (world.front.take(), _inside(world, marks)) == ([], ["0"])
        assert {world.ask("bob", "GET", path).status for _ in range(15)} == {200}
        assert (world.front.take(), _inside(world, marks)) == ([f"HEAD /v2/{path}"], ["1"])
    finally:
        world.reconfigure(CACHE)


def test_without_room_for_marks_it_goes_on(world: World) -> None:
    """A script answers, as it does without a mark."""
    _inside(world, f"rm -rf {MARKS}/*; mkdir {MARKS}/full && cd {MARKS}/full && seq 60000 | xargs touch 2>/dev/null; :")
    free = f"df -Pi {MARKS} | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4"
    assert _inside(world, free) == ["0"]
    _, layer = _pulled(world, "team/full")
    assert world.ask("bob", "GET", f"team/full/blobs/{layer}").status == 200
    _inside(world, f"rm -rf {MARKS}/full")


def test_the_disk_has_no_room(world: World) -> None:
    """Then nothing is handed out of what is kept, by whatever mark."""
    _early()
    _, layer = _pulled(world, "team/room")
    path = f"team/room/blobs/{layer}"
    world.ask("bob", "GET", path)
    world.front.take()
    _inside(world, ": >/run/cache-full")
    try:
        assert world.ask("bob", "GET", path).status == 200
        assert world.front.take() == [f"GET /v2/{path}"]
    finally:
        _inside(world, "rm -f /run/cache-full")
