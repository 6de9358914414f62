"""Copies what one place has to another, so often as it takes. Nothing is changed where it comes from.

What is the same already is left alone: a copy that was cut off goes on, and one that is repeated copies what differs.
Content counts as there once it was read back there and its digest is its name.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.clean_up import megabytes
from registryctl.digests import SIZES, is_digest
from registryctl.endings import EndError
from registryctl.fetching import each
from registryctl.layout import REPOSITORIES, blob_path
from registryctl.moving import times
from registryctl.moving.listed import Listed, links_of, walk
from registryctl.moving.places import Objects, Place
from registryctl.storage import NoRoom, NotThere, Storage, StorageError

_AT_ONCE = 6
"""Blobs. Each is a piece or two in memory."""
_TAG = times.TAG
_LONGEST = 1 << 28
_SHORTEST = min(len(f"{algorithm}:") + digits for algorithm, digits in SIZES.items())
"""Bytes of a link."""


class Verified:
    """The digests of the content that was found right in the place to which it was moved, in a file of this host."""

    def __init__(self, path: Path, move: str) -> None:
        self._lock = threading.Lock()
        lines = path.read_text(encoding="ascii", errors="replace").split("\n") if path.exists() else []
        if lines[:1] != [move]:
            path.unlink(missing_ok=True)
            lines = []
        # What is behind the last line's end was cut off.
        self._digests = {line for line in lines[1:-1] if is_digest(line)}
        self._file = path.open("a", encoding="ascii")
        os.fchmod(self._file.fileno(), 0o600)
        self._file.write("\n" if lines else f"{move}\n")

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def add(self, digest: str) -> None:
        """This one was."""
        with self._lock:
            self._digests.add(digest)
            self._file.write(f"{digest}\n")
            self._file.flush()


@dataclass
class Came:
    """What came of it."""

    blobs: int = 0
    """Of all that are there."""
    size: int = 0
    """Bytes."""
    copied: int = 0
    """Blobs that were copied this time, or verified."""
    links: int = 0
    """Links and records that were written this time, or went."""
    damaged: list[str] = field(default_factory=list)
    """Digests that are not those of their content, where it comes from."""


class Copying:
    """From `source` to `target`. Nobody else writes to the target, and no tool removes at the source."""

    def __init__(self, source: Place, target: Place, verified: Verified) -> None:
        self._source, self._target, self._verified = source, target, verified
        self._lock = threading.Lock()

    def once(self) -> Came:
        """While others may push. Raises StorageError, AwayError, EndError."""
        wanted, there = Listed.of(self._source.storage), Listed.of(self._target.storage)
        came = self._blobs(wanted, there, last=False)
        came.links = len(self._changes(wanted, there, last=False))
        # What could not be moved is said here, while the registry runs.
        self._begun_uploads()
        return came

    def last(self) -> Came:
        """While nobody can write at the source: afterwards the target has what it has, and no other links.

        Raises also where that is not so. Writes wait for it: both places are listed at once, and blobs only once.
        """
        with ThreadPoolExecutor(2) as pool:
            wanted, there = pool.map(Listed.of, (self._source.storage, self._target.storage))
        came = self._blobs(wanted, there, last=True)
        changed = self._changes(wanted, there, last=True)
        came.links = len(changed)
        if came.damaged:
            return came
        self._confirm(wanted, changed)
        if isinstance(self._target, Objects):
            written = {path: self._target.storage.written(path) for path in wanted.links if path.endswith(_TAG)}
            times.keep(self._target.bucket, self._source.storage, written)
        self._uploads()
        return came

    def ended(self) -> None:
        """The target counts from now on: this move does not go on there. Raises StorageError."""
        self._target.mark("ended")

    def _blobs(self, seen: Listed, seen_there: Listed, *, last: bool) -> Came:
        wanted, there = seen.blobs, seen_there.blobs
        came = Came(len(wanted), sum(wanted.values()))

        def copy(digest: str) -> None:
            try:
                whole = self._blob(digest, wanted[digest], there.get(digest))
            except NotThere:
                if last:
                    raise
                return
            with self._lock:
                came.copied += whole
                if not whole:
                    came.damaged.append(digest)

        lacking = [one for one, size in wanted.items() if one not in self._verified or there.get(one) != size]
        self._look_for_room(sum(wanted[one] for one in lacking if there.get(one) != wanted[one]))
        with ThreadPoolExecutor(_AT_ONCE, "copy") as pool:
            each(pool, copy, lacking)
        return came

    def _look_for_room(self, needed: int) -> None:
        free = self._target.free()
        if free is not None and free < needed:
            raise NoRoom(f"there is not enough room: {megabytes(needed - free)} more are needed")

    def _blob(self, digest: str, size: int, there: int | None) -> bool:
        """Whether it is there, and right. False: it is damaged where it comes from."""
        path = blob_path(digest)
        if there != size or not self._is_right(digest, size):
            try:
                self._target.put(path, size, _checked(self._source.pieces(path, size), digest))
            except _DamagedError:
                return False
            if not self._is_right(digest, size):
                raise StorageError(f"{digest}: what was written is read back as something else")
        self._verified.add(digest)
        return True

    def _is_right(self, digest: str, size: int) -> bool:
        sum_ = hashlib.new(digest.partition(":")[0])
        for piece in self._target.pieces(blob_path(digest), size):
            sum_.update(piece)
        return digest.endswith(f":{sum_.hexdigest()}")

    def _changes(self, wanted: Listed, there: Listed, *, last: bool) -> set[str]:
        """Those that were written, or went."""
        source, target = self._source.storage, self._target.storage
        if _has_images(there) and not _has_images(wanted):
            raise StorageError("there were images, and are none now; is the disk mounted?")
        self._ask_for_tags(wanted.links & there.links)
        # All are compared before one is written: a bucket is listed anew after that.
        changed = [path for path in sorted(wanted.links) if path not in there.links or not self._is_same(path)]
        source.ahead(changed, _LONGEST)
        gone = there.links - wanted.links
        for path in changed:
            try:
                content = source.read(path, _LONGEST)
                # What is being written, or has to be put right, is looked at again: only of tags that is done anyhow.
                if last or _is_whole(path, content):
                    target.write(path, content, source.time(path))
            except NotThere:
                # It went meanwhile: the next time tells.
                if last:
                    raise
        for path in gone:
            target.remove(path)
            target.prune(path.rpartition("/")[0], REPOSITORIES)
        target.settle()
        return gone.union(changed)

    def _ask_for_tags(self, links: set[str]) -> list[str]:
        """Those among them, in the order in which they will be read."""
        tags = sorted(path for path in links if path.endswith(_TAG))
        for storage in (self._source.storage, self._target.storage):
            storage.ahead(tags, _LONGEST)
        return tags

    def _is_same(self, path: str) -> bool:
        """Only a tag changes its content, or when it was written; a store can't set that. And what came damaged."""
        source, target = self._source.storage, self._target.storage
        if not path.endswith(_TAG):
            return target.directories or not path.startswith(REPOSITORIES) or target.size(path) >= _SHORTEST
        try:
            if target.directories and source.time(path) != target.time(path):
                return False
            return source.read(path, _LONGEST) == target.read(path, _LONGEST)
        except NotThere:
            return False

    def _confirm(self, wanted: Listed, changed: set[str]) -> None:
        """Raises StorageError where the target is not what the source is. What did not change was compared already."""
        source, target = self._source.storage, self._target.storage
        if odd := wanted.links ^ links_of(target):
            raise StorageError(f"{min(odd)} is in one of the places and not in the other: does somebody write there?")
        for path in self._ask_for_tags(changed & wanted.links):
            if source.read(path, _LONGEST) != target.read(path, _LONGEST):
                raise StorageError(f"{path} has another content than where it comes from: does somebody write there?")
        for digest in wanted.blobs:
            if digest not in self._verified:
                raise StorageError(f"{digest} did not arrive")

    def _uploads(self) -> None:
        """Those that have begun and brought nothing yet: their clients go on where they are told to."""
        source, target = self._source.storage, self._target.storage
        for home in self._begun_uploads():
            path = f"{home}/startedat"
            target.write(path, source.read(path, _LONGEST))
            if not target.directories:
                target.write(f"{home}/data", b"")
        target.settle()

    def _begun_uploads(self) -> list[str]:
        source = self._source.storage
        found = [path.rpartition("/") for path in walk(source, REPOSITORIES, uploads=True)]
        return [home for home, _, name in found if name == "startedat" and not _size(source, f"{home}/data")]


def _has_images(its: Listed) -> bool:
    return any(path.startswith(REPOSITORIES) for path in its.links)


def _is_whole(path: str, content: bytes) -> bool:
    """Whether a link has a digest."""
    return not path.startswith(REPOSITORIES) or is_digest(content.decode(errors="replace"))


def _size(storage: Storage, path: str) -> int:
    try:
        return storage.size(path)
    except NotThere:
        return 0


class _DamagedError(EndError):
    """An EndError, because it goes through all that writes."""


def _checked(pieces: Iterable[bytes], digest: str) -> Iterator[bytes]:
    """Raises before its end what is not called so: then it is not put there either."""
    sum_ = hashlib.new(digest.partition(":")[0])
    for piece in pieces:
        sum_.update(piece)
        yield piece
    if not digest.endswith(f":{sum_.hexdigest()}"):
        raise _DamagedError("DAMAGED", digest)
