"""The very words of the barrier's errors, and what its files are."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registryctl import barrier, writers
from registryctl.barrier import HostBarrier
from registryctl.journals import BarrierError, BusyError
from registryctl.writers import Inode
from tests.registryctl.descriptors import descriptors
from tests.registryctl.lock_world import SECONDS, LockWorld, lock_world

ROUNDS = 5


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWorld]:
    """Nothing runs."""
    yield from lock_world(tmp_path, monkeypatch)


def refusal(here: HostBarrier) -> str:
    """Why it does not close."""
    with pytest.raises(BarrierError) as error, here.turn(), here.closed():
        pytest.fail("closed")
    return str(error.value)


def test_each_reason_is_said(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it."""
    here = world.barrier()
    with pytest.raises(BarrierError, match=r"^it is not this tool's turn$"), here.closed():
        pytest.fail("closed")
    with here.turn(), pytest.raises(BarrierError, match=r"^generations may live$"):
        here.forget([])
    world.process = os.getpid()
    data, sockets, other = world.data_seen, world.sockets_seen, Inode(0, 0)
    world.data_seen = other
    assert refusal(here) == f"the container registry has other files than {world.data}: restart it, or run pulumi up"
    world.data_seen, world.sockets_seen = data, other
    assert refusal(here) == "the container registry is not one that lets its writes be stopped: run pulumi up"
    world.sockets_seen = sockets
    with monkeypatch.context() as patch:
        patch.setattr(writers, "mounted_elsewise", lambda process, place: f"{process} {place.name}")
        place = world.data / f"{world.process} data"
        assert refusal(here) == f"the container registry has something else at {place}: restart it"
    monkeypatch.setattr(writers, "mounted_elsewise", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(writers, "others_that_write", lambda process, _: [7, 8] if process == world.process else [])
        text = "process 7 of a registry writes without the lock; nothing may be removed"
        assert refusal(here) == text
    with monkeypatch.context() as patch:
        patch.setattr(writers, "is_running", lambda _: False)
        assert refusal(here) == "the container registry starts again and again"
    with here.turn(), here.closed():
        assert not world.is_free()


def test_a_container_that_was_just_replaced_is_looked_at_again(
    world: LockWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the one that ended had counts for nothing; so does one that does not run any more."""
    running = [11, 12, 0]
    monkeypatch.setattr(writers, "container_process", lambda: running.pop(0) if running else 0)
    monkeypatch.setattr(writers, "is_running", lambda _: False)
    monkeypatch.setattr(writers, "mounted", lambda *_: None)
    here = world.barrier()
    with here.turn(), here.closed():
        assert running == []


def test_what_cannot_be_locked_is_said(world: LockWorld) -> None:
    """And a lock that stays is, too: after the drain and both times that are given."""
    child = world.writer()
    world.process = 0
    began = time.monotonic()
    assert refusal(world.barrier(drain=0.3)) == f"something holds the lock on {world.data} and does not end"
    assert time.monotonic() - began >= 1.1
    child.kill()
    child.wait()
    world.data.rename(world.root / "moved")
    assert refusal(world.barrier()).startswith(f"there is no {world.data} to lock: ")
    (world.root / "moved").rename(world.data)
    (world.run / "sockets/closing").symlink_to("elsewhere")
    assert refusal(world.barrier()).startswith("writes can't be kept out: ")
    assert not (world.run / "sockets/elsewhere").exists()
    (world.run / "turn").unlink()
    (world.run / "turn").symlink_to("elsewhere")
    with pytest.raises(BarrierError, match=r"^no turn can be taken: "), world.barrier().turn():
        pytest.fail("its turn")


def test_the_turn_is_waited_for(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as was said; then for whom is named."""
    monkeypatch.setattr(barrier, "_POLL_TURN", 0.01)
    with world.barrier("a clean-up").turn():
        began = time.monotonic()
        with pytest.raises(BusyError) as error, world.barrier(patience=0.2).turn():
            pytest.fail("two at once")
        assert time.monotonic() - began >= 0.2
    where = "has been at the registry's storage for 0.2 s; nothing was done"
    assert str(error.value) == f"another tool (a clean-up) {where}"
    with world.barrier("a longer reason than the next").turn():
        pass
    with world.barrier("short").turn():
        word = json.loads((world.run / "turn").read_text())
        assert (word["reason"], word["process"]) == ("short", os.getpid())
        assert abs(word["since"] - time.time()) < 10
        assert stat.S_IMODE((world.run / "turn").stat().st_mode) == 0o600
    assert HostBarrier(world.data, "x", drain=0)._patience == 900


def test_the_turn_and_the_lock_end_with_it(world: LockWorld) -> None:
    """Nothing stays open or closed, and the next one of the same tool has to take its turn again."""
    here = world.barrier()
    before = descriptors()
    with here.turn(), here.closed():
        assert stat.S_IMODE((world.run / "sockets/closing").stat().st_mode) & 0o444 == 0o444
    assert descriptors() <= before
    with pytest.raises(BarrierError), here.closed():
        pytest.fail("closed")
    with here.turn(), pytest.raises(BarrierError):
        here.forget([])
    assert {path.name for path in world.run.iterdir()} == {"sockets", "turn"}


def test_the_end_of_one_opens_nothing_that_another_has_closed(
    world: LockWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one's turn comes at once, and the end takes its time; what one says and holds is its own."""
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        time.sleep(0.01)
        real(path, missing_ok)

    monkeypatch.setattr(barrier, "_POLL_TURN", 0.0)
    monkeypatch.setattr(Path, "unlink", unlink)
    wrong: list[str] = []

    def tool(name: str) -> None:
        here = world.barrier(name, patience=SECONDS)
        for _ in range(ROUNDS):
            with here.turn(), here.closed():
                for _ in range(3):
                    time.sleep(0.01)
                    word = world.run / "closed"
                    if not (world.run / "sockets/closing").exists():
                        wrong.append(f"{name}: the proxy is told that it is open")
                    if not word.exists() or json.loads(word.read_text())["reason"] != name:
                        wrong.append(f"{name}: somebody else's word, or none")
                    if world.is_free():
                        wrong.append(f"{name}: a writer could begin")

    with ThreadPoolExecutor(3) as pool:
        # The beginning of one name is another's whole.
        for done in [pool.submit(tool, name) for name in ("deletion-1", "deletion-12", "deletion-123")]:
            done.result(60)
    assert not wrong, wrong[:5]
    assert world.is_free()


def test_a_process_is_asked_once_and_then_killed(world: LockWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of its time."""
    monkeypatch.setattr(barrier, "_GIVE_UP_AFTER", 2.0)
    asked: list[tuple[int, bool]] = []
    monkeypatch.setattr(writers, "holders", lambda process, data: [7] if data == world.data_seen and process else [])
    monkeypatch.setattr(writers, "end", lambda process, data, at_once: asked.append((process, at_once)))
    world.writer()
    assert refusal(world.barrier(drain=0.2)).startswith("something holds the lock")
    assert asked[0] == (7, False)
    assert asked.count((7, False)) == 1
    assert len(asked) >= 2
    assert set(asked[1:]) == {(7, True)}
