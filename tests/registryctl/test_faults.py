"""Wherever a run fails or is killed, what is tagged is whole, the next run ends it, and undo works."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from registryctl import trash
from registryctl.act import RefusedError
from registryctl.files import FileStorage
from registryctl.storage import NoRoom, StorageError, Unreadable
from registryctl.undo import undo
from tests.registryctl.faults import FaultyStorage, KilledError
from tests.registryctl.world import Gate, World, clean_up, remove

ERRORS: dict[str, Callable[[], BaseException]] = {
    "no room": lambda: NoRoom("no space left on device"),
    "unreadable": lambda: Unreadable("input/output error"),
    "killed": KilledError,
}
KINDS = [("no room", False), ("unreadable", False), ("killed", False), ("killed", True)]


def fill(world: World) -> None:
    """Some of everything."""
    child = world.image("a", "", b"child", algorithm="sha512")
    world.index("a", "1.0", child)
    gone = world.image("a", "2.0", b"shared", b"gone")
    world.image("a", "", b"shared", b"untagged", subject=gone)
    world.layer("a", b"loose")
    world.image("b", "", b"shared")
    world.blob(b"nothing")


def each(memory: Path, act: Callable[[World, FaultyStorage], object], error: str, *, after: bool) -> list[World]:
    """A world for each call at which it may strike."""
    first = World(memory / "first")
    fill(first)
    worlds = []
    for at in range(1, 2000):
        shutil.copytree(first.root, memory / str(at))
        world = World.__new__(World)
        world.root, world.v2 = memory / str(at), memory / str(at) / "docker/registry/v2"
        world.storage = FileStorage(world.root)
        faulty = FaultyStorage(world.storage, at, ERRORS[error](), after=after)
        with contextlib.suppress(StorageError, KilledError, RefusedError):
            act(world, faulty)
        worlds.append(world)
        if faulty.calls < at:
            return worlds
    raise AssertionError("it does not end")


def same(world: World, other: World) -> bool:
    """Whether both hold the same, whenever it was written."""
    trees = [{path: text for path, (text, _) in its.tree().items()} for its in (world, other)]
    return trees[0] == trees[1]


@pytest.mark.parametrize(("error", "after"), KINDS)
def test_a_clean_up_may_be_cut_off_anywhere(memory: Path, error: str, after: bool) -> None:
    """With and without records, the next one comes to the same end."""
    for days in (0, 7):
        base = memory / str(days)
        base.mkdir()
        worlds = each(base, lambda world, storage, d=days: clean_up(world, days=d, storage=storage), error, after=after)  # type: ignore[misc]
        clean_up(worlds[-1])
        for world in worlds:
            for tag in ("1.0", "2.0"):
                world.pull("a", tag)
            clean_up(world, days=days)
            assert not clean_up(world, days=days).plan
            clean_up(world)
            assert same(world, worlds[-1])
            for tag in ("1.0", "2.0"):
                world.pull("a", tag)


@pytest.mark.parametrize(("error", "after"), KINDS)
def test_a_deletion_may_be_cut_off_anywhere(memory: Path, error: str, after: bool) -> None:
    """The tag is whole or gone, and where there is a record it brings all back."""
    for world in each(memory, lambda world, storage: remove(world, "a", "2.0", storage=storage), error, after=after):
        for tag in world.tags("a"):
            world.pull("a", tag)
        if trash.runs(world.storage):
            undo(world.storage, Gate())
            assert set(world.tags("a")) == {"1.0", "2.0"}
            world.pull("a", "2.0")
        else:
            assert "2.0" in world.tags("a")


@pytest.mark.parametrize(("error", "after"), KINDS)
def test_undo_may_be_cut_off_anywhere(memory: Path, error: str, after: bool) -> None:
    """No tag is back before what it needs, and a second one goes on from there."""

    def act(world: World, storage: FaultyStorage) -> None:
        remove(world, "a", "2.0")
        undo(storage, Gate())

    for world in each(memory, act, error, after=after):
        for tag in world.tags("a"):
            world.pull("a", tag)
        clean_up(world, days=7)
        for run in trash.runs(world.storage):
            assert not undo(world.storage, Gate(), run).missing
        assert set(world.tags("a")) == {"1.0", "2.0"}
        world.pull("a", "2.0")
