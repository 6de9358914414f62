"""Hosts of a bucket are listed and forgotten; what their services tell."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from registryctl import writers
from registryctl.hosts import command, times
from registryctl.hosts.messages import ENTRIES, Entry, send
from registryctl.hosts.run import Clock
from registryctl.hosts.service import Service
from registryctl.hosts.watching import Watched
from registryctl.storage import StorageError
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.hosts_home import STACK, bucket, entries_of, here, join
from tests.registryctl.hosts_of_world import new_host, settled
from tests.registryctl.hosts_world import World
from tests.registryctl.running import run
from tests.registryctl.stored import DEFAULTS

__all__ = ["bucket", "here"]


def test_hosts_are_listed(here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the store's clock alone; what is not understood is told."""
    join(monkeypatch)
    for number, (stack, ago) in enumerate([("o/p/two", 10), ("o/p/three", 7200), ("$(id)", 1)], 1):
        entry = Entry(f"{number}" * 32, stack, f"host{number}", "2026-01-01")
        said = json.dumps({"version": 1, **vars(entry)}).encode()
        bucket.put(entry.key, said, time.time_ns() - ago * 10**9)
    bucket.put(f"{ENTRIES}{'f' * 32}.json", b"?")
    another = {"version": 1, **vars(Entry("x; $(id)", "o/p/two"))}
    bucket.put(f"{ENTRIES}{'d' * 32}.json", json.dumps(another).encode())
    bucket.put(f"{ENTRIES}{'e' * 32}.json", b"")
    bucket.forbidden = {f"{ENTRIES}{'e' * 32}.json"}
    out = run("hosts").out
    assert "o/p/two (host1) since 2026-01-01: it is there\n" in out
    assert "o/p/three (host2) since 2026-01-01: no sign of it for 120 minutes\n" in out
    assert ": this host\n" in out
    assert "it is not understood: no JSON" in out
    # What is told is what people write in commands.
    assert "$(id)" not in out
    assert out.count("it is not understood") == 4
    assert {one["state"] for one in json.loads(run("hosts", "--json").out)} >= {"this host", "it is there"}


def test_one_that_is_gone_is_forgotten(here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the last part of its stack's name; not this one, and not one of several."""
    join(monkeypatch)
    for number, stack in enumerate(["o/p/two", "o/p/three", "x/y/three"], 1):
        entry = Entry(f"{number}" * 32, stack, f"host{number}")
        send(bucket, entry.key, entry)
    assert run("hosts", "forget", "four").code == 5
    assert "that is this host" in run("hosts", "forget", "one").err
    ran = run("hosts", "forget", "three")
    assert (ran.code, f"which one? {'2' * 32} on host2, {'3' * 32} on host3" in ran.err) == (2, True)
    assert run("hosts", "forget", "two").out == "forgotten: o/p/two (host1)\n"
    assert run("hosts", "forget", "2" * 32).code == 0
    assert sorted(one.stack for one in entries_of(bucket)) == [STACK, "x/y/three"]


def test_one_that_answers_is_not_forgotten(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its service is asked."""
    world = World()
    other = new_host(world, tmp_path, "o/p/two")
    settled(world, other)
    monkeypatch.setattr(command, "open_bucket", lambda _: world.bucket)
    monkeypatch.setattr(
        command, "Clock", lambda: Clock(lambda: world.time, lambda seconds: world.go(lambda: False, seconds))
    )
    join(monkeypatch)
    ran = run("hosts", "forget", "two")
    assert (ran.code, "answers, so it is not gone" in ran.err) == (16, True)
    assert other.me.key in world.bucket.keys
    world.end()


@pytest.mark.parametrize("words", [("x",), ("forget",), ("list", "x"), ("serve", "x"), ("join",)])
def test_other_words_are_refused(here: Path, words: tuple[str, ...]) -> None:
    """With a line."""
    assert run("hosts", *words).code == 2


def test_on_files_there_are_no_other_hosts(here: Path) -> None:
    """And nothing to list."""
    (here / "host.json").write_text(json.dumps({**DEFAULTS, "root": str(here)}))
    assert run("hosts").code == 9


def test_the_service_tells_what_it_sees(tmp_path: Path) -> None:
    """And begins anew when the store has not answered for long: its key may be another by now."""
    world = World()
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)
    seen = json.loads((one.folder / "seen").read_text())
    assert (seen["me"], seen["joined"]) == (one.identity, True)
    assert {its["stack"] for its in seen["hosts"]} == {"o/p/host1", "o/p/host2"}
    world.lossy = 1.0
    world.go(lambda: "fault" in json.loads((one.folder / "seen").read_text()), 60)
    assert "the store d" in json.loads((one.folder / "seen").read_text())["fault"]
    assert one.serving is not None
    world.go(lambda: one.serving is None or one.serving.over, 3600)
    assert "has not answered 60 times" in str(one.serving.error)
    world.end()


def test_the_service_begins_anew_with_another_key(tmp_path: Path) -> None:
    """Though the store still takes the old one. What it holds for another host it holds to the end."""
    world = World()
    one, two = new_host(world, tmp_path), new_host(world, tmp_path)
    settled(world, one, two)

    def close() -> None:
        barrier = two.barrier()
        with barrier.turn(), barrier.closed():
            one.outdated = True
            world.pause(30)
            assert one.serving is not None
            assert not one.serving.over
            assert not one.may_write

    tool = world.start("a tool", close)
    world.go(lambda: tool.over)
    assert tool.error is None
    assert one.serving is not None
    world.go(lambda: one.serving is None or one.serving.over, 120)
    assert one.serving.error is None
    assert "another key" in one.said[-1]
    world.end()


@pytest.mark.parametrize("name", ["key", "ca.pem", "bucket.json"])
def test_another_key_is_another_file(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put there in place of the one before; until then the service goes on."""
    join(monkeypatch)
    for other in ("key", "ca.pem"):
        (here / other).write_text("one")
    found = json.loads((here / "bucket.json").read_text())
    found["store"] |= {"key": str(here / "key"), "authorities": str(here / "ca.pem")}
    (here / "bucket.json").write_text(json.dumps(found))
    steps: list[int] = []

    def step(_: object) -> float:
        steps.append(1)
        if len(steps) == 3:
            (here / "new").write_bytes((here / name).read_bytes())
            (here / "new").replace(here / name)
        return 0.0

    monkeypatch.setattr(Service, "step", step)
    assert run("hosts", "serve").code == 0
    assert len(steps) == 3


def test_a_removal_that_got_no_answer_is_outlasted(bucket: MemoryBucket, tmp_path: Path) -> None:
    """Nobody writes before the store must have ended it. What the store has refused needs no time."""
    world = World()
    one = new_host(world, tmp_path)
    settled(world, one)
    took: list[float] = []

    def remove(fails: bool, forbidden: bool) -> None:
        barrier = one.barrier()
        watched = Watched(bucket, barrier.unsure)
        bucket.put("a", b"")
        bucket.put("b", b"")
        bucket.forbidden = {"a"} if forbidden else set()
        with barrier.turn():
            with barrier.closed():
                if fails:
                    bucket.before = _away
                watched.remove(["a", "b"])
                bucket.before = lambda kind, key: None
                took.append(-world.time)
                assert not one.may_write
            took[-1] += world.time

    for fails, forbidden in ((False, False), (False, True), (True, False)):
        tool = world.start("a tool", lambda fails=fails, forbidden=forbidden: remove(fails, forbidden))  # type: ignore[misc]
        world.go(lambda tool=tool: tool.over)  # type: ignore[misc]
        assert tool.error is None
    assert took[0] < 10 > took[1]
    assert took[2] >= times.MARGIN
    world.end()


def _away(kind: str, key: str) -> None:
    raise StorageError(f"{kind} {key}")


def test_a_host_whose_images_moved_to_files_leaves(
    here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its registry runs, and writes elsewhere; before that it stays."""
    join(monkeypatch)
    monkeypatch.setattr(writers, "container_process", lambda: 17)
    assert run("hosts", "leave").code == 1
    assert len(entries_of(bucket)) == 1
    (here / "host.json").write_text(json.dumps({**DEFAULTS, "root": str(here)}))
    assert run("hosts", "leave").code == 0
    assert entries_of(bucket) == []
