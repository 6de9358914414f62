"""What a mirror has: its images, what each needs, and when it was used last.

An image is a tag's, or one that was pulled by its digest alone. Of an index a mirror mostly has some platforms, and of
an image perhaps some layers: what is missing was never asked for. What can't be read stays, with all of its repository.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from registryctl.layout import Revision, TagEntry, TagLink, is_repository
from registryctl.manifests import References
from registryctl.model import NOT_UNDERSTOOD, Contents, MissingError, Needs, Repository, UnknownError, needs
from registryctl.reading import read_catalogue, read_repository, shown
from registryctl.storage import NotThere, Storage, StorageError
from registryctl.sweep import blobs

MISSING = "it is missing"
NANO = 1_000_000_000

Pulled = Callable[[str, Iterable[str]], float]
"""When one of these tags and digests of a repository was pulled last, as far as that is counted; 0: never."""


@dataclass
class Image:
    """One image of a repository."""

    repository: str
    digest: str
    tags: dict[str, int] = field(default_factory=dict)
    """With the times of their links, in nanoseconds: the mirror writes one when the other registry tells of the tag."""
    made: int = 0
    """When the link of its manifest was made, in nanoseconds."""
    names: frozenset[str] = frozenset()
    """All that it needs, by its names within the repository."""
    content: frozenset[str] = frozenset()
    """The blobs of these that are there."""
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
    stays: dict[str, set[str]] = field(default_factory=dict)
    """By repository, what images need that stay whatever happens."""
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
        return tuple(digest for digest in digests if any(digest in names for names in self._there))


class _Reader:
    """Reads one repository."""

    def __init__(
        self, storage: Storage, its: Repository, seen: Look, pulled: Pulled, times: tuple[float, float, float]
    ) -> None:
        self._storage, self._its, self._seen, self._pulled = storage, its, seen, pulled
        self._now, self._tolerated, self._trusted = times
        self._contents = _Present(storage, its, seen.sizes)
        self._subjects, self._unknown = self._contents.subjects(its.revisions)
        self._noted: dict[str, list[str]] = {}
        """Digest → tags that once had it."""
        for tag, digests in its.entries.items():
            for digest in digests:
                self._noted.setdefault(digest, []).append(tag)

    def read(self, *, through: bool) -> None:
        its, seen = self._its, self._seen
        faults = [*its.faults, *(f"{its.name}:{tag}: {why}" for tag, why in sorted(its.broken.items()))]
        faults += [f"{its.name}@{digest}: {why}" for digest, why in sorted(self._unknown.items())]
        if through or not is_repository(its.name):
            faults.append(f"{shown(its.name)} is no repository of the mirror's own")
        seen.faults += [*faults, *its.odd]
        if faults:
            # Not what it needs elsewhere either, as far as that is known.
            every = {*targets(its), *self._needs({*its.revisions, *its.tags.values()})}
            seen.held |= every & seen.sizes.keys()
            return
        seen.repositories[its.name] = its
        seen.stays[its.name] = set()
        for root in sorted(self._roots()):
            self._take(root)

    def _needs(self, digests: Iterable[str]) -> Needs:
        return needs(self._its.revisions, self._contents, self._subjects, digests)

    def _roots(self) -> set[str]:
        """What no other manifest of the repository leads to, and what a tag does; of a circle, one."""
        below: set[str] = set()
        for digest in self._its.revisions:
            below |= self._needs([digest]).manifests - {digest}
        roots = (self._its.revisions.keys() - below) | set(self._its.tags.values())
        # An index that says something about one of its own: each leads to the other.
        reached = self._needs(roots).manifests
        for digest in sorted(self._its.revisions.keys() - reached):
            if digest not in reached:
                roots.add(digest)
                reached |= self._needs([digest]).manifests
        return roots

    def _take(self, root: str) -> None:
        its, seen, need = self._its, self._seen, self._needs([root])
        names = frozenset(need)
        # A layer by another name is served by the link of its own one too.
        names |= {its.layers[name] for name in names if name in its.layers}
        content = frozenset(self._contents.target(name) for name in names) | names
        image = Image(its.name, root, names=names, content=content & seen.sizes.keys())
        for digest, why in sorted(need.faults.items()):
            # Of one that is not understood all that it may need is known, which is enough to have it go.
            if why not in {MISSING, NOT_UNDERSTOOD}:
                seen.faults.append(f"{its.name}@{digest}: {why}")
                seen.stays[its.name] |= names
                seen.held |= image.content
                return
        for tag, digest in its.tags.items():
            if digest == root:
                image.tags[tag] = self._time(TagLink(its.name, tag).path)
        made = {digest: self._time(Revision(its.name, digest).path) for digest in need.manifests & its.revisions.keys()}
        image.made = made.get(root, 0)
        # Each time a tag is asked for the mirror notes what it has: that stays when the tag moves.
        noted = [self._time(TagEntry(its.name, tag, root).path, gone=0) for tag in self._noted.get(root, ())]
        pulled = self._pulled(its.name, {*image.tags, *need.manifests})
        asked = max([*image.tags.values(), *noted], default=0) / NANO + self._trusted
        image.used = min(max(pulled, asked, max(made.values(), default=0) / NANO), self._now)
        seen.images.append(image)

    def _time(self, path: str, gone: int | None = None) -> int:
        """What is not there any more has changed, and is of now, unless `gone` says otherwise."""
        try:
            found = self._storage.time(path)
        except StorageError as error:
            return gone if gone is not None and isinstance(error, NotThere) else round(self._now * NANO)
        if found > (self._now + self._tolerated) * NANO:
            self._seen.future.append(path)
        return found


def size_of(content: Iterable[str], sizes: Mapping[str, int]) -> int:
    """How many bytes these blobs have together."""
    return sum(sizes[digest] for digest in content)
