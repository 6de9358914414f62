"""Where Distribution keeps what. Whatever is not exactly one of the items here can't be expressed, nor removed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from registryctl.digests import is_digest

TOP = "docker/registry/v2"
REPOSITORIES = f"{TOP}/repositories"
BLOBS = f"{TOP}/blobs"
TRASH = "trash"
"""Beside what Distribution can reach."""

LONGEST_NAME = 255
_PART = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}Z(?:-[0-9]{1,6})?")


class BadItemError(ValueError):
    """No item is called so."""


def is_repository(name: str) -> bool:
    """Whether Distribution can have a repository of that name."""
    return len(name) <= LONGEST_NAME and all(_PART.fullmatch(part) for part in name.split("/"))


def is_tag(name: str) -> bool:
    """Whether Distribution can have a tag of that name."""
    return _TAG.fullmatch(name) is not None


def is_run(name: str) -> bool:
    """Whether a record can be called so."""
    return _RUN.fullmatch(name) is not None


def _check(what: str, name: str, good: bool) -> None:
    if not good:
        raise BadItemError(f"no {what} is called {name!r}")


def _check_repository(name: str) -> None:
    _check("repository", name, is_repository(name))


def _check_digest(name: str) -> None:
    _check("digest", name, is_digest(name))


def directory_of(repository: str) -> str:
    """Where a repository lies."""
    return f"{REPOSITORIES}/{repository}"


def repository_of(path: str) -> str:
    """The repository in which a path lies. No part of a name begins with `_`."""
    return path[len(REPOSITORIES) + 1 :].partition("/_")[0]


def link_path(repository: str, kind: str, digest: str) -> str:
    """A link by digest; kind: `_layers`, `_manifests/revisions`."""
    return f"{REPOSITORIES}/{repository}/{kind}/{digest.replace(':', '/', 1)}/link"


def blob_path(digest: str) -> str:
    """Where content lies."""
    algorithm, _, name = digest.partition(":")
    return f"{BLOBS}/{algorithm}/{name[:2]}/{name}/data"


@dataclass(frozen=True)
class TagLink:
    """What a tag is."""

    repository: str
    tag: str

    def __post_init__(self) -> None:
        _check_repository(self.repository)
        _check("tag", self.tag, is_tag(self.tag))

    @property
    def path(self) -> str:
        """The file."""
        return f"{REPOSITORIES}/{self.repository}/_manifests/tags/{self.tag}/current/link"


@dataclass(frozen=True)
class TagEntry:
    """That a tag once was a digest: Distribution's own notes."""

    repository: str
    tag: str
    digest: str

    def __post_init__(self) -> None:
        TagLink(self.repository, self.tag)
        _check_digest(self.digest)

    @property
    def path(self) -> str:
        """The file."""
        return link_path(self.repository, f"_manifests/tags/{self.tag}/index", self.digest)


@dataclass(frozen=True)
class Revision:
    """That a repository has a manifest."""

    repository: str
    digest: str

    def __post_init__(self) -> None:
        _check_repository(self.repository)
        _check_digest(self.digest)

    @property
    def path(self) -> str:
        """The file."""
        return link_path(self.repository, "_manifests/revisions", self.digest)


@dataclass(frozen=True)
class Signature:
    """A signature of a manifest, as registry 2 kept them for schema 1."""

    repository: str
    digest: str
    signature: str

    def __post_init__(self) -> None:
        Revision(self.repository, self.digest)
        _check_digest(self.signature)

    @property
    def path(self) -> str:
        """The file."""
        revision = Revision(self.repository, self.digest).path.removesuffix("/link")
        return f"{revision}/signatures/{self.signature.replace(':', '/', 1)}/link"


@dataclass(frozen=True)
class LayerLink:
    """That a repository has a layer, or other content."""

    repository: str
    digest: str

    def __post_init__(self) -> None:
        _check_repository(self.repository)
        _check_digest(self.digest)

    @property
    def path(self) -> str:
        """The file."""
        return link_path(self.repository, "_layers", self.digest)


@dataclass(frozen=True)
class Blob:
    """Content, for all repositories."""

    digest: str

    def __post_init__(self) -> None:
        _check_digest(self.digest)

    @property
    def path(self) -> str:
        """The file."""
        return blob_path(self.digest)


@dataclass(frozen=True)
class Record:
    """What a run took out, kept to undo it."""

    run: str

    def __post_init__(self) -> None:
        _check("run", self.run, is_run(self.run))

    @property
    def path(self) -> str:
        """The file."""
        return f"{TRASH}/{self.run}.json"


Item = TagLink | TagEntry | Revision | Signature | LayerLink | Blob | Record
"""All that can be removed."""


def top_of(item: Item) -> str:
    """The directory that stays when an item's own empty ones are pruned."""
    if isinstance(item, Blob):
        return f"{BLOBS}/{item.digest.partition(':')[0]}"
    if isinstance(item, Record):
        return TRASH
    return f"{directory_of(item.repository)}/{'_layers' if isinstance(item, LayerLink) else '_manifests'}"
