"""A service as a process of its own, with the kernel's locks, beside a tool of another host; the bucket is a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from registryctl.hosts import joining, times
from registryctl.hosts.messages import Entry, send
from registryctl.hosts.peers import PeerBarrier
from registryctl.journals import BrokenOffError
from tests.registryctl.buckets import FolderBucket
from tests.registryctl.lock_world import LockWorld, lock_world

SECONDS = 60
ONE, TWO = Entry("1" * 32, "o/p/one"), Entry("2" * 32, "o/p/two")
TOOLS, ROOT = Path(joining.__file__).parents[2], Path(__file__).parents[2]
_SERVICE = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from registryctl import barrier, writers
from registryctl.barrier import HostBarrier
from registryctl.hosts import times
from registryctl.hosts.holding import Holding
from registryctl.hosts.joining import Admission
from registryctl.hosts.messages import Entry
from registryctl.hosts.run import Clock
from registryctl.hosts.serve import Means
from registryctl.hosts.service import Service
from tests.registryctl.buckets import FolderBucket
writers.container_process = lambda: 0
writers.others_that_write = lambda *_: []
barrier._COURTESY = 0.0
times.LOOK = times.IDLE = times.ALONE = 0.02
bucket, host, me = FolderBucket(sys.argv[3]), Path(sys.argv[4]), Entry("2" * 32, "o/p/two")
own = lambda reason: HostBarrier(host / "data", reason, drain=0, patience=0, run=host / "run")
means = Means(bucket, me, own, 0, Holding)
Service(means, Admission(bucket, me, Clock(), host / "joined"), host / "seen").run()
"""


@dataclass
class Other:
    """Another host: its folder, and its service."""

    root: Path
    bucket: Path
    service: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """What its writer locks."""
        return self.root / "data"

    def serve(self) -> None:
        """From now on."""
        words = [sys.executable, "-IB", "-c", _SERVICE, str(TOOLS), str(ROOT), str(self.bucket), str(self.root)]
        self.service = subprocess.Popen(words)

    def kill(self) -> None:
        """As if memory had been short."""
        assert self.service is not None
        self.service.kill()
        self.service.wait()

    def holders(self) -> list[int]:
        """The processes that have its lock."""
        return [int(path.parts[2]) for path in Path("/proc").glob("[0-9]*/fd/*") if _leads_to(path, self.data)]


def _leads_to(path: Path, place: Path) -> bool:
    try:
        return os.readlink(path) == str(place)  # noqa: PTH115
    except OSError:
        return False


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWorld]:
    """The host of the tool."""
    monkeypatch.setattr(times, "PAUSE", 0.02)
    (tmp_path / "one").mkdir()
    yield from lock_world(tmp_path / "one", monkeypatch)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    """The other one; nothing of it stays."""
    found = Other(tmp_path / "two", tmp_path / "bucket")
    for place in ("data", "run/sockets/writers"):
        (found.root / place).mkdir(parents=True)
    found.bucket.mkdir()
    found.serve()
    yield found
    found.kill()
    for process in found.holders():
        with suppress(ProcessLookupError):
            os.kill(process, 9)


def awaited(true: Callable[[], bool]) -> None:
    """Until it is so."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_service_that_is_killed_lets_nobody_write(here: LockWorld, other: Other) -> None:
    """The lock stays where it is, the next service says that it knows nothing, and the run ends."""
    bucket = FolderBucket(other.bucket)
    send(bucket, ONE.key, ONE)
    awaited((other.root / "joined").exists)
    there = LockWorld(other.root)
    assert there.is_free()
    barrier = PeerBarrier(here.barrier(patience=SECONDS), bucket, ONE, "a test")
    with pytest.raises(BrokenOffError, match="o/p/two: it does not hold any more"), barrier.turn(), barrier.closed():
        barrier.guard()
        assert not there.is_free()
        other.kill()
        assert not there.is_free()
        assert other.holders() != []
        other.serve()
        while True:
            assert not there.is_free()
            barrier.guard()
            time.sleep(0.02)
    # What this host had sent may still be under way.
    assert not there.is_free()
    assert here.is_free()
    for process in other.holders():
        with suppress(ProcessLookupError):
            os.kill(process, 9)
    awaited(there.is_free)


def test_a_run_that_ends_lets_the_other_write_at_once(here: LockWorld, other: Other) -> None:
    """And what it was asked to forget is forgotten there."""
    bucket = FolderBucket(other.bucket)
    send(bucket, ONE.key, ONE)
    awaited((other.root / "joined").exists)
    there = LockWorld(other.root)
    there.generation("1700000000-0123abcd", b"1700000000 PUT a manifest 1\n")
    barrier = PeerBarrier(here.barrier(patience=SECONDS), bucket, ONE, "a test")
    with barrier.turn(), barrier.closed():
        [journal] = [one for one in barrier.journals() if "/" in one.generation]
        assert (journal.generation, list(journal.lines), journal.whole, journal.lives) == (
            f"{TWO.identity}/1700000000-0123abcd",
            [b"1700000000 PUT a manifest 1"],
            True,
            False,
        )
        barrier.forget([journal.generation])
        assert not there.is_free()
    awaited(lambda: there.is_free() and not (there.folder / "1700000000-0123abcd").exists())
    awaited(lambda: other.holders() == [])
