"""A storage with the directory of its sockets, and processes that write: the kernel's locks are real."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from registryctl import barrier, writers
from registryctl.barrier import HostBarrier
from registryctl.writers import Inode

SECONDS = 10
_WRITER = """
import fcntl, os, signal, sys, time
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)
print("locked", flush=True)
time.sleep(60)
"""


@dataclass
class LockWorld:
    """A storage, the directory of the sockets, and processes that write."""

    root: Path
    process: int = 0
    """The container's first process; 0: it does not run."""
    data_seen: Inode | None = None
    sockets_seen: Inode | None = None
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """What is written to."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """What is /run/docker-registry on a host."""
        return self.root / "run"

    @property
    def folder(self) -> Path:
        """Where the generations lie."""
        return self.run / "sockets/writers"

    def barrier(self, reason: str = "a test", *, patience: float = 0, drain: float = 0) -> HostBarrier:
        """One caller's."""
        return HostBarrier(self.data, reason, drain=drain, patience=patience, run=self.run)

    def writer(self, kind: str = "willing") -> subprocess.Popen[str]:
        """A process that holds the lock of those who write."""
        argv = [sys.executable, "-IB", "-c", _WRITER, str(self.data), kind]
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        assert child.stdout is not None and child.stdout.readline() == "locked\n"
        self.process = os.getpid()
        return child

    def is_free(self) -> bool:
        """Whether a writer could begin."""
        descriptor = os.open(self.data, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def generation(self, name: str, journal: bytes = b"", *, whole: bool = True) -> Path:
        """The directory of a generation."""
        home = self.folder / name
        home.mkdir()
        (home / "journal").write_bytes(journal)
        if whole:
            (home / "whole").touch()
        return home


def lock_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWorld]:
    """Nothing runs; what a container would see is the storage itself."""
    world = LockWorld(tmp_path)
    for place in (world.data, world.folder):
        place.mkdir(parents=True)
    world.data_seen, world.sockets_seen = Inode.of(world.data), Inode.of(world.run / "sockets")
    seen = {writers.DATA: lambda: world.data_seen, writers.SOCKETS: lambda: world.sockets_seen}
    monkeypatch.setattr(writers, "container_process", lambda: world.process)
    # The container is this machine, on which anybody may run a registry.
    monkeypatch.setattr(writers, "others_that_write", lambda *_: [])
    monkeypatch.setattr(writers, "mounted", lambda _, inside: seen[inside]())
    for name, seconds in (("_COURTESY", 0.0), ("_REPEAT", 0.1), ("_KILL_AFTER", 0.3), ("_GIVE_UP_AFTER", 2.0)):
        monkeypatch.setattr(barrier, name, seconds)
    yield world
    for child in world.children:
        child.kill()
        child.wait(SECONDS)
