"""Pushes while a tool looks at the storage, written as a registry writes and journaled as its proxy does."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.storage_oracle import documents, places
from tests.storage_oracle.generator import TAGS
from tests.storage_oracle.reading import as_go_does
from tests.storage_oracle.running import Gate
from tests.storage_oracle.serving import taken


@dataclass
class Writer:
    """A registry's process that writes, and the proxy before it."""

    root: Path
    gate: Gate
    rng: Random
    journaled: bool = True
    clock: float = 0.0
    """How far the host's clock is off."""
    whole_seconds: bool = False
    promised: list[tuple[str, str]] = field(default_factory=list)
    """Repository and digest of each layer and untagged manifest that a pusher may still want to name."""

    def layer(self, name: str, content: bytes) -> str:
        """A blob's upload."""
        digest = places.sha256(content)
        self._note("PUT", name, "blob", digest)
        self._write(places.blob(digest), content, anew=False)
        self._write(places.layer(name, digest), digest.encode())
        self.promised.append((name, digest))
        return digest

    def head(self, name: str, digest: str) -> bool:
        """A pusher asks whether it may skip a layer."""
        self._note("HEAD", name, "blob", digest)
        there = taken(self.root).blob(name, digest) is not None
        if there:
            self.promised.append((name, digest))
        return there

    def mount(self, name: str, digest: str, other: str) -> bool:
        """A pusher takes a layer from another repository."""
        self._note("POST", name, "blob", digest)
        if taken(self.root).blob(other, digest) is None:
            return False
        self._write(places.layer(name, digest), digest.encode())
        self.promised.append((name, digest))
        return True

    def manifest(self, name: str, content: bytes, tag: str = "") -> bool:
        """A manifest's push; refused where the registry has not all that it refers to."""
        digest = places.sha256(content)
        self._note("PUT", name, "manifest", tag or digest)
        if not self._complete(name, content):
            return False
        self._write(places.blob(digest), content, anew=False)
        self._write(places.revision(name, digest), digest.encode())
        if tag:
            self._write(places.history(name, tag, digest), digest.encode())
            self._write(places.current(name, tag), digest.encode())
        self._note("DONE", name, "manifest", digest)
        self._taken_up(name, content)
        if not tag:
            self.promised.append((name, digest))
        return True

    def untag(self, name: str, tag: str) -> None:
        """A tag's deletion through the API."""
        self._note("DELETE", name, "manifest", tag)
        folder = Path(places.current(name, tag)).parent.parent
        for path in [path for path in taken(self.root).files if path.startswith(f"{folder}/")]:
            (self.root / path).unlink()

    def act(self) -> None:
        """One random act; where the storage is damaged it may fail, as it does in a registry."""
        with suppress(IsADirectoryError, NotADirectoryError, FileExistsError):
            self._act()

    def _act(self) -> None:
        storage, rng = taken(self.root), self.rng
        names = [name for name in storage.names if storage.links.get(name)] or ["new/one"]
        name = rng.choice([*names, "new/one"])
        links = storage.links.get(name, [])
        layers = sorted(link.digest for link in links if link.kind == "layer" and link.digest.startswith("sha256"))
        manifests = sorted(link.digest for link in links if link.kind == "revision")
        kind = rng.choice(["image", "retag", "again", "index", "mount", "head", "layer", "untag", "referrer"])
        if kind in {"image", "layer", "referrer"}:
            self._image(name, layers, kind, manifests)
        elif kind in {"retag", "again"} and manifests:
            content = storage.manifest(name, rng.choice(manifests))
            if content is not None:
                self.manifest(name, content, rng.choice(TAGS) if kind == "retag" else "")
        elif kind == "index" and manifests:
            children = rng.sample(manifests, min(2, len(manifests)))
            tag = rng.choice([*TAGS, ""])
            self.manifest(name, documents.written(rng, documents.index(rng, children)), tag)
        elif kind == "mount" and layers:
            self.mount(rng.choice(names), rng.choice(layers), name)
        elif kind == "head" and layers:
            self.head(name, rng.choice(layers))
        elif kind == "untag":
            self.untag(name, rng.choice(TAGS))

    def _image(self, name: str, layers: list[str], kind: str, manifests: list[str]) -> None:
        rng = self.rng
        config = self.layer(name, rng.randbytes(16))
        used = [one for one in rng.sample(layers, min(2, len(layers))) if self.head(name, one)]
        if kind == "layer":
            return
        subject = rng.choice(manifests) if kind == "referrer" and manifests else ""
        tag = rng.choice([*TAGS, ""])
        self.manifest(name, documents.written(rng, documents.image(rng, config, used, subject)), tag)

    def _complete(self, name: str, content: bytes) -> bool:
        said, storage = as_go_does(content), taken(self.root)
        if said is None:
            return False
        children = all(storage.manifest(name, one) is not None for one in said.children)
        return children and all(storage.blob(name, one) is not None for one in said.blobs)

    def _taken_up(self, name: str, content: bytes) -> None:
        """What a manifest has named is its own from now on: it goes when that does."""
        said = as_go_does(content)
        named = {*said.blobs, *said.children} if said else set()
        self.promised = [(where, one) for where, one in self.promised if where != name or one not in named]

    def _note(self, method: str, name: str, kind: str, reference: str) -> None:
        if self.journaled:
            self.gate.note(method, name, kind, reference, time.time() + self.clock)

    def _write(self, path: str, content: bytes, anew: bool = True) -> None:
        whole = self.root / path
        if whole.exists() and not anew:
            return
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(content)
        now = time.time() + self.clock
        if self.whole_seconds:
            now = float(int(now))
        os.utime(whole, (now, now))
