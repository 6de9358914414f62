"""The barrier, with processes of this machine in the writer's place: the kernel's locks are real."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from registryctl import barrier, writers
from registryctl.barrier import HostBarrier
from registryctl.journals import BarrierError, BusyError
from registryctl.writers import Inode
from tests.registryctl.lock_world import SECONDS, LockWorld, lock_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWorld]:
    """Nothing runs."""
    yield from lock_world(tmp_path, monkeypatch)


def test_a_writer_has_ended_once_it_is_closed(world: LockWorld) -> None:
    """Asked to, by the one signal at which it finishes what it does; no other can begin until it is open again."""
    child = world.writer()
    with world.barrier().turn():
        pass
    here = world.barrier()
    with here.turn(), here.closed():
        assert child.wait(SECONDS) == -signal.SIGTERM
        assert not world.is_free()
    assert world.is_free()


def test_one_that_does_not_end_is_killed(world: LockWorld) -> None:
    """After the drain and some seconds."""
    child = world.writer("stubborn")
    here, began = world.barrier(drain=0.5), time.monotonic()
    with here.turn(), here.closed():
        assert child.wait(SECONDS) == -signal.SIGKILL
        assert time.monotonic() - began >= 0.8


def test_two_that_write_end_both(world: LockWorld) -> None:
    """As of a container that is just being replaced."""
    children = [world.writer(), world.writer()]
    here = world.barrier()
    with here.turn(), here.closed():
        assert [child.wait(SECONDS) for child in children] == [-signal.SIGTERM] * 2


def test_where_nothing_runs_it_is_closed_all_the_same(world: LockWorld) -> None:
    """A container that is started meanwhile waits for the lock."""
    here = world.barrier()
    with here.turn(), here.closed():
        assert not world.is_free()


def test_a_lock_of_somebody_else_keeps_it_open(world: LockWorld) -> None:
    """Who is not in the container is not ended."""
    child = world.writer()
    world.process = 0
    here = world.barrier()
    with pytest.raises(BarrierError, match="does not end"), here.turn(), here.closed():
        pytest.fail("closed")
    assert child.poll() is None


def test_other_files_or_sockets_keep_it_open(world: LockWorld) -> None:
    """The lock would protect nothing; nobody is ended."""
    child = world.writer()
    for change, words in (("data_seen", "has other files than"), ("sockets_seen", "is not one that lets its writes")):
        before = getattr(world, change)
        for other in (None, Inode(before.device, before.number + 1)):
            setattr(world, change, other)
            here = world.barrier()
            with pytest.raises(BarrierError, match=words), here.turn(), here.closed():
                pytest.fail("closed")
        setattr(world, change, before)
    assert child.poll() is None
    assert not (world.run / "sockets/closing").exists()


@pytest.mark.parametrize("who", ["self", "7"])
def test_a_mount_within_the_files_that_one_does_not_see(
    world: LockWorld, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """The container, or this host: what one of them has is not all that is needed."""
    world.process = 7
    proc, inside = world.root / "proc", world.data / "a b"
    seen = proc / "7/root" / writers.DATA
    for folder in (proc / "self", proc / "7/ns", seen, inside):
        folder.mkdir(parents=True)
    (proc / "7/ns/pid").symlink_to("pid:[1]")
    (proc / who / "mountinfo").write_text(
        f"22 1 0:1 / {world.data if who == 'self' else '/' + writers.DATA}/a\\040b rw - tmpfs none rw\n"
    )
    monkeypatch.setattr(writers, "_PROC", proc)
    here = world.barrier()
    with pytest.raises(BarrierError, match=r"has something else at .*/a b: restart it"), here.turn(), here.closed():
        pytest.fail("closed")
    (seen / "a b").symlink_to(inside)
    with here.turn(), here.closed():
        assert not world.is_free()


def test_files_that_change_meanwhile_keep_it_open(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the container has is looked at again once nobody writes."""
    world.process = os.getpid()
    real = HostBarrier._await_lock

    def await_lock(self: HostBarrier, lock: int, process: int, data: Inode) -> None:
        real(self, lock, process, data)
        world.data_seen = Inode(0, 0)

    monkeypatch.setattr(HostBarrier, "_await_lock", await_lock)
    here = world.barrier()
    with pytest.raises(BarrierError, match="has other files"), here.turn(), here.closed():
        pytest.fail("closed")
    assert world.is_free()


def test_a_container_that_ends_again_and_again_keeps_it_open(world: LockWorld) -> None:
    """Nobody knows what it would have."""
    world.process = 2**22 + 1
    here = world.barrier()
    with pytest.raises(BarrierError, match="starts again and again"), here.turn(), here.closed():
        pytest.fail("closed")


def test_a_writer_without_the_lock_keeps_it_open(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that somebody has started by hand."""
    world.process = os.getpid()
    monkeypatch.setattr(writers, "others_that_write", lambda *_: [4711])
    here = world.barrier()
    with pytest.raises(BarrierError, match="process 4711 of a registry writes without"), here.turn(), here.closed():
        pytest.fail("closed")
    assert world.is_free()


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        (None, "can't be found out"),
        ("exit 1", "Docker does not say"),
        ("echo", "Docker does not say"),
        ("echo -1", "Docker does not say"),
    ],
)
def test_without_docker_it_stays_open(
    tool: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a writer runs is not known then."""
    path = tmp_path / "container-process"
    if tool is not None:
        path.write_text(f"#!/bin/sh\n{tool}\n")
        path.chmod(0o755)
    monkeypatch.setattr(writers, "_TOOL", path)
    with pytest.raises(BarrierError, match=words):
        writers.container_process()


def test_closing_takes_current_away(world: LockWorld) -> None:
    """So that nothing is written down any more for the one that has ended."""
    (world.folder / "current").write_text("1700000000-0123abcd\n")
    here = world.barrier()
    with here.turn(), here.closed():
        assert not (world.folder / "current").exists()


def test_the_proxy_is_told(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before the writer is asked to end, again and again, until it is open."""
    seen: list[float] = []
    monkeypatch.setattr(barrier, "_COURTESY", 0.2)
    word = world.run / "sockets/closing"
    world.writer("stubborn")
    real = writers.end

    def end(process: int, data: Inode, *, at_once: bool) -> None:
        seen.append(word.stat().st_mtime)
        real(process, data, at_once=at_once)

    monkeypatch.setattr(writers, "end", end)
    here = world.barrier()
    with here.turn(), here.closed():
        assert word.exists()
    assert not word.exists()
    assert len(seen) >= 2
    assert seen[-1] > seen[0]


def test_others_are_told_who_it_is(world: LockWorld) -> None:
    """In a file that counts only while the lock is held."""
    here = world.barrier("a clean-up")
    with here.turn(), here.closed():
        word = json.loads((world.run / "closed").read_text())
        assert (word["reason"], word["process"]) == ("a clean-up", os.getpid())
        assert abs(word["since"] - time.time()) < SECONDS
    assert not (world.run / "closed").exists()


def test_whatever_happens_inside_it_opens(world: LockWorld) -> None:
    """An exception passes, and lets go."""
    here = world.barrier()
    with pytest.raises(ZeroDivisionError), here.turn(), here.closed():
        raise ZeroDivisionError
    assert world.is_free()
    with world.barrier().turn():
        pass


def test_turns_are_taken_one_after_the_other(world: LockWorld) -> None:
    """Who waits for too long is told for whom."""
    first, second = world.barrier("a clean-up"), world.barrier()
    with (
        first.turn(),
        pytest.raises(BusyError, match=r"another tool \(a clean-up\) has been at the registry's storage"),
        second.turn(),
    ):
        pytest.fail("two at once")
    with second.turn():
        pass


@pytest.mark.parametrize("word", [b"", b"[]", b"{}", b"\xff"])
def test_the_turn_of_somebody_who_did_not_say(word: bytes, world: LockWorld) -> None:
    """Is one all the same."""
    with world.barrier().turn():
        (world.run / "turn").write_bytes(word)
        with pytest.raises(BusyError, match="another tool has been"), world.barrier().turn():
            pytest.fail("two at once")


def test_closing_is_for_whose_turn_it_is(world: LockWorld) -> None:
    """And forgetting for whoever has closed it."""
    here = world.barrier()
    with pytest.raises(BarrierError), here.closed():
        pytest.fail("closed")
    with here.turn(), pytest.raises(BarrierError):
        here.forget(["1700000000-0123abcd"])


@pytest.mark.parametrize("missing", ["data", "run"])
def test_what_is_not_there_keeps_it_open(missing: str, world: LockWorld) -> None:
    """Its error names it."""
    getattr(world, missing).rename(world.root / "elsewhere")
    here = world.barrier()
    with ExitStack() as stack, pytest.raises(BarrierError, match=f"/{missing}"):
        stack.enter_context(here.turn())
        stack.enter_context(here.closed())


def test_a_full_run_keeps_it_from_nothing(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fills it may be the journals, which only a clean-up takes away. Others are not told whose turn it is."""

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    world.writer()
    here = world.barrier()
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", fail)
        full.setattr(Path, "write_bytes", fail)
        with here.turn(), here.closed():
            assert not world.is_free()
            with pytest.raises(BusyError, match="another tool has been"), world.barrier().turn():
                pytest.fail("its turn")
    assert world.is_free()
    assert {path.name for path in world.run.iterdir()} == {"sockets", "turn"}
