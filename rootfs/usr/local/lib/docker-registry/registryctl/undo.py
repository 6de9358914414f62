"""Brings back what a run removed: everything, or, if a part is lost, nothing.

Layers first, then manifests, then tags: cut off anywhere, no tag is there that lacks something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from registryctl import trash
from registryctl.digests import fits
from registryctl.journals import Barrier
from registryctl.layout import Item, LayerLink, Revision, Signature, TagEntry, TagLink, blob_path
from registryctl.manifests import LARGEST
from registryctl.reading import LONGEST_LINK
from registryctl.storage import NotThere, Storage, StorageError, Unreadable
from registryctl.verify import BrokenError, read_link


@dataclass
class Undone:
    """What came of it."""

    run: str
    tags: list[str] = field(default_factory=list)
    """`NAME:TAG` that are back."""
    moved: list[str] = field(default_factory=list)
    """`NAME:TAG` that were pushed again since and stay; their old images are back by digest."""
    there: list[str] = field(default_factory=list)
    """`NAME:TAG` that are there already, as they were."""
    manifests: list[str] = field(default_factory=list)
    """`NAME@DIGEST` that are back."""
    missing: list[str] = field(default_factory=list)
    """What is lost; then nothing was changed."""
    left: list[str] = field(default_factory=list)
    """Where something else lies in a link's place, which stays; what needs the link is not whole."""


def _lost(storage: Storage, record: trash.Contents) -> Iterator[str]:
    """What a record needs and was there when it was made, and is not there now or not whole."""
    manifests = {target for part in record.parts.values() for target in part.revisions.values()}
    every = sorted(record.sizes)
    storage.ahead((blob_path(digest) for digest in every if digest in manifests), LARGEST)
    storage.ahead((blob_path(digest) for digest in every if digest not in manifests), None)
    for digest in every:
        size = record.sizes[digest]
        try:
            if digest in manifests:
                whole = fits(digest, storage.read(blob_path(digest), max(LARGEST, size)))
            else:
                whole = storage.size(blob_path(digest)) == size
        except StorageError as error:
            yield f"blob {digest}: {'it is missing' if isinstance(error, NotThere) else error}"
        else:
            if not whole:
                yield f"blob {digest}: its content is not what its digest says"


class _Undoing:
    """One record, under the barrier."""

    def __init__(self, storage: Storage, record: trash.Contents) -> None:
        self._storage = storage
        self._record = record
        self.undone = Undone(record.run)

    def go(self) -> None:
        """Everything is looked at before the first link is written."""
        self.undone.missing = list(_lost(self._storage, self._record))
        if self.undone.missing:
            return
        for stage in (self._layers, self._manifests, self._tags):
            stage()
            self._storage.settle()

    def _layers(self) -> None:
        for name, part in self._record.parts.items():
            self._ahead(LayerLink(name, digest) for digest in part.layers)
            for digest, target in part.layers.items():
                self._put(LayerLink(name, digest), target)

    def _manifests(self) -> None:
        for name, part in self._record.parts.items():
            for digest, found in part.signatures.items():
                for signature, target in found.items():
                    self._put(Signature(name, digest, signature), target)
            self._ahead(Revision(name, digest) for digest in part.revisions)
            for digest, target in part.revisions.items():
                if self._put(Revision(name, digest), target, part.times.get(digest)):
                    self.undone.manifests.append(f"{name}@{digest}")

    def _tags(self) -> None:
        for name, part in self._record.parts.items():
            links = ((TagLink(name, tag), TagEntry(name, tag, digest)) for tag, (digest, _) in part.tags.items())
            self._ahead(item for pair in links for item in pair)
            for tag, (digest, when) in part.tags.items():
                self._tag(name, tag, digest, when)

    def _ahead(self, items: Iterable[Item]) -> None:
        self._storage.ahead((item.path for item in items), LONGEST_LINK)

    def _put(self, item: Item, target: str, when: int | None = None) -> bool:
        """Writes a link unless it is there; whether it did. One that leads elsewhere or is unreadable is replaced."""
        unreadable = False
        try:
            if read_link(self._storage, item.path) == target:
                return False
        except BrokenError as error:
            unreadable = isinstance(error.__cause__, StorageError)
        return self._write(item, target, when, unreadable=unreadable)

    def _write(self, item: Item, target: str, when: int | None, *, unreadable: bool = False) -> bool:
        try:
            self._storage.write(item.path, target.encode(), when)
        except Unreadable:
            # A directory, say. What else was removed must not wait for somebody to look at it.
            if not unreadable:
                raise
            self.undone.left.append(item.path)
            return False
        return True

    def _tag(self, name: str, tag: str, digest: str, when: int) -> None:
        item = TagLink(name, tag)
        try:
            found = read_link(self._storage, item.path)
        except BrokenError:
            found = ""
        if found is None:
            self._put(TagEntry(name, tag, digest), digest, when)
            self._write(item, digest, when)
            self.undone.tags.append(f"{name}:{tag}")
        elif found == digest:
            self.undone.there.append(f"{name}:{tag}")
        else:
            self.undone.moved.append(f"{name}:{tag}")


def bring_back(storage: Storage, record: trash.Contents) -> Undone:
    """Brings back what a record names, whoever made it. Only while nobody writes."""
    undoing = _Undoing(storage, record)
    undoing.go()
    return undoing.undone


def undo(storage: Storage, barrier: Barrier, run: str | None = None) -> Undone:
    """Undoes a run (None: the last one). NotThere: there is no such record. Others: the next try goes on from there.

    The record goes when all is back. Where a tag had been pushed again, or something lies in a link's place, it stays,
    so that this can be done once more.
    """
    with barrier.turn():
        storage.anew()
        if run is None:
            found = trash.runs(storage)
            if not found:
                raise NotThere("there is no record of a removal")
            run = found[-1]
        undoing = _Undoing(storage, trash.load(storage, run))
        with barrier.closed():
            undoing.go()
        if not (undoing.undone.missing or undoing.undone.moved or undoing.undone.left):
            trash.empty(storage, run)
    return undoing.undone
