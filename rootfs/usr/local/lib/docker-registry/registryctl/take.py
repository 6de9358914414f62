"""Removes what a plan names, item by item. What can't be removed stays, with everything it leads to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from registryctl.layout import (
    REPOSITORIES,
    Blob,
    Item,
    LayerLink,
    Record,
    Revision,
    Signature,
    TagEntry,
    TagLink,
    repository_of,
    top_of,
)
from registryctl.leftovers import clear, tag_directory
from registryctl.plan import Plan, RepositoryPlan
from registryctl.storage import NotThere, Storage, StorageError

_Stage = Callable[[RepositoryPlan], Iterator[Item]]


def _tags(its: RepositoryPlan) -> Iterator[Item]:
    """A tag's old index links first: cut off, a run leaves a whole tag or an empty one."""
    for tag, digests in its.entries.items():
        for digest in digests:
            yield TagEntry(its.name, tag, digest)
    for tag in its.tags:
        yield TagLink(its.name, tag)


def _revisions(its: RepositoryPlan) -> Iterator[Item]:
    for digest, found in its.signatures.items():
        for signature in found:
            yield Signature(its.name, digest, signature)
    for digest in its.revisions:
        yield Revision(its.name, digest)


def _layers(its: RepositoryPlan) -> Iterator[Item]:
    for digest in (*its.layers, *its.loose):
        yield LayerLink(its.name, digest)


class Taker:
    """Carries out one plan."""

    def __init__(self, storage: Storage, plan: Plan) -> None:
        self._storage = storage
        self._plan = plan
        self._left: set[str] = set()
        self.failed: list[str] = []
        """What could not be removed, and why."""

    def records(self) -> list[str]:
        """Older records; those that went. While one stays, so do all blobs: any may be its own."""
        gone = [run for run in self._plan.records if self._take(Record(run))]
        stayed = self._settle() if gone else ()
        gone = [run for run in gone if Record(run).path not in stayed]
        if len(gone) < len(self._plan.records):
            self._plan.blobs.clear()
        return gone

    def links(self) -> None:
        """Tags, then manifests, then layers. Of a repository in which one stays, all that follows stays."""
        stages: tuple[_Stage, ...] = (_tags, _revisions, _layers)
        for stage in stages:
            for name, its in self._plan.repositories.items():
                if name not in self._left:
                    self._stage(name, stage(its))
            self._left.update(map(repository_of, self._settle()))

    def _settle(self) -> Collection[str]:
        """The paths of what stayed."""
        stayed = self._storage.settle()
        self.failed += stayed.values()
        return stayed.keys()

    def _stage(self, name: str, items: Iterator[Item]) -> None:
        for item in items:
            if not self._take(item):
                self._left.add(name)
                return

    def _take(self, item: Item) -> bool:
        """Whether it is gone."""
        path, top = item.path, top_of(item)
        try:
            self._storage.remove(path)
        except NotThere:
            pass
        except StorageError as error:
            self.failed.append(str(error))
            return False
        self._storage.prune(path.rpartition("/")[0], top)
        return True

    def blobs(self, blobs: dict[str, int]) -> int:
        """Blobs, with their sizes, but for those to which a link still leads. How many bytes went."""
        held = {digest for name in self._left for digest in self._plan.repositories[name].targets()}
        gone = {digest: size for digest, size in blobs.items() if digest not in held and self._take(Blob(digest))}
        # Files are gone by now; and should a crash bring some back, nothing leads to them.
        stayed = () if self._storage.directories else self._settle()
        return sum(size for digest, size in gone.items() if not stayed or Blob(digest).path not in stayed)

    def directories(self) -> None:
        """Those of tags and repositories in which nothing is left."""
        if not self._storage.directories:
            return
        for name, its in self._plan.repositories.items():
            top = f"{REPOSITORIES}/{name}"
            for tag in {*its.hollow, *its.tags}:
                clear(self._storage, tag_directory(name, tag), f"{top}/_manifests")
            if its.empty and name not in self._left:
                for part in ("_manifests", "_layers", "_uploads"):
                    clear(self._storage, f"{top}/{part}", REPOSITORIES)
