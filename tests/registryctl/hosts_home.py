"""A host whose images lie in a bucket in memory, for the commands about its hosts."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from registryctl import facts, locks, writers
from registryctl.hosts import command, joining
from registryctl.hosts.messages import ENTRIES, Entry, entry_of
from registryctl.hosts.run import Clock
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.running import run
from tests.registryctl.stored import DEFAULTS

STACK = "o/docker-registry/one"
STORE = {
    "bucket": "acme-images",
    "prefix": "a",
    "endpoint": "https://s3.example.net",
    "region": "us-east-1",
    "pathStyle": True,
    "authorities": None,
    "key": None,
}


class Hurried:
    """Time that goes when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def pause(self, seconds: float) -> None:
        """Goes on."""
        self.now += seconds

    @property
    def clock(self) -> Clock:
        """For a run."""
        return Clock(lambda: self.now, self.pause, lambda: self.now, beats=False)


@pytest.fixture
def bucket() -> MemoryBucket:
    """An empty one."""
    return MemoryBucket()


@pytest.fixture
def here(tmp_path: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose images lie in it."""
    found = {**DEFAULTS, "root": str(tmp_path), "objects": "acme-images", "store": STORE}
    (tmp_path / "host.json").write_text(json.dumps(found))
    monkeypatch.setattr(facts, "PATH", tmp_path / "host.json")
    monkeypatch.setattr(joining, "HOME", tmp_path / "bucket.json")
    monkeypatch.setattr(joining, "JOINED", tmp_path / "sockets/joined")
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "locks")
    monkeypatch.setattr(command, "open_bucket", lambda _: bucket)
    monkeypatch.setattr(writers, "container_process", lambda: 0)
    hurried = Hurried()
    monkeypatch.setattr(command, "Clock", lambda: hurried.clock)
    return tmp_path


def join(monkeypatch: pytest.MonkeyPatch, stack: str = STACK, said: str = json.dumps({"store": STORE})) -> int:
    """As `up` does."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(said))
    return run("hosts", "join", stack).code


def entries_of(bucket: MemoryBucket) -> list[Entry]:
    """Those there are."""
    return [entry_of(key, bucket.get(key)) for key in sorted(bucket.keys) if key.startswith(ENTRIES)]
