"""Plan, verify, act for one mirror, which serves and fetches meanwhile. Wherever it is cut off, what is left serves.

Nobody is held off: an image goes over several runs, in the order that `choice` has. A mirror that has just found a blob
makes a link to it a moment later, whoever removes it in between. So a blob is first put aside; then that moment is
waited for, and where a link has come by then the blob is put back. Should one be missed all the same, the mirror
fetches that blob anew: it looks behind each link.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field

from registryctl.clock import TOLERATED
from registryctl.digests import is_digest
from registryctl.layout import BLOBS, Revision, TagLink, blob_path
from registryctl.mirrors.choice import Bounds, Choice, choose
from registryctl.mirrors.files import MirrorStorage
from registryctl.mirrors.images import NANO, Look, Pulled, looked, targets
from registryctl.mirrors.parts import Part
from registryctl.plan import Plan, RepositoryPlan
from registryctl.reading import LONGEST_LINK, read_catalogue, read_repository
from registryctl.storage import Kind, NoRoom, NotThere, StorageError
from registryctl.take import Taker

ASIDE = "going"
"""Where blobs lie that may go, beside all that the mirror looks at."""
MOMENT = 5.0
"""Seconds after which a mirror that has seen a blob has made its link."""


@dataclass
class Trimmed:
    """What came of it."""

    why: dict[str, str] = field(default_factory=dict)
    """Image that went, or would go → why."""
    freed: int = 0
    """Bytes of the blobs that went."""
    kept: int = 0
    """Bytes that images need which stay."""
    stored: int = 0
    """Bytes of all blobs that are left."""
    over: bool = False
    changed: list[str] = field(default_factory=list)
    """What was used meanwhile, and stays."""
    faults: list[str] = field(default_factory=list)
    """What stays because it can't be read, or would not go."""
    earlier: int = 0
    """Bytes of the blobs that came of other upstreams. Nothing of those goes by itself."""


@dataclass(frozen=True)
class Run:
    """One run."""

    storage: MirrorStorage
    pulled: Pulled
    bounds: Bounds
    now: float
    """Seconds since 1970, by which ages count."""
    pause: Callable[[float], None] = time.sleep

    def dry(self) -> Trimmed:
        """What a run would do now."""
        seen = self._look()
        choice = choose(self.storage, seen, self.bounds, self.now)
        return _result(seen, choice)

    def go(self) -> Trimmed:
        """Does it. StorageError: a part went, and the next run goes on from there."""
        before = self._finish()
        seen = self._look()
        choice = choose(self.storage, seen, self.bounds, self.now)
        result = _result(seen, choice)
        self._touch(choice)
        result.changed = self._verify(seen, choice)
        taker = Taker(self.storage, Plan(repositories=choice.repositories))
        taker.links()
        taker.directories()
        freed = 0
        for digest, size in choice.blobs.items():
            freed += self._put_aside(digest, size)
        for digest, size in choice.damaged.items():
            freed += self._remove(digest, size)
        if choice.blobs:
            self.storage.settle()
            self.pause(MOMENT)
        freed += self._finish()
        result.freed = before + freed
        self.storage.settle()
        result.faults += taker.failed
        result.stored = sum(seen.sizes.values()) - freed
        return result

    def _put_aside(self, digest: str, size: int) -> int:
        """How many bytes are free by that: on a full disk there is no room for the directory before one has gone."""
        path = blob_path(digest)
        try:
            self.storage.move(path, f"{ASIDE}/{digest}")
        except NotThere:
            return 0
        except NoRoom:
            self.storage.remove(path)
            return size
        return 0

    def _remove(self, digest: str, size: int) -> int:
        """Bytes that are free by that."""
        try:
            self.storage.remove(blob_path(digest))
        except NotThere:
            return 0
        return size

    def _look(self) -> Look:
        return looked(self.storage, self.pulled, self.now, TOLERATED, self.bounds.trusted)

    def _touch(self, choice: Choice) -> None:
        """From now on it is known since when nothing needs them."""
        for path in choice.touched:
            try:
                self.storage.touch(path, self.now)
            except NotThere:
                continue

    def _verify(self, seen: Look, choice: Choice) -> list[str]:
        """Leaves what was used, or fetched, since it was looked at."""
        changed: list[str] = []
        unchanged: dict[Part, bool] = {}
        for image in choice.images:
            part, name = image.part, image.repository
            if part not in unchanged:
                made = {Revision(name, digest).path: (digest, when) for digest, when in part.made.items()}
                unchanged[part] = self._are_unchanged(made, choice.touched)
            tags = {TagLink(name, tag).path: (image.digest, when) for tag, when in image.tags.items()}
            if not unchanged[part] or not self._are_unchanged(tags, choice.touched):
                unchanged[part] = False
                changed.append(image.name)
                plan = choice.repositories.get(name, RepositoryPlan(name))
                for tag in image.tags:
                    plan.tags.pop(tag, None)
                    plan.entries.pop(tag, None)
        for part, is_so in unchanged.items():
            if not is_so and part.repository in choice.repositories:
                for digest in part.manifests:
                    choice.repositories[part.repository].revisions.pop(digest, None)
        for name, plan in choice.repositories.items():
            if plan.loose and read_repository(self.storage, name).revisions.keys() - seen.repositories[name].revisions:
                plan.loose = {}
        return changed

    def _are_unchanged(self, links: Mapping[str, tuple[str, int]], touched: Container[str]) -> bool:
        """Whether links, by their paths, have the digests and times that they had."""
        for path, (digest, when) in links.items():
            expected = round(self.now * NANO) if path in touched else when
            try:
                if self.storage.time(path) != expected or self.storage.read(path, LONGEST_LINK).decode() != digest:
                    return False
            except NotThere:
                continue
            except (StorageError, UnicodeDecodeError):
                return False
        return True

    def _finish(self) -> int:
        """Of the blobs that were put aside those go to which no link leads; how many bytes went."""
        try:
            names = [name for name, kind in self.storage.list(ASIDE) if kind is Kind.FILE and is_digest(name)]
        except NotThere:
            return 0
        linked, freed = self._linked() if names else set(), 0
        for digest in names:
            aside, path = f"{ASIDE}/{digest}", blob_path(digest)
            if linked is None or digest in linked:
                self.storage.move(aside, path)
                continue
            size = self.storage.size(aside)
            self.storage.remove(aside)
            self.storage.prune(path.rpartition("/")[0], f"{BLOBS}/{digest.partition(':')[0]}")
            freed += size
        return freed

    def _linked(self) -> set[str] | None:
        """All blobs to which a link leads; None where that can't be known."""
        catalogue = read_catalogue(self.storage)
        found: set[str] = set()
        if catalogue.beside.faults or catalogue.through:
            return None
        for name in catalogue.names:
            its = read_repository(self.storage, name)
            if its.faults or its.held:
                return None
            found |= targets(its)
        return found


def _result(seen: Look, choice: Choice) -> Trimmed:
    return Trimmed(
        why=choice.why,
        kept=choice.kept,
        stored=sum(seen.sizes.values()),
        over=choice.over,
        faults=list(seen.faults),
    )
