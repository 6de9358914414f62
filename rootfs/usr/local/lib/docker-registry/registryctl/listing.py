"""What a listing of objects said, so compactly that a million of them take some 250 MB."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from registryctl.bucket import Object
from registryctl.storage import Entry, Kind

_MARK = 16
_NAMES_NOTHING = ("", ".", "..")
_AFTER_SLASH = "0"
"""The letter that comes after a slash."""


class Seen(NamedTuple):
    """What is known of an object."""

    size: int
    time: int
    """Nanoseconds since 1970."""
    mark: bytes
    """Of its ETag: the same one means the same content."""


def mark_of(etag: str) -> bytes:
    """Sixteen bytes, also for an ETag that has others."""
    try:
        mark = bytes.fromhex(etag)
    except ValueError:
        mark = b""
    return mark if len(mark) == _MARK else sum_of(etag.encode())


def sum_of(data: bytes) -> bytes:
    """The mark of content that was stored in one piece; most stores take the MD5 sum of it as ETag, and no other would
    have the same by chance."""
    return hashlib.md5(data, usedforsecurity=False).digest()


class Listing:
    """All objects whose keys begin in one way, as they were when it was made."""

    def __init__(self, beginning: str, objects: Iterable[Object], begun: int = 0) -> None:
        self._beginning = beginning
        self.begun = begun
        """When it was begun, in nanoseconds, by this host's clock."""
        self._keys: list[str] = []
        self._sizes, self._times, self._marks = array("q"), array("q"), bytearray()
        for key, size, etag, time in objects:
            self._keys.append(key[len(beginning) :])
            self._sizes.append(size)
            self._times.append(time)
            self._marks += mark_of(etag)
        self._sort()

    def __len__(self) -> int:
        return len(self._keys)

    def _sort(self) -> None:
        """By key; not all stores list in that order."""
        keys = self._keys
        if all(keys[place - 1] < keys[place] for place in range(1, len(keys))):
            return
        order = sorted(range(len(keys)), key=keys.__getitem__)
        # Of what is listed twice the later counts.
        order = [
            place
            for place, after in zip(order, [*order[1:], -1], strict=True)
            if keys[place] != keys[after] or after < 0
        ]
        self._keys = [keys[place] for place in order]
        self._sizes = array("q", (self._sizes[place] for place in order))
        self._times = array("q", (self._times[place] for place in order))
        self._marks = bytearray().join(self._mark(place) for place in order)

    def _mark(self, place: int) -> bytes:
        return bytes(self._marks[place * _MARK : (place + 1) * _MARK])

    def get(self, path: str) -> Seen | None:
        """Of one object; None: it was not there."""
        key = path[len(self._beginning) :]
        place = bisect_left(self._keys, key)
        if place == len(self._keys) or self._keys[place] != key:
            return None
        return Seen(self._sizes[place], self._times[place], self._mark(place))

    def below(self, path: str) -> range:
        """The places of all objects of which a path is the directory; or the beginning, where it ends so."""
        top = path[len(self._beginning) :]
        return range(bisect_left(self._keys, top), bisect_left(self._keys, f"{top}\U0010ffff"))

    def latest(self, beginning: str) -> int:
        """When the last of those was written whose keys begin so; 0: there is none."""
        found = self.below(beginning)
        return max(self._times[found.start : found.stop], default=0)

    def children(self, directory: str) -> Iterator[Entry]:
        """What is directly below a path that ends with a slash: a name may be that of an object and of a directory too.

        What no path can name is named all the same, as something else; but for the marks that consoles make of a
        directory, which say nothing.
        """
        top, keys = directory[len(self._beginning) :], self._keys
        place = bisect_left(keys, top)
        while place < len(keys) and keys[place].startswith(top):
            name, slash, _ = keys[place][len(top) :].partition("/")
            if name in _NAMES_NOTHING:
                if slash or name or self._sizes[place]:
                    yield Entry(name, Kind.OTHER)
            else:
                yield Entry(name, Kind.DIRECTORY if slash else Kind.FILE)
            place = bisect_left(keys, f"{top}{name}{_AFTER_SLASH}", place) if slash else place + 1
