"""A mirror's storage that fails, or whose user is killed, at one call."""

from __future__ import annotations

from collections.abc import Callable

from registryctl.mirrors.files import MirrorFiles
from registryctl.storage import Entry
from tests.registryctl.faults import FaultyStorage, Found, KilledError


class FaultyMirror(FaultyStorage):
    """See `FaultyStorage`. Whoever is killed while he reads has changed nothing: those calls don't count."""

    _storage: MirrorFiles

    def _read(self, act: Callable[[], Found]) -> Found:
        return act() if isinstance(self._error, KilledError) else self._do(act)

    def list(self, path: str) -> list[Entry]:
        """Passed on."""
        return self._read(lambda: self._storage.list(path))

    def read(self, path: str, limit: int) -> bytes:
        """Passed on."""
        return self._read(lambda: self._storage.read(path, limit))

    def time(self, path: str) -> int:
        """Passed on."""
        return self._read(lambda: self._storage.time(path))

    def size(self, path: str) -> int:
        """Passed on."""
        return self._read(lambda: self._storage.size(path))

    def touch(self, path: str, time: float) -> None:
        """Passed on."""
        self._do(lambda: self._storage.touch(path, time))

    def move(self, path: str, to: str) -> None:
        """Passed on."""
        self._do(lambda: self._storage.move(path, to))
