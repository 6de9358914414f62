"""A host whose registry's storage is in a directory: images are put there as Distribution does, and commands run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registryctl import facts, host
from registryctl.bucket import Bucket
from registryctl.journals import BarrierError, BusyError, Journal
from registryctl.metrics import store
from tests.e2e.artifacts import Artifact, digest_of
from tests.registryctl.buckets import FolderBucket
from tests.registryctl.running import Ran, run

DEFAULTS: dict[str, Any] = {
    "stack": "o/docker-registry/prod",
    "warnPercent": 100,
    "deleteEnabled": True,
    "gc": {"deleteUntagged": True, "maxShare": 100, "drainSeconds": 1, "trashDays": 7},
    "retention": {"mode": "on", "protected": [], "policies": []},
}


class FakeBarrier:
    """Keeps nobody out, as nobody is there; `within` happens once it is closed, as if it had just before."""

    def __init__(self) -> None:
        self.busy = False
        self.refuses = False
        self.taken: list[str] = []
        self.written: list[bytes] = []
        self.before_turn: Callable[[], None] = lambda: None
        self.within: Callable[[], None] = lambda: None

    def others(self) -> list[str]:
        """No other host has the same images."""
        return []

    @contextmanager
    def turn(self) -> Iterator[None]:
        if self.busy:
            raise BusyError("another tool")
        self.before_turn()
        self.taken.append("turn")
        yield

    @contextmanager
    def closed(self) -> Iterator[None]:
        if self.refuses:
            raise BarrierError("a writer lives")
        self.within()
        self.taken.append("closed")
        yield

    def journals(self) -> list[Journal]:
        return [Journal("1", self.taken[-1:] != ["closed"], whole=True, lines=list(self.written))]

    def forget(self, generations: Iterable[str]) -> None:
        """They are remembered."""

    def guard(self) -> None:
        """It holds."""

    def unsure(self) -> None:
        """It holds all the same."""


class StoredHost:
    """See above."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, kind: str = "files") -> None:
        self.root = root
        self.barrier = FakeBarrier()
        self.facts: dict[str, Any] = json.loads(json.dumps({**DEFAULTS, "root": str(root / "srv")}))
        self.results = root / "results"
        self.results.mkdir()
        self._registry = root / "srv/docker-registry/data/docker/registry/v2"
        monkeypatch.setattr(facts, "PATH", root / "host.json")
        monkeypatch.setattr(host, "RESULTS", self.results)
        monkeypatch.setattr(store, "RESULTS", self.results)
        monkeypatch.setattr(host, "HostBarrier", lambda *_, **__: self.barrier)
        if kind == "objects":
            self.in_a_bucket(monkeypatch, FolderBucket(root / "srv/docker-registry/data"))

    def in_a_bucket(self, monkeypatch: pytest.MonkeyPatch, bucket: Bucket) -> None:
        """From now on the images are this bucket's objects."""
        self.facts["objects"] = "acme-images"
        self.facts["store"] = {
            "bucket": "acme-images",
            "prefix": "",
            "endpoint": "",
            "region": "eu-central-1",
            "pathStyle": False,
            "authorities": None,
            "key": None,
        }
        monkeypatch.setattr(host, "open_bucket", lambda _: bucket)
        monkeypatch.setattr(host, "barrier_of", lambda *_: self.barrier)

    def run(self, *words: str, called: str = "registryctl") -> Ran:
        """Runs a command there."""
        (self.root / "host.json").write_text(json.dumps(self.facts))
        return run(*words, called=called)

    def remove(self, *words: str) -> Ran:
        """Deletes images."""
        return self.run("--yes", *words, called="docker-repository-rmi")

    def retention(self, *words: str, **policy: object) -> Ran:
        """Applies one policy to all repositories."""
        if policy:
            self.policies({"repositories": ["**"], **policy})
        return self.run(*words, called="registry-retention")

    def policies(self, *policies: Mapping[str, object]) -> None:
        """What retention goes by."""
        absent: dict[str, object] = {"keepLast": None, "keepDays": None, "unpulledDays": None, "keep": [], "drop": []}
        self.facts["retention"]["policies"] = [{**absent, **policy} for policy in policies]

    def push(self, repository: str, artifact: Artifact, *tags: str, days: float = 0) -> Artifact:
        """Put an image there with all it needs; its tags are so old."""
        for child in artifact.children:
            self.push(repository, child)
        for blob in artifact.blobs:
            self._link(f"{repository}/_layers", self._blob(blob))
        digest = self._blob(artifact.content)
        self._link(f"{repository}/_manifests/revisions", digest)
        for tag in tags:
            self._link(f"{repository}/_manifests/tags/{tag}/index", digest)
            link = self.tag_link(repository, tag)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.write_text(digest)
            self.age(repository, tag, days)
        return artifact

    def age(self, repository: str, tag: str, days: float) -> None:
        """Let a tag have been pushed so long ago."""
        moment = time.time() - days * 86400
        os.utime(self.tag_link(repository, tag), (moment, moment))

    def tag_link(self, repository: str, tag: str) -> Path:
        """The file that a tag is."""
        return self._registry / "repositories" / repository / "_manifests/tags" / tag / "current/link"

    def revision_link(self, repository: str, digest: str) -> Path:
        """The file by which a repository has a manifest."""
        return self._registry / "repositories" / repository / "_manifests/revisions" / digest.replace(":", "/") / "link"

    def blob(self, digest: str) -> Path:
        """The file of a blob."""
        name = digest.partition(":")[2]
        return self._registry / "blobs/sha256" / name[:2] / name / "data"

    def tags(self, repository: str) -> dict[str, str]:
        """The tags of a repository, and what they lead to."""
        folder = self._registry / "repositories" / repository / "_manifests/tags"
        return {link.parent.parent.name: link.read_text() for link in folder.glob("*/current/link")}

    def has(self, repository: str, artifact: Artifact) -> bool:
        """Whether a manifest can be pulled by its digest."""
        return self.revision_link(repository, artifact.digest).exists() and self.blob(artifact.digest).exists()

    def tree(self) -> dict[str, bytes]:
        """All files of the storage."""
        top = self.root / "srv"
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(path.stat().st_size for path in self._registry.glob("blobs/*/*/*/data"))

    def _blob(self, content: bytes) -> str:
        digest = digest_of(content)
        path = self.blob(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return digest

    def _link(self, kind: str, digest: str) -> None:
        path = self._registry / "repositories" / kind / digest.replace(":", "/") / "link"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(digest)
