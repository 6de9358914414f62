"""Directories in which nothing is left, or soon will be: they go by being empty, and no other way."""

from __future__ import annotations

from collections.abc import Iterable

from registryctl.layout import REPOSITORIES
from registryctl.storage import Kind, NotThere, Storage, StorageError


def tag_directory(repository: str, tag: str) -> str:
    """All there is of a tag."""
    return f"{REPOSITORIES}/{repository}/_manifests/tags/{tag}"


def is_all(storage: Storage, tops: Iterable[str], links: int) -> bool:
    """Whether at most as many links are below these directories, and nothing else."""
    found, new = 0, list(tops)
    while new:
        path = new.pop()
        try:
            entries = storage.list(path)
        except NotThere:
            continue
        except StorageError:
            return False
        for name, kind in entries:
            if kind is Kind.DIRECTORY:
                new.append(f"{path}/{name}")
            elif kind is Kind.FILE and name == "link":
                found += 1
            else:
                return False
    return found <= links


def clear(storage: Storage, top: str, end: str) -> None:
    """Removes all empty directories from one downwards, itself too, and upwards as far as before `end`."""
    new, found = [top], []
    while new:
        path = new.pop()
        found.append(path)
        try:
            new += [f"{path}/{name}" for name, kind in storage.list(path) if kind is Kind.DIRECTORY]
        except StorageError:
            continue
    for path in reversed(found):
        storage.prune(path, end)
