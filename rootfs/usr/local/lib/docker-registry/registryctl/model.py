"""What a registry has, and the one answer to what a tag needs.

A needed manifest that is missing, can't be read, is not what its digest says, or is not understood is a *fault*: its
repository keeps all that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from registryctl.digests import fits
from registryctl.layout import blob_path
from registryctl.manifests import LARGEST, References, references
from registryctl.storage import NotThere, Storage, StorageError, is_there

NOT_UNDERSTOOD = "it is not understood"
"""Then all that it may name is known, but not as what."""
MISSING = "it is missing"
DAMAGED = "its content is not what its digest says"


@dataclass
class Repository:
    """All links of a repository. A link's target is the digest it contains; mostly its own."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    """Each tag that can be read, and its digest."""
    broken: dict[str, str] = field(default_factory=dict)
    """Each tag that can't be read, and why."""
    entries: dict[str, list[str]] = field(default_factory=dict)
    """What each tag once was, also tags that are gone."""
    hollow: list[str] = field(default_factory=list)
    """Tags without a current link: only directories or old index links are left."""
    revisions: dict[str, str] = field(default_factory=dict)
    """Manifests: digest → target."""
    signatures: dict[str, dict[str, str]] = field(default_factory=dict)
    """Signatures of registry 2: manifest → signature → target."""
    layers: dict[str, str] = field(default_factory=dict)
    """Layer links: digest → target."""
    faults: list[str] = field(default_factory=list)
    """Why it keeps all it has."""
    odd: list[str] = field(default_factory=list)
    """What else is there and is left alone."""
    held: set[str] = field(default_factory=set)
    """Beginnings of the digests of blobs that links may lead to which can't be read; empty: any blob."""
    aliases: set[str] = field(default_factory=set)
    """Where else in the storage its symbolic links lead."""
    blind: set[str] = field(default_factory=set)
    """Layer links that can't be read and may lead to any other: where one is needed, all stay."""
    uploads: bool = False
    """Whether an upload is under way."""


@dataclass(frozen=True)
class Needs:
    """What some manifests need within a repository."""

    manifests: set[str]
    """Manifests by digest: themselves, children, and what has one of these as its subject."""
    blobs: set[str]
    """Names of their configurations and layers."""
    faults: dict[str, str]
    """Needed manifests that can't be followed, and why."""

    def __contains__(self, digest: str) -> bool:
        """Whether they name it, as whatever."""
        return digest in self.manifests or digest in self.blobs

    def __iter__(self) -> Iterator[str]:
        """Each digest named; some twice."""
        yield from self.manifests
        yield from self.blobs


class MissingError(Exception):
    """There is no such manifest."""


class UnknownError(Exception):
    """There is a manifest, but what it needs is not known."""


class Contents:
    """The manifests of one repository, each read once, as Distribution finds them: by revision or layer link.

    Distribution 2 takes a layer link where there is no revision. Where there is no link either, the manifest can't be
    pulled, but what it would need once it is pushed again is known from its blob.
    """

    def __init__(self, storage: Storage, revisions: Mapping[str, str], layers: Mapping[str, str]) -> None:
        self._storage = storage
        self._links = (revisions, layers)
        self._known: dict[str, References | MissingError | UnknownError] = {}

    def target(self, digest: str) -> str:
        """The blob that a name leads to in this repository; itself where no link says otherwise."""
        for links in self._links:
            found = links.get(digest)
            if found is not None:
                return found
        return digest

    def of(self, digest: str) -> References:
        """What a manifest names. MissingError or UnknownError: it can't be followed."""
        known = self._known.get(digest)
        if known is None:
            known = self._known[digest] = self._read(digest)
        if isinstance(known, References):
            return known
        # A new one: each raise would add to where the old one came from.
        raise type(known)(*known.args)

    def has(self, digest: str) -> bool:
        """Whether there is such a manifest, even one that can't be read."""
        try:
            self.of(digest)
        except MissingError:
            return False
        except UnknownError:
            return True
        return True

    def _read(self, digest: str) -> References | MissingError | UnknownError:
        target = self.target(digest)
        try:
            content = self._storage.read(blob_path(target), LARGEST)
        except NotThere:
            # Somebody may put the link right: then it counts again, and so does what it says something about.
            if target != digest and is_there(self._storage, blob_path(digest)):
                return UnknownError("its link leads to nothing, but its content is there")
            return MissingError(MISSING)
        except StorageError as error:
            return UnknownError(f"it can't be read: {error}")
        if not fits(digest, content) or (target != digest and not fits(target, content)):
            return UnknownError(DAMAGED)
        return references(content)

    def subjects(self, manifests: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
        """Subject → manifests that say something about it; and of which manifests nobody knows it.

        One that is not understood may say something about all that it names. One that is missing can't be pulled.
        """
        found: dict[str, list[str]] = {}
        unknown: dict[str, str] = {}
        every = list(manifests)
        self._storage.ahead((blob_path(self.target(digest)) for digest in every if digest not in self._known), LARGEST)
        for digest in every:
            try:
                its = self.of(digest)
            except MissingError:
                continue
            except UnknownError as error:
                unknown[digest] = str(error)
                continue
            for subject in (its.subject,) if its.understood else its.blobs:
                if subject is not None:
                    found.setdefault(subject, []).append(digest)
        return found, unknown


class Step(NamedTuple):
    """What one manifest leads to directly."""

    manifests: list[str]
    """What has to be followed from it, some of it twice."""
    blobs: tuple[str, ...] = ()
    """Its configuration and layers."""
    fault: str = ""
    """Why it can't be followed, or not wholly."""


def step(revisions: Mapping[str, str], contents: Contents, subjects: Mapping[str, list[str]], digest: str) -> Step:
    """What a manifest of the repository of these revisions leads to: its children, and what says something about it."""
    about = list(subjects.get(digest, ()))
    try:
        its = contents.of(digest)
    except (MissingError, UnknownError) as error:
        return Step(about, fault=str(error))
    # Distribution follows whatever is a manifest, whichever list names it.
    inner = (blob for blob in its.blobs if blob in revisions)
    return Step([*about, *its.manifests, *inner], its.blobs, "" if its.understood else NOT_UNDERSTOOD)


def needs(
    revisions: Mapping[str, str], contents: Contents, subjects: Mapping[str, list[str]], roots: Iterable[str]
) -> Needs:
    """What these manifests need within the repository of these revisions: THE answer.

    Nothing here calls itself, as indexes may lie in indexes, a thousand deep.
    """
    manifests: set[str] = set()
    blobs: set[str] = set()
    faults: dict[str, str] = {}
    new = list(roots)
    while new:
        digest = new.pop()
        if digest in manifests:
            continue
        manifests.add(digest)
        its = step(revisions, contents, subjects, digest)
        if its.fault:
            faults[digest] = its.fault
        new += its.manifests
        blobs.update(its.blobs)
    return Needs(manifests, blobs, faults)
