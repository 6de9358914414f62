"""The two places of a move: the host's files, and a bucket. A layer may be larger than memory, so it goes in pieces."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from registryctl.bucket import LargeBucket
from registryctl.files import FileStorage
from registryctl.layout import BLOBS, TOP
from registryctl.moving import times
from registryctl.objects import ObjectStorage
from registryctl.storage import NotThere, Storage

PIECE = 8 << 20
_MOST_PIECES = 9000
_LIMIT = 1000
_FILE_MARK, _OBJECT_MARK = ".registryctl.moving", "docker-registry/moving"


class Place(Protocol):
    """Where images lie, or come to lie."""

    @property
    def storage(self) -> Storage:
        """What is there, by paths."""

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """The content of a file of so many bytes."""

    def put(self, path: str, size: int, pieces: Iterable[bytes]) -> None:
        """A file, durably and all at once. The pieces are those of `piece_of`."""

    def marked(self) -> str:
        """Which move is under way to this place; empty: none."""

    def mark(self, move: str) -> None:
        """This one is."""

    def tidy(self) -> None:
        """What a run that was killed left half written goes. Only within the turn."""

    def free(self) -> int | None:
        """How many bytes there is room for, where that has an end."""


def piece_of(size: int) -> int:
    """How many bytes of a file are sent at a time: a store takes 10,000 pieces of one."""
    return max(PIECE, -(-size // _MOST_PIECES))


class Files:
    """A directory of this host."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._files = FileStorage(data)

    @property
    def storage(self) -> Storage:
        """See `Place`."""
        return self._files

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """See `Place`."""
        return self._files.pieces(path, piece_of(size))

    def put(self, path: str, size: int, pieces: Iterable[bytes]) -> None:
        """See `Place`."""
        del size
        self._files.write_large(path, pieces, threading.get_ident())

    def marked(self) -> str:
        """See `Place`."""
        with suppress(NotThere):
            return self._files.read(_FILE_MARK, _LIMIT).decode()
        return ""

    def mark(self, move: str) -> None:
        """See `Place`. Directories get the mode that the registry's have."""
        top = self._data / TOP.partition("/")[0]
        if not top.exists():
            top.mkdir()
            top.chmod(0o755)
        self._files.write(_FILE_MARK, move.encode())

    def tidy(self) -> None:
        """See `Place`."""
        for left in self._data.glob(".registryctl.new.*"):
            left.unlink()

    def free(self) -> int | None:
        """Of the disk on which blobs lie, or will."""
        home = self._data / BLOBS
        while not home.exists():
            home = home.parent
        found = os.statvfs(home)
        return found.f_bavail * found.f_frsize


class Objects:
    """A bucket."""

    def __init__(self, bucket: LargeBucket) -> None:
        self.bucket = bucket
        self._objects = ObjectStorage(bucket, pushed=lambda: times.load(bucket))

    @property
    def storage(self) -> ObjectStorage:
        """See `Place`."""
        return self._objects

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """See `Place`."""
        step = piece_of(size)
        for start in range(0, size, step):
            yield self.bucket.part(path, start, min(step, size - start))

    def put(self, path: str, size: int, pieces: Iterable[bytes]) -> None:
        """See `Place`."""
        if size > piece_of(size):
            self.bucket.write_large(path, pieces)
        else:
            self.bucket.write(path, b"".join(pieces))

    def marked(self) -> str:
        """See `Place`."""
        with suppress(NotThere):
            return self.bucket.read(_OBJECT_MARK, _LIMIT).decode()
        return ""

    def mark(self, move: str) -> None:
        """See `Place`."""
        self.bucket.write(_OBJECT_MARK, move.encode())

    def tidy(self) -> None:
        """The bucket's lifecycle rule does it."""

    def free(self) -> int | None:
        """It has no end."""
