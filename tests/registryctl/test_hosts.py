"""Several hosts, one bucket: nothing is removed while one of them may write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registryctl.hosts import times
from registryctl.hosts.messages import ENTRIES, Entry, MessageError, Request, read_journals, request_key, send
from registryctl.hosts.run import entries
from registryctl.journals import BarrierError, BusyError
from tests.registryctl.hosts_of_world import HostOfWorld, new_host, settled
from tests.registryctl.hosts_world import Actor, World


@pytest.fixture
def world() -> Iterator[World]:
    """Nobody is there."""
    made = World()
    yield made
    made.end()


def done(world: World, act: Callable[[], object], seconds: float = 3600) -> Actor:
    """What a tool does, to its end."""
    tool = world.start("a tool", act)
    world.go(lambda: tool.over, seconds)
    assert tool.over
    return tool


def removal(host: HostOfWorld, seen: list[bool], batches: int = 3) -> Callable[[], None]:
    """A tool that removes; `seen`: whether somebody could write then."""

    def act() -> None:
        barrier = host.barrier()
        with barrier.turn():
            barrier.journals()
            with barrier.closed():
                for _ in range(batches):
                    barrier.guard()
                    for _ in range(5):
                        seen.append(any(its.may_write for its in host.world.hosts))
                        host.world.pause(1)

    return act


def test_all_are_closed_while_one_removes(world: World, tmp_path: Path) -> None:
    """And may write again afterwards, at once."""
    hosts = [new_host(world, tmp_path) for _ in range(3)]
    settled(world, *hosts)
    seen: list[bool] = []
    tool = done(world, removal(hosts[1], seen))
    assert tool.error is None
    assert seen == [False] * 15
    world.go(lambda: False, 10)
    assert all(host.may_write for host in hosts)


def test_a_host_alone_needs_nobody(world: World, tmp_path: Path) -> None:
    """And few requests while nothing is to do."""
    host = new_host(world, tmp_path)
    settled(world, host)
    seen: list[bool] = []
    assert done(world, removal(host, seen)).error is None
    assert seen == [False] * 15
    before = world.bucket.requests.total()
    world.go(lambda: False, 3600)
    assert world.bucket.requests.total() - before < 300


def test_one_that_does_not_answer_keeps_all_from_removing(world: World, tmp_path: Path) -> None:
    """It is named, with what to do; nobody's writes wait for it."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    assert two.serving is not None
    world.kill(two.serving)
    seen: list[bool] = []
    tool = done(world, removal(one, seen))
    assert isinstance(tool.error, BarrierError)
    assert "o/p/host2, which writes to the same bucket, does not answer" in str(tool.error)
    assert "registryctl hosts forget o/p/host2" in str(tool.error)
    assert seen == []
    assert one.may_write
    assert two.may_write


def test_one_that_is_busy_is_waited_for(world: World, tmp_path: Path) -> None:
    """And said to be, if it takes too long."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    token = object()
    two.turns[token] = world.time + 300
    seen: list[bool] = []
    assert done(world, removal(one, seen)).error is None
    assert seen
    two.turns[token] = world.time + 100000
    tool = done(world, removal(one, seen))
    assert isinstance(tool.error, BusyError)
    assert "o/p/host2 has been at work: a tool of its own is at work" in str(tool.error)


def test_two_who_want_it_at_once_go_one_after_the_other(world: World, tmp_path: Path) -> None:
    """None fails, none is within with the other."""
    hosts = [new_host(world, tmp_path) for _ in range(3)]
    settled(world, *hosts)
    within: list[str] = []

    def act(host: HostOfWorld) -> Callable[[], None]:
        def body() -> None:
            with host.barrier().turn():
                assert within == []
                within.append(host.stack)
                world.pause(20)
                within.clear()

        return body

    tools = [world.start("a tool", act(host)) for host in hosts for _ in range(2)]
    world.go(lambda: all(tool.over for tool in tools))
    assert [tool.error for tool in tools] == [None] * 6


def test_a_tool_is_not_taken_for_the_one_before(world: World, tmp_path: Path) -> None:
    """Of which the other hosts have read that it has ended, by the time that the next one on the same host begins."""
    hosts = [new_host(world, tmp_path) for _ in range(3)]
    settled(world, *hosts)
    began, tools = world.time, 20

    def act() -> None:
        for _ in range(tools):
            with hosts[0].barrier().turn():
                pass

    assert done(world, act).error is None
    assert world.time - began < tools * times.ENDING


def test_journals_of_all_are_read(world: World, tmp_path: Path) -> None:
    """Before the barrier and in it, and without a turn; they are forgotten where they are."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    two.generations = [("1-00000000", [b"1 PUT a manifest 1", b"odd\r\x85 one"]), ("2-00000000", [])]
    two.count = 2
    two.before_closing = lambda: two.generations[-1][1].append(b"2 PUT a manifest 2")
    found: list[dict[str, tuple[bool, list[bytes]]]] = []

    def act() -> None:
        barrier = one.barrier()
        found.append(_as_text(barrier.journals()))
        with barrier.turn():
            found.append(_as_text(barrier.journals()))
            with barrier.closed():
                found.append(_as_text(barrier.journals()))
                barrier.forget([f"{two.identity}/1-00000000", "1-00000000"])

    assert done(world, act).error is None
    own, other = "1-00000000", [f"{two.identity}/{name}" for name in ("1-00000000", "2-00000000")]
    lines = [b"1 PUT a manifest 1", b"odd\r\x85 one"]
    before = {own: (True, []), other[0]: (False, lines), other[1]: (True, [])}
    assert found[:2] == [before, before]
    assert found[2] == {own: (False, []), other[0]: (False, lines), other[1]: (False, [b"2 PUT a manifest 2"])}
    world.go(lambda: False, 10)
    assert [name for name, _ in two.generations] == ["2-00000000", "3-00000000"]
    assert [name for name, _ in one.generations] == ["2-00000000"]


def _as_text(journals: object) -> dict[str, tuple[bool, list[bytes]]]:
    assert isinstance(journals, list)
    return {its.generation: (its.lives, list(its.lines)) for its in journals}


def test_a_clock_that_is_wrong_is_noticed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fresh is told by the times of journals."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    monkeypatch.setattr(times, "SKEW", -1.0)
    tool = done(world, removal(one, []))
    assert isinstance(tool.error, BarrierError)
    assert "its clock" in str(tool.error)


def test_a_host_that_comes_meanwhile_waits_and_ends_it(world: World, tmp_path: Path) -> None:
    """It writes only once the run has ended."""
    one = new_host(world, tmp_path)
    settled(world, one)
    seen: list[bool] = []
    tool = world.start("a tool", removal(one, seen, batches=100))
    world.go(lambda: len(seen) > 4)
    two = new_host(world, tmp_path)
    two.serve()
    world.go(lambda: tool.over)
    assert "a host came to the bucket, or went, meanwhile" in str(tool.error)
    assert not any(seen)
    world.go(lambda: two.may_write, 300)
    assert two.may_write


def test_an_old_request_that_is_left_holds_nobody(world: World, tmp_path: Path) -> None:
    """A service that begins closes for nobody to whom it has not given its turn."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, two)
    send(
        world.bucket, request_key(one.identity, "run"), Request("ab", 7, "closed", "o/p/x", "old", {two.identity: "cd"})
    )
    world.go(lambda: not two.may_write, 600)
    assert two.may_write


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b"[" * 100000, b'{"version": 2}', b'{"version": 1, "wants": "closed"}']
)
def test_what_is_not_understood_does_nothing(world: World, tmp_path: Path, data: bytes) -> None:
    """Whoever may write there is not obeyed."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    world.bucket.put(request_key("f" * 32, "run"), data)
    world.bucket.put(request_key(one.identity, "run"), data)
    world.bucket.put(request_key("../../etc", "run"), data)
    world.go(lambda: False, 60)
    assert two.may_write
    assert two.serving is not None and not two.serving.over
    assert done(world, removal(one, [])).error is None


def test_an_entry_that_is_not_understood_is_a_host_that_does_not_answer(world: World, tmp_path: Path) -> None:
    """What can't be known is kept. A key of another kind is none either."""
    one = new_host(world, tmp_path)
    settled(world, one)
    world.bucket.put(f"{ENTRIES}{'e' * 32}.json", b"?")
    assert "does not answer" in str(done(world, removal(one, [])).error)
    # What is to be typed is nothing of what it says.
    another = {"version": 1, **vars(Entry("x; $(id)", "o/p/two"))}
    world.bucket.put(f"{ENTRIES}{'e' * 32}.json", json.dumps(another).encode())
    assert str(done(world, removal(one, [])).error).endswith(f"registryctl hosts forget {'e' * 32}")
    world.bucket.drop(f"{ENTRIES}{'e' * 32}.json")
    world.bucket.put(f"{ENTRIES}x", b"?")
    assert "is no host's" in str(done(world, removal(one, [])).error)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100000, b'[["1-00000000", true, true, null, 9]]\n'])
def test_journals_that_are_none_are_not_known(world: World, data: bytes) -> None:
    """Even if they are what their host says."""
    world.bucket.put("journals", data)
    with pytest.raises(MessageError):
        read_journals(world.bucket, "journals", hashlib.sha256(data).hexdigest(), "two")


def test_an_entry_that_is_lost_comes_back(world: World, tmp_path: Path) -> None:
    """Its host looks for it."""
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    world.bucket.drop(two.me.key)
    world.go(lambda: two.identity in entries(world.bucket), 60)
    assert entries(world.bucket)[two.identity] == two.me
