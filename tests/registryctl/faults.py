"""A storage that fails, or whose user is killed, at one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from registryctl.files import FileStorage
from registryctl.storage import Entry, Plain, Room, StorageError

Found = TypeVar("Found")


class KilledError(BaseException):
    """What nobody catches: as if the process had ended there."""


class FaultyStorage(Plain):
    """Passes on to another one; at call number `at` it raises, before or after that was done."""

    def __init__(self, storage: FileStorage, at: int, error: BaseException, *, after: bool = False) -> None:
        self._storage = storage
        self._at = at
        self._error = error
        self._after = after
        self.calls = 0

    def _do(self, act: Callable[[], Found]) -> Found:
        self.calls += 1
        strikes = self.calls == self._at
        if strikes and not self._after:
            raise self._error
        found = act()
        if strikes:
            raise self._error
        return found

    def list(self, path: str) -> list[Entry]:
        """Passed on."""
        return self._do(lambda: self._storage.list(path))

    def read(self, path: str, limit: int) -> bytes:
        """Passed on."""
        return self._do(lambda: self._storage.read(path, limit))

    def write(self, path: str, data: bytes, time: int | None = None) -> None:
        """Passed on."""
        self._do(lambda: self._storage.write(path, data, time))

    def remove(self, path: str) -> None:
        """Passed on."""
        self._do(lambda: self._storage.remove(path))

    def prune(self, path: str, top: str) -> None:
        """Passed on; by its promise it does not fail."""
        if isinstance(self._error, StorageError):
            self._storage.prune(path, top)
        else:
            self._do(lambda: self._storage.prune(path, top))

    def settle(self) -> dict[str, str]:
        """Passed on."""
        return self._do(self._storage.settle)

    def time(self, path: str) -> int:
        """Passed on."""
        return self._do(lambda: self._storage.time(path))

    def size(self, path: str) -> int:
        """Passed on."""
        return self._do(lambda: self._storage.size(path))

    def alias(self, path: str) -> str | None:
        """Passed on."""
        return self._do(lambda: self._storage.alias(path))

    def room(self) -> Room | None:
        """Passed on."""
        return self._do(self._storage.room)
