"""A small registry on this machine, and a barrier that only says when it is closed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.act import Outcome, Rules, carry_out
from registryctl.files import FileStorage
from registryctl.gc import Limits, plan_clean_up, plan_removal
from registryctl.journals import Journal
from registryctl.plan import Wish
from registryctl.storage import Storage

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOW = 1_800_000_000


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """The name of content."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


class World:
    """Puts into a storage what pushes would."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.root = root
        self.storage = FileStorage(root)
        self.v2 = root / "docker/registry/v2"
        (self.v2 / "repositories").mkdir(parents=True)
        (self.v2 / "blobs").mkdir()

    def file(self, path: str, content: bytes) -> None:
        """A file below the registry's top."""
        file = self.v2 / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def link(self, path: str, digest: str) -> None:
        """A link below the repositories."""
        self.file(f"repositories/{path}/link", digest.encode())

    def blob_file(self, digest: str) -> Path:
        """Where content lies."""
        algorithm, name = digest.split(":")
        return self.v2 / f"blobs/{algorithm}/{name[:2]}/{name}/data"

    def blob(self, content: bytes) -> str:
        """Content that nothing leads to."""
        digest = digest_of(content)
        self.file(str(self.blob_file(digest).relative_to(self.v2)), content)
        return digest

    def layer(self, repository: str, content: bytes, algorithm: str = "sha256") -> str:
        """A layer, pushed by a digest of an algorithm; it lies under its sha256 one."""
        target, digest = self.blob(content), digest_of(content, algorithm)
        for name in {target, digest}:
            self.link(f"{repository}/_layers/{name.replace(':', '/')}", target)
        return digest

    def put(self, repository: str, document: object, tag: str = "") -> str:
        """A manifest."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = self.blob(content)
        part = digest.replace(":", "/")
        self.link(f"{repository}/_manifests/revisions/{part}", digest)
        if tag:
            self.link(f"{repository}/_manifests/tags/{tag}/index/{part}", digest)
            self.link(f"{repository}/_manifests/tags/{tag}/current", digest)
        return digest

    def image(
        self, repository: str, tag: str = "", *layers: bytes, subject: str = "", algorithm: str = "sha256"
    ) -> str:
        """An image of its own configuration and these layers."""
        config = self.layer(repository, f"config of {digest_of(repr(layers).encode())}".encode())
        names = [self.layer(repository, content, algorithm) for content in layers]
        return self.put(repository, manifest(config, names, subject), tag)

    def index(self, repository: str, tag: str, *children: str) -> str:
        """An index."""
        return self.put(repository, index(children), tag)

    def has(self, digest: str) -> bool:
        """Whether content is there."""
        return self.blob_file(digest).exists()

    def blobs(self) -> set[str]:
        """All content."""
        return {f"sha256:{file.parent.name}" for file in self.v2.glob("blobs/sha256/*/*/data")}

    def repositories(self) -> set[str]:
        """The catalogue."""
        top = self.v2 / "repositories"
        return {str(path.parent.relative_to(top)) for path in top.rglob("_manifests")}

    def tags(self, repository: str) -> dict[str, str]:
        """Tags and their digests."""
        links = (self.v2 / "repositories" / repository / "_manifests/tags").glob("*/current/link")
        return {link.parent.parent.name: link.read_text() for link in links}

    def listed_tags(self, repository: str) -> set[str]:
        """The tags that the registry lists: each that has a directory."""
        return {path.name for path in (self.v2 / "repositories" / repository / "_manifests/tags").iterdir()}

    def tag_file(self, repository: str, tag: str) -> Path:
        """The link of a tag."""
        return self.v2 / f"repositories/{repository}/_manifests/tags/{tag}/current/link"

    def link_file(self, repository: str, kind: str, digest: str) -> Path:
        """Another link; kind: `_layers`, `_manifests/revisions`."""
        return self.v2 / f"repositories/{repository}/{kind}/{digest.replace(':', '/')}/link"

    def pull(self, repository: str, reference: str) -> set[str]:
        """All names that a client gets, read as the registry does; fails where something is missing."""
        found: set[str] = set()
        new = [self.tags(repository).get(reference, reference)]
        while new:
            digest = new.pop()
            if digest in found:
                continue
            found.add(digest)
            target = self.link_file(repository, "_manifests/revisions", digest).read_text()
            content = self.blob_file(target).read_bytes()
            assert digest_of(content, digest.partition(":")[0]) == digest
            document = json.loads(content)
            new += [its["digest"] for its in document.get("manifests") or ()]
            for its in (document.get("config"), *(document.get("layers") or ())):
                if its is not None:
                    layer = self.link_file(repository, "_layers", its["digest"]).read_text()
                    assert self.link_file(repository, "_layers", layer).read_text() == layer
                    assert (
                        digest_of(self.blob_file(layer).read_bytes(), its["digest"].partition(":")[0]) == its["digest"]
                    )
                    found.add(its["digest"])
        return found

    def tree(self) -> dict[str, tuple[str, int]]:
        """Every file below the registry's top, with content and time."""
        return {
            str(path.relative_to(self.v2)): (path.read_bytes().decode(errors="replace"), path.stat().st_mtime_ns)
            for path in self.v2.rglob("*")
            if path.is_file()
        }

    def age(self, path: Path, seconds: int) -> int:
        """Gives a file a time; in nanoseconds."""
        when = (NOW - seconds) * 10**9 + 123_456_789
        os.utime(path, ns=(when, when))
        return when


def manifest(config: str, layers: Iterable[str], subject: str = "") -> dict[str, object]:
    """An image manifest."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {"mediaType": "c", "digest": config, "size": 1},
        "layers": [{"mediaType": "l", "digest": digest, "size": 1} for digest in layers],
    }
    return {**document, "subject": {"mediaType": IMAGE, "digest": subject, "size": 1}} if subject else document


def index(children: Iterable[str]) -> dict[str, object]:
    """An index."""
    manifests = [{"mediaType": IMAGE, "digest": digest, "size": 1} for digest in children]
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}


@dataclass
class Notes:
    """A journal."""

    generation: str
    lives: bool = True
    whole: bool = True
    text: list[str] = field(default_factory=list)
    until: int | None = None

    @property
    def journal(self) -> Journal:
        """As it is now."""
        lines = iter([line.encode() for line in self.text])
        return Journal(self.generation, self.lives, self.whole, lines, self.until)


@dataclass
class Gate:
    """A barrier; what is to happen when it closes may be given."""

    notes: list[Notes] = field(default_factory=lambda: [Notes("1")])
    closing: Callable[[], None] = lambda: None
    closed_times: int = 0
    forgotten: list[str] = field(default_factory=list)
    _turn: bool = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One at a time."""
        assert not self._turn
        self._turn = True
        try:
            yield
        finally:
            self._turn = False

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Writes have ended."""
        assert self._turn
        self.closing()
        self.closed_times += 1
        for its in self.notes:
            its.lives = False
        try:
            yield
        finally:
            self.notes.append(Notes(str(len(self.notes) + 1)))

    def journals(self) -> list[Journal]:
        """Those there are."""
        return [its.journal for its in self.notes]

    def forget(self, generations: Iterable[str]) -> None:
        """Of those that ended."""
        self.forgotten += generations

    def wrote(self, *lines: str) -> None:
        """What the living generation is asked to write now."""
        self.notes[-1].text += [f"{NOW} {line}" for line in lines]


def clean_up(
    world: World,
    gate: Gate | None = None,
    *,
    days: int = 0,
    untagged: bool = True,
    warn: int = 100,
    now: int = NOW,
    storage: Storage | None = None,
) -> Outcome:
    """A run."""
    files = storage or world.storage
    limits = Limits(now, delete_untagged=untagged, trash_days=days, warn_percent=warn)
    rules = Rules("gc", trash_days=days, now=lambda: now)
    return carry_out(files, gate or Gate(), lambda fresh: plan_clean_up(files, fresh, limits), rules)


def remove(
    world: World,
    repository: str,
    *tags: str,
    manifests: Iterable[str] = (),
    gate: Gate | None = None,
    despite: bool = False,
    days: int = 7,
    storage: Storage | None = None,
) -> Outcome:
    """Deletes tags and manifests."""
    files = storage or world.storage
    wish = Wish(dict.fromkeys(tags, "asked for"), dict.fromkeys(manifests, "asked for"), despite)
    rules = Rules("rm", trash_days=days, needs_record=True, now=lambda: NOW)
    return carry_out(files, gate or Gate(), lambda fresh: plan_removal(files, {repository: wish}, fresh), rules)
