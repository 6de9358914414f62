"""Files by their paths, wherever they lie: all that is known of a storage above this is here.

Paths are relative and have `/` between their parts. Nothing here knows what a registry is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple, Protocol


class StorageError(Exception):
    """An answer that the storage did not give."""


class NotThere(StorageError):  # noqa: N818  # it is an answer, not a fault
    """Nothing has that path."""


class Unreadable(StorageError):  # noqa: N818
    """Something may be there, but it can't be read."""


class NoFile(Unreadable):
    """What is there can't be the file that was asked for: it is none, or too large."""


class NoRoom(StorageError):  # noqa: N818
    """There is no space left to write."""


class AwayError(Exception):
    """The storage as a whole can't be asked, so that nothing is known of anything: what was begun ends here."""


class Kind(Enum):
    """What a name in a listing is."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"
    """A symbolic link, a socket: what it leads to has to be asked for."""


class Entry(NamedTuple):
    """A name in a listing."""

    name: str
    kind: Kind


class Room(NamedTuple):
    """The space there is, in bytes."""

    used: int
    total: int


class Storage(Protocol):
    """Where a registry keeps its files. Each call may raise StorageError; what it was about is then as before.

    Or AwayError: then that is not known either.
    """

    directories: bool
    """Whether directories are there by themselves, so that empty ones have to be removed."""

    def anew(self, *, blobs: bool = True) -> None:
        """From now on all is as it is when it is asked for, or later: what is remembered may be of before.

        Not `blobs`: nobody will ask what blobs there are. Whoever removes some has to.
        """

    def look_again(self, beginnings: Mapping[str, int]) -> None:
        """Nobody else writes from now on, and all is as it is now; until `anew`.

        `beginnings`: with what paths begin of which much will be asked, and of how many.
        """

    def catch_up(self, top: str) -> None:
        """What a repository has in the directory `top` from now on is at least as new as what was read of it."""

    def ahead(self, paths: Iterable[str], limit: int | None) -> None:
        """These will be read next, up to so many bytes, mostly in this order; None: size and time will be asked for."""

    def list(self, path: str) -> list[Entry]:
        """What is directly below a path, in any order. NotThere: there is no such directory."""

    def read(self, path: str, limit: int) -> bytes:
        """A file's content. Unreadable also where it has more bytes than the limit."""

    def write(self, path: str, data: bytes, time: int | None = None) -> None:
        """A file, durably and all at once, with its time in nanoseconds. NoRoom where it does not fit.

        A link by the next `settle` at the latest, which then raises.
        """

    def remove(self, path: str) -> None:
        """Removes one file, by the next `settle` at the latest. Nothing is there of which `settle` says nothing."""

    def prune(self, path: str, top: str) -> None:
        """Removes a directory and those it lies in, as far as they are empty; `top` and above stay.

        What is not empty, not there or can't be removed stays, and that is no error.
        """

    def settle(self) -> dict[str, str]:
        """Makes removals durable: no crash brings the files back afterwards. Which stayed all the same, and why.

        All links that were written are there, unless it raises.
        """

    def time(self, path: str) -> int:
        """When a file was written, in nanoseconds since 1970."""

    def size(self, path: str) -> int:
        """How many bytes a file has."""

    def alias(self, path: str) -> str | None:
        """The path in this storage to which a name of Kind.OTHER leads; None where that is elsewhere."""

    def room(self) -> Room | None:
        """The space on what the storage lies on, where that has an end."""


class Plain:
    """A storage that remembers nothing: each answer is of when it was asked for."""

    directories = True

    def anew(self, *, blobs: bool = True) -> None:
        """It is."""

    def look_again(self, beginnings: Mapping[str, int]) -> None:
        """It always does."""

    def catch_up(self, top: str) -> None:
        """It has."""

    def ahead(self, paths: Iterable[str], limit: int | None) -> None:
        """It is near."""


def is_there(storage: Storage, path: str) -> bool:
    """Whether there is such a file, even one that can't be read."""
    try:
        storage.size(path)
    except NotThere:
        return False
    except StorageError:
        return True
    return True
