"""Reads the links of a registry. It never fails: what can't be read is named, and what it may lead to is kept.

Where links can't even be listed, or one that can't be read may lead to any blob, no blob goes in that run: nobody can
say which of them is meant. Links of other repositories go all the same, as no link leads to a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from registryctl.digests import digests_in, is_digest
from registryctl.layout import REPOSITORIES, is_tag
from registryctl.model import Repository
from registryctl.storage import Entry, Kind, NoFile, NotThere, Storage, StorageError

ANY_BLOB = ""
"""What every digest begins with."""
_PARTS = ("_manifests", "_layers", "_uploads")
_BEGINNING = re.compile(r"sha(?:256|384|512)(?::[0-9a-f]*)?")
LONGEST_LINK = 1024


def shown(path: str) -> str:
    """A path as it can be printed, whatever its letters."""
    return path if path.isascii() and path.isprintable() else ascii(path)


class _Reader:
    """Reads links for one repository, or for what lies beside them all."""

    def __init__(self, storage: Storage, found: Repository) -> None:
        self.storage = storage
        self.found = found

    def list(self, path: str) -> list[Entry]:
        """A directory of links; none where it is not there."""
        try:
            return self.storage.list(path)
        except NotThere:
            return []
        except StorageError as error:
            self.found.faults.append(f"{shown(path)} can't be listed: {error}")
            self.found.held.add(ANY_BLOB)
            return []

    def directories(self, path: str) -> Iterator[str]:
        """The names of directories, with those that a symbolic link leads to."""
        for name, kind in self.list(path):
            if kind is Kind.OTHER:
                self.other(f"{path}/{name}")
            if kind is not Kind.FILE:
                yield name

    def other(self, path: str) -> str | None:
        """A symbolic link: what it leads to has another name too, unless it is outside of the storage (None)."""
        self.found.faults.append(f"{shown(path)} is no directory of its own")
        try:
            alias = self.storage.alias(path)
        except StorageError:
            alias = path
        if alias is not None:
            self.found.aliases.add(alias)
            if not alias.startswith(f"{REPOSITORIES}/"):
                self.found.held.add(ANY_BLOB)
        return alias

    def link(self, path: str, digest: str) -> str | None:
        """The target of a link; None where it is not there or can't be read: then what it may lead to is held."""
        text: bytes | None = None
        try:
            text = self.storage.read(path, LONGEST_LINK)
            target = text.decode()
            if target == digest:
                return digest
            if is_digest(target):
                return target
        except NotThere:
            return None
        except NoFile:
            text = b""
        except (StorageError, UnicodeDecodeError):
            pass
        self.unreadable(path, digest, text)
        return None

    def unreadable(self, path: str, digest: str, text: bytes | None) -> None:
        """Keeps what a link's name and content may mean; None: its content is not known. Only sha256 names are the
        content's own.

        A layer that is pulled by another name is served by the link of its sha256 name, in the same repository: that
        one holds the blob, whatever damage is in this one. One that may be whole may lead to any.
        """
        self.found.odd.append(f"{shown(path)} can't be read")
        self.found.held.add(digest)
        self.found.held |= digests_in(text or b"")
        if not digest.startswith("sha256:"):
            self.found.blind.add(digest)
            if text is None:
                self.found.held.add(ANY_BLOB)
                return
            if "/_layers/" in path.removeprefix(f"{REPOSITORIES}/{self.found.name}"):
                return
            beginning = text.decode(errors="replace")
            self.found.held.add(beginning if _BEGINNING.fullmatch(beginning) else ANY_BLOB)

    def digests(self, path: str) -> Iterator[str]:
        """The digests of the directories ALGORITHM/HEX; other directories are looked through for links."""
        for algorithm in self.directories(path):
            for name in self.directories(f"{path}/{algorithm}"):
                digest = f"{algorithm}:{name}"
                if is_digest(digest):
                    yield digest
                else:
                    self.strange(f"{path}/{algorithm}/{name}")

    def announced(self, path: str) -> Iterable[str]:
        """The same, whose links will be read."""
        found = tuple(self.digests(path))
        self.storage.ahead((f"{path}/{digest.replace(':', '/', 1)}/link" for digest in found), LONGEST_LINK)
        return found

    def strange(self, top: str) -> None:
        """A directory that Distribution does not know: left alone. Nothing is served by what is in it.

        What its links name is held all the same, as somebody may have moved it; what they don't name can't be.
        """
        self.found.odd.append(f"{shown(top)} is not known")
        new = [top]
        while new:
            path = new.pop()
            try:
                entries = self.storage.list(path)
            except StorageError:
                continue
            new += [f"{path}/{name}" for name, kind in entries if kind is Kind.DIRECTORY]
            if any(name == "link" for name, _ in entries):
                self._hold(f"{path}/link")

    def _hold(self, path: str) -> None:
        try:
            text = self.storage.read(path, LONGEST_LINK)
        except StorageError:
            return
        self.found.held |= digests_in(text)


def _revisions(reader: _Reader, top: str) -> None:
    found = reader.found
    for digest in reader.announced(top):
        path = f"{top}/{digest.replace(':', '/', 1)}"
        names = {entry.name for entry in reader.list(path)}
        if "link" in names:
            target = reader.link(f"{path}/link", digest)
            if target is not None:
                found.revisions[digest] = target
            else:
                found.faults.append(f"{found.name}@{digest}: its link can't be read")
        if "signatures" in names:
            for signature in reader.digests(f"{path}/signatures"):
                target = reader.link(f"{path}/signatures/{signature.replace(':', '/', 1)}/link", signature)
                if target is not None:
                    found.signatures.setdefault(digest, {})[signature] = target


def _tags(reader: _Reader, top: str) -> None:
    found = reader.found
    tags = list(reader.directories(top))
    reader.storage.ahead((f"{top}/{tag}/current/link" for tag in tags if is_tag(tag)), LONGEST_LINK)
    for tag in tags:
        if not is_tag(tag):
            reader.strange(f"{top}/{tag}")
            continue
        entries = list(reader.digests(f"{top}/{tag}/index"))
        if entries:
            found.entries[tag] = entries
        try:
            text = reader.storage.read(f"{top}/{tag}/current/link", LONGEST_LINK).decode()
        except NotThere:
            found.hollow.append(tag)
        except (StorageError, UnicodeDecodeError) as error:
            found.broken[tag] = str(error)
        else:
            if is_digest(text):
                found.tags[tag] = text
            else:
                found.broken[tag] = "it has no digest"


def read_repository(storage: Storage, name: str) -> Repository:
    """All links of one repository. Not there: nothing is in it."""
    found = Repository(name)
    reader = _Reader(storage, found)
    base = f"{REPOSITORIES}/{name}"
    # First the tags: of what is pushed meanwhile, all that a tag needs is seen after it.
    for part in sorted(reader.directories(f"{base}/_manifests"), reverse=True):
        path = f"{base}/_manifests/{part}"
        if part == "tags":
            _tags(reader, path)
            storage.catch_up(base)
        elif part == "revisions":
            _revisions(reader, path)
        else:
            reader.strange(path)
    top = f"{base}/_layers"
    for digest in reader.announced(top):
        target = reader.link(f"{top}/{digest.replace(':', '/', 1)}/link", digest)
        if target is not None:
            found.layers[digest] = target
    try:
        found.uploads = bool(storage.list(f"{base}/_uploads"))
    except NotThere:
        pass
    except StorageError:
        found.uploads = True
    return found


@dataclass
class Catalogue:
    """Which repositories there are."""

    names: list[str] = field(default_factory=list)
    """All names in order, including some that Distribution could not have made."""
    through: set[str] = field(default_factory=set)
    """Those that only a symbolic link leads to."""
    beside: Repository = field(default_factory=lambda: Repository(""))
    """What lies beside them, is not known, and may link something."""


def read_catalogue(storage: Storage) -> Catalogue:
    """All repositories. NotThere, Unreadable: it is not even known whether there are any."""
    found = Catalogue()
    reader = _Reader(storage, found.beside)
    new = [("", entry, False) for entry in storage.list(REPOSITORIES)]
    while new:
        above, (name, kind), linked = new.pop()
        path = f"{above}/{name}" if above else name
        if kind is Kind.FILE:
            continue
        if kind is Kind.OTHER:
            linked = _follow(reader, path, linked)
        if name in _PARTS and above:
            found.names.append(above)
            if linked or kind is Kind.OTHER:
                found.through.add(above)
        elif name.startswith("_"):
            reader.strange(f"{REPOSITORIES}/{path}")
        elif kind is Kind.DIRECTORY or linked:
            new.extend((path, entry, linked) for entry in reader.list(f"{REPOSITORIES}/{path}"))
    found.names = sorted(set(found.names))
    return found


def _follow(reader: _Reader, path: str, linked: bool) -> bool:
    """Whether a symbolic link is followed: out of the storage, and once. What it leads to inside is found there."""
    alias = reader.other(f"{REPOSITORIES}/{path}")
    if linked:
        reader.found.held.add(ANY_BLOB)
    return alias is None and not linked
