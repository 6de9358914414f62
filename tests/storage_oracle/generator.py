"""Random storages: each seed makes the same one again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.storage_oracle import damages, documents, places

NAMES = ("app", "app/web", "app/web/api", "failed", "link", "data/link", "tags/current", "a-b/c__d.e", "team/revisions")
TAGS = ("latest", "v1", "v1.0", "v2", "link", "current", "index", "_layers", "_manifests", "data", "V3-RC.1", "stable")
DAY = 86400.0
LONG_AGO = 1_600_000_000


@dataclass
class Made:
    """A storage to be: its files, and when its tags were pushed."""

    seed: int
    rng: Random
    files: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    layers: list[bytes] = field(default_factory=list)
    """What repositories have in common."""

    def write(self, root: Path | str) -> None:
        """Makes the files below `root`."""
        for path, content in self.files.items():
            whole = f"{root}/{path}"
            os.makedirs(os.path.dirname(whole), exist_ok=True)  # noqa: PTH103, PTH120 (20,000 storages)
            with open(whole, "wb") as file:  # noqa: PTH123
                file.write(content)
            # An empty file of just now is looked at again, and that is waited for: tests/registryctl has that.
            when = self.times.get(path, 0 if content else LONG_AGO)
            if when:
                os.utime(whole, (when, when))

    def blob(self, content: bytes) -> str:
        """Stores content; its digest."""
        digest = places.sha256(content)
        self.files[places.blob(digest)] = content
        return digest

    def layer(self, name: str, content: bytes, wide: bool = False) -> str:
        """Pushes a layer; the digest that its pusher named it by."""
        digest = self.blob(content)
        self.files[places.layer(name, digest)] = digest.encode()
        if not wide:
            return digest
        self.files[places.layer(name, places.sha512(content))] = digest.encode()
        return places.sha512(content)

    def manifest(self, name: str, content: bytes) -> str:
        """Pushes a manifest without a tag; its digest."""
        digest = self.blob(content)
        self.files[places.revision(name, digest)] = digest.encode()
        return digest

    def tag(self, name: str, tag: str, digest: str) -> None:
        """Lets a tag be this manifest, as it was another before."""
        self.files[places.history(name, tag, digest)] = digest.encode()
        self.files[places.current(name, tag)] = digest.encode()
        self.times[places.current(name, tag)] = 1_700_000_000 + self.rng.randrange(0, 500) * DAY


def made(seed: int) -> Made:
    """The storage of a seed."""
    rng = Random(seed)
    storage = Made(seed, rng)
    storage.layers = [rng.randbytes(rng.choice([0, 1, 30, 200])) for _ in range(rng.randrange(2, 9))]
    names = rng.sample(NAMES, rng.choice([1, 1, 2, 2, 3, 4]))
    for name in names:
        _fill(storage, name)
    for _ in range(rng.choice([0, 0, 1, 2])):
        storage.blob(rng.randbytes(20))
    if rng.random() < 0.45:
        for _ in range(rng.choice([1, 1, 2, 3])):
            damages.damage(storage.files, names, rng)
    if rng.random() < 0.3:
        damages.litter(storage.files, names, rng)
    if not any(path.startswith(places.REPOSITORIES) for path in storage.files):
        # Blobs without any repository would be a disk that is not mounted.
        storage.layer(names[0], b"alone")
    return storage


def _fill(storage: Made, name: str) -> None:
    rng = storage.rng
    pushed: list[str] = []
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8])):
        pushed.append(_push(storage, name, pushed))
    for digest in pushed:
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            storage.tag(name, rng.choice(TAGS), digest)
        if rng.random() < 0.05:
            storage.tag(name, digest.replace(":", "-"), rng.choice(pushed))
    for _ in range(rng.choice([0, 0, 1, 2])):
        storage.layer(name, _content(storage), wide=rng.random() < 0.3)
    if rng.random() < 0.15:
        _upload(storage, name)


def _content(storage: Made) -> bytes:
    return storage.rng.choice(storage.layers) if storage.rng.random() < 0.6 else storage.rng.randbytes(20)


def _blobs(storage: Made, name: str, most: int = 3) -> list[str]:
    rng = storage.rng
    return [storage.layer(name, _content(storage), wide=rng.random() < 0.15) for _ in range(rng.randrange(0, most + 1))]


def _push(storage: Made, name: str, pushed: list[str]) -> str:
    """Pushes a manifest of some kind that may refer to earlier ones."""
    rng = storage.rng
    kind = rng.choices(
        ["image", "index", "schema 1", "artifact", "hostile", "manifest as a layer", "cache", "foreign"],
        [50, 25, 3, 2, 3, 1, 1, 1],
    )[0]
    subject = rng.choice(pushed) if pushed and rng.random() < 0.2 else ""
    if subject and rng.random() < 0.1:
        subject = places.sha256(rng.randbytes(8))
    if kind == "index":
        document = documents.index(rng, _children(storage, name, pushed), subject)
    elif kind == "schema 1":
        return _old(storage, name)
    elif kind == "artifact":
        document = documents.artifact(rng, _blobs(storage, name), subject)
    elif kind == "hostile":
        return storage.manifest(name, documents.hostile(rng, [*pushed, *_blobs(storage, name), storage.blob(b"x")]))
    else:
        config = storage.layer(name, rng.randbytes(16))
        document = documents.image(rng, config, _blobs(storage, name), subject)
        if kind == "manifest as a layer" and pushed:
            document["layers"].append(documents.descriptor(rng.choice(pushed), documents.LAYER))
        elif kind == "cache":
            layers = [documents.descriptor(one, documents.LAYER) for one in _blobs(storage, name)]
            document = documents.index(rng, [], "")
            document["manifests"] = layers
        elif kind == "foreign":
            away = places.sha256(rng.randbytes(8))
            document["layers"].append(documents.descriptor(away, documents.FOREIGN_LAYER, urls=["https://a.example/x"]))
    return storage.manifest(name, documents.written(rng, document))


def _children(storage: Made, name: str, pushed: list[str]) -> list[str]:
    rng = storage.rng
    old = rng.sample(pushed, min(len(pushed), rng.choice([0, 1, 2])))
    new = [_platform(storage, name) for _ in range(rng.choice([0, 1, 2]))]
    return old + new


def _platform(storage: Made, name: str) -> str:
    config = storage.layer(name, storage.rng.randbytes(16))
    return storage.manifest(
        name, documents.written(storage.rng, documents.image(storage.rng, config, _blobs(storage, name)))
    )


def _old(storage: Made, name: str) -> str:
    digest = storage.manifest(
        name, documents.written(storage.rng, documents.schema_1(storage.rng, _blobs(storage, name)))
    )
    for _ in range(storage.rng.choice([0, 1, 2])):
        signed = storage.blob(storage.rng.randbytes(12))
        storage.files[places.signature(name, digest, signed)] = signed.encode()
    return digest


def _upload(storage: Made, name: str) -> None:
    identity = f"{storage.rng.getrandbits(32):08x}-0000-4000-8000-{storage.rng.getrandbits(48):012x}"
    files = storage.files
    files[places.upload(name, identity, "startedat")] = b"2026-11-25T10:00:00Z"
    files[places.upload(name, identity, "data")] = storage.rng.randbytes(30)
    files[places.upload(name, identity, "hashstates/sha256/30")] = b"state"
