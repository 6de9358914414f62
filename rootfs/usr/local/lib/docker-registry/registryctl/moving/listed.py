"""What a place has of images, by one look at all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registryctl.digests import is_digest
from registryctl.endings import EndError
from registryctl.layout import BLOBS, REPOSITORIES, TRASH, blob_path, is_run
from registryctl.storage import Kind, NotThere, Storage

LINK = "/link"
_RECORD = ".json"


@dataclass(frozen=True)
class Listed:
    """What a place has."""

    links: set[str]
    blobs: dict[str, int]
    """Digest → size."""

    @classmethod
    def of(cls, storage: Storage) -> Listed:
        """Links before content: what they lead to is there by then, and blobs that come later are of the next time."""
        storage.anew()
        return cls(links_of(storage), _blobs(storage))


def is_empty(storage: Storage) -> bool:
    """Whether a place has neither images nor anything of them."""
    return not (links_of(storage) or _blobs(storage))


def links_of(storage: Storage) -> set[str]:
    """The paths of all links, and of the trash's records."""
    found = {path for path in walk(storage, REPOSITORIES) if path.endswith(LINK)}
    return found | {path for path in walk(storage, TRASH) if is_run(path[len(TRASH) + 1 : -len(_RECORD)])}


def _blobs(storage: Storage) -> dict[str, int]:
    """Digest → size."""
    found = {}
    for path in walk(storage, BLOBS):
        algorithm, _, name = path[len(BLOBS) + 1 :].partition("/")
        digest = f"{algorithm}:{name.split('/')[1]}" if name.count("/") == 2 else ""  # noqa: PLR2004 - aa/NAME/data
        if is_digest(digest) and path == blob_path(digest):
            found[digest] = storage.size(path)
    return found


def walk(storage: Storage, top: str, *, uploads: bool = False) -> Iterator[str]:
    """The paths of all files below a directory; those of uploads alone, or all others."""
    left = [(top, False)]
    while left:
        directory, inside = left.pop()
        try:
            entries = storage.list(directory)
        except NotThere:
            continue
        for name, kind in entries:
            path = f"{directory}/{name}"
            if kind is Kind.OTHER:
                raise EndError("UNSUPPORTED", f"{path} is neither a file nor a directory: it can't be moved")
            if kind is Kind.DIRECTORY:
                # A tag may be called so, too.
                within = inside or (name == "_uploads" and "/_manifests/" not in path)
                if not (uploads and name in {"_manifests", "_layers"}) and (uploads or not within):
                    left.append((path, within))
            elif inside == uploads:
                yield path
