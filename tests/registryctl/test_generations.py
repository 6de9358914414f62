"""What is left of the registry's writers: the journals of their generations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registryctl.lock_world import LockWorld, lock_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWorld]:
    """Nothing runs."""
    yield from lock_world(tmp_path, monkeypatch)


OLD, MIDDLE, NEW = "999-0123abcd", "1700000000-0123abcd", "1700000001-0123abcd"


def test_journals_come_in_their_order(world: LockWorld) -> None:
    """The newest may still be written to, or the current; within the barrier, none. A line without its end is none."""
    for name in (NEW, OLD, MIDDLE):
        world.generation(name, b"1 PUT a manifest x\n2 PUT a man")
    world.folder.joinpath("not-one").mkdir()
    (world.folder / "current").write_text(f"{MIDDLE}\n")
    here = world.barrier()
    found = here.journals()
    assert [journal.generation for journal in found] == [OLD, MIDDLE, NEW]
    assert [journal.lives for journal in found] == [False, True, True]
    assert [list(journal.lines) for journal in found] == [[b"1 PUT a manifest x"]] * 3
    assert all(journal.whole for journal in found)
    assert [journal.until for journal in found] == [1700000000, None, None]
    with here.turn(), here.closed():
        found = here.journals()
    assert not any(journal.lives for journal in found)
    assert [journal.until for journal in found] == [1700000000, 1700000001, None]


def test_a_process_of_a_generation_shows_that_it_lives(world: LockWorld) -> None:
    """Though another is newer, as long as it still ends what it began."""
    for name in (OLD, MIDDLE, NEW):
        world.generation(name)
    address = {"REGISTRY_HTTP_ADDR": f"/run/registry/writers/{OLD}/socket"}
    child = subprocess.Popen([sys.executable, "-c", "input()"], env=address, stdin=subprocess.PIPE, text=True)
    world.children.append(child)
    assert [journal.lives for journal in world.barrier().journals()] == [True, False, True]


def test_no_journals(world: LockWorld) -> None:
    """Before there was a writer."""
    assert world.barrier().journals() == []
    world.folder.rmdir()
    assert world.barrier().journals() == []


@pytest.mark.parametrize("kind", ["none", "link", "pipe", "directory"])
def test_what_is_no_journal_is_not_whole(kind: str, world: LockWorld) -> None:
    """The proxy's workers may put anything there: nothing is followed, and nothing waited for."""
    journal = world.generation(NEW) / "journal"
    journal.unlink()
    if kind == "link":
        (world.root / "secret").write_text("a line\n")
        journal.symlink_to(world.root / "secret")
    elif kind == "pipe":
        os.mkfifo(journal)
    elif kind == "directory":
        journal.mkdir()
    [found] = world.barrier().journals()
    assert (found.whole, list(found.lines)) == (False, [])


@pytest.mark.parametrize("kind", ["none", "link"])
def test_a_journal_that_misses_something(kind: str, world: LockWorld) -> None:
    """Its mark is gone, or is none."""
    home = world.generation(NEW, b"a\n", whole=False)
    if kind == "link":
        (home / "whole").symlink_to("journal")
    [found] = world.barrier().journals()
    assert (found.whole, list(found.lines)) == (False, [b"a"])


def test_generations_are_forgotten(world: LockWorld) -> None:
    """With what is in their directories, and nothing that a link leads to; one that is gone is no error."""
    (world.root / "kept").mkdir()
    (world.generation(OLD) / "link").symlink_to(world.root / "kept")
    world.generation(NEW)
    here = world.barrier()
    with here.turn(), here.closed():
        here.forget([OLD, MIDDLE])
        for wrong in ("..", "", "current", f"{NEW}/journal"):
            with pytest.raises(ValueError, match="no generation"):
                here.forget([wrong])
    assert [journal.generation for journal in here.journals()] == [NEW]
    assert (world.root / "kept").exists()
