"""What a mirror has: its images, what each needs, and when it was used last.

An image is a tag's, or one that was pulled by its digest alone. Of an index a mirror mostly has some platforms, and of
an image perhaps some layers: what is missing was never asked for. A manifest that can't be read may need all
layers that no other one of its repository names. Where links can't be read all of the repository stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from registryctl.layout import Revision, TagEntry, TagLink, is_repository
from registryctl.manifests import References
from registryctl.mirrors.parts import Part, tied
from registryctl.model import (
    DAMAGED,
    MISSING,
    NOT_UNDERSTOOD,
    Contents,
    MissingError,
    Repository,
    Step,
    UnknownError,
    needs,
    step,
)
from registryctl.reading import read_catalogue, read_repository, shown
from registryctl.storage import NotThere, Storage, StorageError
from registryctl.sweep import blobs

NANO = 1_000_000_000

Pulled = Callable[[str, Iterable[str]], float]
"""When one of these tags and digests of a repository was pulled last, as far as that is counted; 0: never."""


@dataclass
class Image:
    """One image of a repository."""

    repository: str
    digest: str
    part: Part
    """What it begins with."""
    tags: dict[str, int] = field(default_factory=dict)
    """With the times of their links, in nanoseconds: the mirror writes one when the other registry tells of the tag."""
    used: float = 0
    """When it was used last, in seconds since 1970."""

    @property
    def name(self) -> str:
        """As people know it."""
        return " ".join(f"{self.repository}:{tag}" for tag in sorted(self.tags)) or f"{self.repository}@{self.digest}"


@dataclass
class Look:
    """All that a mirror has at one time."""

    sizes: dict[str, int] = field(default_factory=dict)
    """All blobs, with their bytes."""
    images: list[Image] = field(default_factory=list)
    """Those that may go."""
    repositories: dict[str, Repository] = field(default_factory=dict)
    """Those of which something may go."""
    damaged: dict[str, list[Part]] = field(default_factory=dict)
    """Manifests that are not what their digests say → by repository, what they may need that no other one names."""
    held: set[str] = field(default_factory=set)
    """Blobs of what stays whatever happens."""
    linked: set[str] = field(default_factory=set)
    """Blobs to which a link leads, or may lead."""
    beginnings: set[str] = field(default_factory=set)
    """Beginnings of the digests to which links may lead that can't be read."""
    future: list[str] = field(default_factory=list)
    """Files of a time to come: a clock was wrong."""
    faults: list[str] = field(default_factory=list)
    """What stays because it can't be read."""
    whole: bool = True
    """Whether all links are known."""


def targets(its: Repository) -> set[str]:
    """All digests that the links of a repository have, as name or as target."""
    found = {*its.revisions, *its.revisions.values(), *its.layers, *its.layers.values()}
    return found | {one for signatures in its.signatures.values() for one in (*signatures, *signatures.values())}


def looked(storage: Storage, pulled: Pulled, now: float, tolerated: float, trusted: float = 0) -> Look:
    """All that is there. What has a time that is more than `tolerated` seconds to come counts as of now.

    For `trusted` seconds after the mirror was asked for a tag others may have had its manifest from the proxy.
    """
    seen = Look()
    try:
        catalogue = read_catalogue(storage)
    except NotThere:
        return seen
    seen.sizes = dict(blobs(storage, seen.faults))
    beside = catalogue.beside
    seen.faults += [*beside.faults, *beside.odd]
    seen.whole = not (beside.faults or catalogue.through)
    seen.beginnings |= beside.held
    for name in catalogue.names:
        its = read_repository(storage, name)
        seen.linked |= targets(its)
        seen.beginnings |= its.held
        seen.whole = seen.whole and not its.faults and not its.aliases
        _Reader(storage, its, seen, pulled, (now, tolerated, trusted)).read(through=name in catalogue.through)
    return seen


class _Present(Contents):
    """What manifests name that is there. Of the rest a stranger can name any number, and a mirror needs none of it."""

    def __init__(self, storage: Storage, its: Repository, sizes: Mapping[str, int]) -> None:
        super().__init__(storage, its.revisions, its.layers)
        self._there = (its.revisions, its.layers, sizes)

    def _read(self, digest: str) -> References | MissingError | UnknownError:
        its = super()._read(digest)
        if not isinstance(its, References):
            return its
        return replace(its, blobs=self._of_these(its.blobs), manifests=self._of_these(its.manifests))

    def _of_these(self, digests: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(digest for digest in dict.fromkeys(digests) if any(digest in names for names in self._there))


class _Reader:
    """Reads one repository."""

    def __init__(
        self, storage: Storage, its: Repository, seen: Look, pulled: Pulled, times: tuple[float, float, float]
    ) -> None:
        self._storage, self._its, self._seen, self._pulled = storage, its, seen, pulled
        self._now, self._tolerated, self._trusted = times
        self._contents = _Present(storage, its, seen.sizes)
        self._subjects, _ = self._contents.subjects(its.revisions)
        self._led_to: set[Part] = set()
        self._noted: dict[str, list[str]] = {}
        """Digest → tags that once had it."""
        for tag, digests in its.entries.items():
            for digest in digests:
                self._noted.setdefault(digest, []).append(tag)

    def read(self, *, through: bool) -> None:
        its, seen = self._its, self._seen
        faults = [*its.faults, *(f"{its.name}:{tag}: {why}" for tag, why in sorted(its.broken.items()))]
        if through or not is_repository(its.name):
            faults.append(f"{shown(its.name)} is no repository of the mirror's own")
        seen.faults += [*faults, *its.odd]
        if faults:
            # Not what it needs elsewhere either, as far as that is known.
            every = needs(its.revisions, self._contents, self._subjects, {*its.revisions, *its.tags.values()})
            seen.held |= {*targets(its), *every} & seen.sizes.keys()
            return
        seen.repositories[its.name] = its
        tags: dict[str, list[str]] = {}
        for tag, digest in its.tags.items():
            tags.setdefault(digest, []).append(tag)
        parts = self._parts(tags)
        for part in parts:
            roots = [digest for digest in part.manifests if digest in tags]
            if not roots and part not in self._led_to:
                # Of a circle, one.
                roots = [min(digest for digest in part.manifests if digest in its.revisions)]
            for root in roots:
                self._take(root, part, tags.get(root, []))

    def _parts(self, tags: Iterable[str]) -> list[Part]:
        """All manifests; what one leads to comes before it."""
        its, steps = self._its, dict[str, Step]()

        def leads(digest: str) -> list[str]:
            steps[digest] = step(its.revisions, self._contents, self._subjects, digest)
            return steps[digest].manifests

        by_digest: dict[str, Part] = {}
        found: list[Part] = []
        spare = Part(its.name)
        for manifests in tied(sorted({*its.revisions, *tags}), leads):
            part = self._part(manifests, (steps[digest] for digest in manifests))
            by_digest |= dict.fromkeys(manifests, part)
            below = {by_digest[other]: None for digest in manifests for other in steps[digest].manifests}
            below.pop(part, None)
            self._led_to |= below.keys()
            part.used = max([part.used, *(other.used for other in below)])
            if self._is_unread(manifests, steps, spare):
                below[spare] = None
            part.below = list(below)
            found.append(part)
        self._name(spare, its.layers.keys() - {name for part in found for name in part.names})
        return found

    def _part(self, manifests: list[str], steps: Iterable[Step]) -> Part:
        """Some manifests, as if nothing were below them."""
        its, part = self._its, Part(self._its.name, manifests)
        self._name(part, {*manifests, *(name for one in steps for name in one.blobs)})
        for digest in manifests:
            if digest in its.revisions:
                part.made[digest] = self._time(Revision(its.name, digest).path)
        part.used = max(self._pulled(its.name, manifests), max(part.made.values(), default=0) / NANO)
        return part

    def _name(self, part: Part, names: set[str]) -> None:
        # A layer by another name is served by the link of its own one too.
        part.names = names | {self._its.layers[name] for name in names if name in self._its.layers}
        part.content = {*part.names, *map(self._contents.target, part.names)} & self._seen.sizes.keys()

    def _is_unread(self, manifests: Iterable[str], steps: Mapping[str, Step], spare: Part) -> bool:
        """Whether one of these can't be read. Of one that is not understood all that it may need is known."""
        found = False
        for digest in manifests:
            why = steps[digest].fault
            if why and why not in {MISSING, NOT_UNDERSTOOD}:
                found = True
                if why == DAMAGED and self._contents.target(digest) == digest:
                    self._seen.damaged.setdefault(digest, []).append(spare)
                else:
                    self._seen.faults.append(f"{self._its.name}@{digest}: {why}")
        return found

    def _take(self, root: str, part: Part, tags: Iterable[str]) -> None:
        its, image = self._its, Image(self._its.name, root, part)
        for tag in tags:
            image.tags[tag] = self._time(TagLink(its.name, tag).path)
        # Each time a tag is asked for the mirror notes what it has: that stays when the tag moves.
        noted = [self._time(TagEntry(its.name, tag, root).path, gone=0) for tag in self._noted.get(root, ())]
        asked = max([*image.tags.values(), *noted], default=0) / NANO + self._trusted
        image.used = min(max(part.used, asked, self._pulled(its.name, image.tags)), self._now)
        self._seen.images.append(image)

    def _time(self, path: str, gone: int | None = None) -> int:
        """What is not there any more has changed, and is of now, unless `gone` says otherwise."""
        try:
            found = self._storage.time(path)
        except StorageError as error:
            return gone if gone is not None and isinstance(error, NotThere) else round(self._now * NANO)
        if found > (self._now + self._tolerated) * NANO:
            self._seen.future.append(path)
        return found
