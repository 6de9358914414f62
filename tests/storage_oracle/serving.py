"""What a registry answers from its files, and what clients get that pull by tag."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.storage_oracle import places
from tests.storage_oracle.places import Place
from tests.storage_oracle.reading import Said, as_go_does

Pulled = dict[tuple[str, str], bytes]
"""All that a client gets: kind and digest asked for → bytes."""


@dataclass
class Snapshot:
    """All files of a storage, as they were once."""

    files: dict[str, bytes]
    links: dict[str, list[Place]] = field(init=False)
    """The links of each repository."""
    blobs: dict[str, str] = field(init=False)
    """Digest → path, of all content there is."""
    strays: set[str] = field(init=False)
    """What no registry makes, and uploads."""

    def __post_init__(self) -> None:
        self.links, self.blobs, self.strays = defaultdict(list), {}, set()
        for path in self.files:
            found = places.place(path)
            if found is None:
                self.strays.add(path)
            elif found.kind == "blob":
                self.blobs[found.digest] = path
            else:
                self.links[found.name].append(found)

    @cached_property
    def names(self) -> list[str]:
        """All repositories of which there is anything."""
        return sorted({name for path in self.files if (name := places.repository_of(path))})

    @cached_property
    def folders(self) -> dict[str, set[str]]:
        """Repository → tags of which there is any file."""
        found: dict[str, set[str]] = defaultdict(set)
        for path in self.files:
            if tag := places.tag_of(path):
                found[tag[0]].add(tag[1])
        return found

    @cached_property
    def tags(self) -> dict[str, dict[str, str]]:
        """Repository → tag → path of the link that says what it is, where there is such a link."""
        found: dict[str, dict[str, str]] = {}
        for name, links in self.links.items():
            found[name] = {link.tag: link.path for link in links if link.kind == "tag"}
        return found

    @cached_property
    def pulled(self) -> dict[tuple[str, str], Pulled]:
        """What clients get by each tag."""
        found = {}
        for name, tags in self.tags.items():
            if tags:
                referrers = self.referrers(name)
                found.update({(name, tag): pull(self, name, tag, referrers) for tag in tags})
        return found

    def target(self, path: str) -> str | None:
        """What a link leads to; None if there is none, or it can't be read."""
        content = self.files.get(path)
        return None if content is None else places.parse_digest(content)

    def content(self, digest: str | None) -> bytes | None:
        """What is stored by this digest."""
        path = self.blobs.get(digest) if digest else None
        return None if path is None else self.files[path]

    def manifest(self, name: str, digest: str) -> bytes | None:
        """The answer to GET of a manifest by digest: 2.8.3 looks among the layers as well."""
        found = self.content(self.target(_path(places.revision, name, digest)))
        return found if found is not None else self.content(self.target(_path(places.layer, name, digest)))

    def blob(self, name: str, digest: str) -> bytes | None:
        """The answer to GET of a blob: what a link names is served by that name's own link again."""
        target = self.target(_path(places.layer, name, digest))
        return self.content(self.target(places.layer(name, target))) if target else None

    def referrers(self, name: str) -> dict[str, list[str]]:
        """Subject → the manifests of the repository that name it."""
        found: dict[str, list[str]] = defaultdict(list)
        for link in self.links.get(name, []):
            if link.kind != "revision":
                continue
            content = self.manifest(name, link.digest)
            said = as_go_does(content) if content is not None else None
            if said and said.subject:
                found[said.subject].append(link.digest)
        return found


def _path(make: object, name: str, digest: str) -> str:
    """No path at all for what Distribution does not take as a digest."""
    return make(name, digest) if places.parse_digest(digest.encode()) and callable(make) else ""


def taken(root: Path | str) -> Snapshot:
    """Reads a storage from the disk."""
    return Snapshot(dict(_read(str(root), "")))


def _read(root: str, below: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    stack = [below]
    while stack:
        folder = stack.pop()
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    stack.append(path)
                elif entry.is_file():
                    with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123 (20,000 storages)
                        found.append((path, file.read()))
    return found


def pull(storage: Snapshot, name: str, tag: str, referrers: dict[str, list[str]]) -> Pulled:
    """Everything that clients get who pull by this tag: each platform, and what refers to it."""
    got: Pulled = {}
    first = storage.target(places.current(name, tag))
    waiting = [first] if first else []
    seen = set(waiting)
    while waiting:
        digest = waiting.pop()
        content = storage.manifest(name, digest)
        if content is None:
            continue
        got["manifest", digest] = content
        said = as_go_does(content) or Said
        if not isinstance(said, Said):
            continue
        for layer in (*said.blobs, *said.children):
            answer = storage.blob(name, layer)
            if answer is not None:
                got["blob", layer] = answer
        manifests = [one for one in said.blobs if _path(places.revision, name, one) in storage.files]
        more = {*said.children, *manifests, *referrers.get(digest, [])} - seen
        seen |= more
        waiting.extend(more)
    return got
