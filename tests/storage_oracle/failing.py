"""A storage of which one call fails, or at which the program ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TypeVar

from registryctl.objects import ObjectStorage
from registryctl.storage import Entry, NoRoom, Plain, Room, Storage, StorageError, Unreadable
from tests.registryctl.buckets import FailingBucket, FolderBucket
from tests.storage_oracle.running import is_bucket, opened

Result = TypeVar("Result")


class Trouble(Enum):
    """What happens at a call."""

    FULL = "ENOSPC"
    BROKEN = "EIO"
    READ_ONLY = "EROFS"
    END_BEFORE = "the program ends before it"
    END_AFTER = "the program ends after it"
    KILL_BEFORE = "SIGKILL before it"
    KILL_AFTER = "SIGKILL after it"


class EndedError(BaseException):
    """The program ended here: nothing may catch this and go on."""


WRITING = {"write", "remove", "prune", "settle"}


class Failing(Plain):
    """Counts the calls, and lets one have its trouble."""

    def __init__(self, storage: Storage, at: int = -1, trouble: Trouble = Trouble.BROKEN) -> None:
        self._storage, self._at, self._trouble = storage, at, trouble
        self.calls: list[str] = []

    def list(self, path: str) -> list[Entry]:
        """As the storage's."""
        return self._call("list", lambda: self._storage.list(path))

    def read(self, path: str, limit: int) -> bytes:
        """As the storage's."""
        return self._call("read", lambda: self._storage.read(path, limit))

    def write(self, path: str, data: bytes, time: int | None = None) -> None:
        """As the storage's."""
        self._call("write", lambda: self._storage.write(path, data, time))

    def remove(self, path: str) -> None:
        """As the storage's."""
        self._call("remove", lambda: self._storage.remove(path))

    def prune(self, path: str, top: str) -> None:
        """As the storage's; by its contract it hides what it can't do."""
        self._call("prune", lambda: self._storage.prune(path, top))

    def settle(self) -> dict[str, str]:
        """As the storage's."""
        return self._call("settle", self._storage.settle)

    def time(self, path: str) -> int:
        """As the storage's."""
        return self._call("time", lambda: self._storage.time(path))

    def size(self, path: str) -> int:
        """As the storage's."""
        return self._call("size", lambda: self._storage.size(path))

    def alias(self, path: str) -> str | None:
        """As the storage's."""
        return self._call("alias", lambda: self._storage.alias(path))

    def room(self) -> Room | None:
        """As the storage's."""
        return self._call("room", self._storage.room)

    def _call(self, kind: str, act: Callable[[], Result]) -> Result:
        number = len(self.calls)
        self.calls.append(kind)
        if number != self._at:
            return act()
        if self._trouble in {Trouble.END_BEFORE, Trouble.KILL_BEFORE}:
            self._end()
        if self._trouble in {Trouble.END_AFTER, Trouble.KILL_AFTER}:
            with suppress(StorageError):
                act()
            self._end()
        if kind == "prune":
            return None  # type: ignore[return-value]
        raise self._error(kind)

    def _end(self) -> None:
        raise _error("", self._trouble)

    def _error(self, kind: str) -> BaseException:
        return _error(kind, self._trouble)


def _error(kind: str, trouble: Trouble) -> BaseException:
    """What a call of a kind raises; it may not return."""
    if trouble in {Trouble.KILL_BEFORE, Trouble.KILL_AFTER}:
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble in {Trouble.END_BEFORE, Trouble.END_AFTER}:
        return EndedError()
    if trouble is Trouble.FULL and kind == "write":
        return NoRoom(trouble.value)
    return StorageError(trouble.value) if kind in {*WRITING, "list"} else Unreadable(trouble.value)


def failing(root: Path | str, at: int = -1, trouble: Trouble = Trouble.BROKEN) -> tuple[Storage, list[str]]:
    """The storage below a folder, and the calls that are made there; of a bucket, the requests."""
    if not is_bucket():
        files = Failing(opened(root), at, trouble)
        return files, files.calls
    after = trouble in {Trouble.END_AFTER, Trouble.KILL_AFTER}

    def error(kind: str) -> BaseException:
        # No request says of one object alone that it can't be read, but for the one that forbids it.
        return _error(kind if kind == "write" else "list", trouble)

    bucket = FailingBucket(FolderBucket(root), at, error, after=after)
    return ObjectStorage(bucket), bucket.calls
