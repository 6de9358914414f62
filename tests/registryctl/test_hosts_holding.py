"""The kernel's own locks, held for other hosts by processes that outlive each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registryctl.barrier import HostBarrier
from registryctl.hosts import joining, times
from registryctl.hosts.holding import Holding
from registryctl.hosts.messages import Entry, request_key, send
from registryctl.hosts.peers import PeerBarrier
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.hosts_home import STACK, bucket
from tests.registryctl.lock_world import LockWorld, lock_world

__all__ = ["bucket"]


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWorld]:
    """The kernel's own locks."""
    yield from lock_world(tmp_path, monkeypatch)


_HOLDER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from registryctl.hosts.holding import Holding
Holding([int(sys.argv[2])]).until(600)
print("held", flush=True)
sys.stdin.read()
"""


def test_what_holds_the_lock_outlives_who_closed(kernel: LockWorld, tmp_path: Path) -> None:
    """Until it is ended, or its time is over."""
    barrier = kernel.barrier()
    assert list(barrier.locks) == []
    with barrier.turn(), barrier.closed():
        lock = barrier.locks[1]
        tools = str(Path(joining.__file__).parents[2])
        child = subprocess.Popen(
            [sys.executable, "-IB", "-c", _HOLDER, tools, str(lock)],
            pass_fds=[lock],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        [sleeper] = _children(child.pid)
        child.kill()
        child.wait()
    assert not kernel.is_free()
    os.kill(sleeper, 9)
    while not kernel.is_free():
        time.sleep(0.01)


def _children(process: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_the_next_takes_over_before_the_last_has_ended(kernel: LockWorld) -> None:
    """And an end is an end."""
    barrier = kernel.barrier()
    with barrier.turn(), barrier.closed():
        holding = Holding(barrier.locks)
        for _ in range(3):
            holding.until(600)
    assert not kernel.is_free()
    holding.end()
    assert kernel.is_free()
    with kernel.barrier().turn():
        pass


def test_the_beats_of_a_run_go_on_while_it_works(
    bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch, kernel: LockWorld
) -> None:
    """By a thread, which ends with it."""
    me = Entry("a" * 32, STACK)
    send(bucket, me.key, me)
    monkeypatch.setattr(times, "BEAT", 0.01)
    own = HostBarrier(kernel.data, "a test", drain=0, patience=0, run=kernel.run)
    barrier = PeerBarrier(own, bucket, me, "a test")
    key = request_key(me.identity, "run")
    with barrier.turn():
        first = bucket.get(key)
        while json.loads(bucket.get(key))["beat"] < json.loads(first)["beat"] + 3:
            time.sleep(0.01)
        with barrier.closed():
            barrier.guard()
            assert json.loads(bucket.get(key))["wants"] == "closed"
    assert json.loads(bucket.get(key))["wants"] == "end"
    last = bucket.get(key)
    time.sleep(0.05)
    assert bucket.get(key) == last
