"""The storage of a mirror, which goes on writing to it all the time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from registryctl.files import FileStorage, answers
from registryctl.storage import Storage

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class MirrorStorage(Storage, Protocol):
    """What trimming needs besides."""

    def touch(self, path: str, time: float) -> None:
        """Gives a file a time, in seconds since 1970."""

    def move(self, path: str, to: str) -> None:
        """Moves a file to another path, whose directory is made, in one step."""


class MirrorFiles(FileStorage):
    """Files below one directory."""

    def touch(self, path: str, time: float) -> None:
        """See `MirrorStorage`."""
        when = round(time * 1_000_000_000)
        with answers(path):
            os.utime(self._full(path), ns=(when, when), follow_symlinks=False)

    def move(self, path: str, to: str) -> None:
        """See `MirrorStorage`."""
        full, target = self._full(path), self._full(to)
        with answers(path):
            self._make(os.path.dirname(target))  # noqa: PTH120
            os.rename(full, target)  # noqa: PTH104
        self._changed |= {os.path.dirname(full), os.path.dirname(target)}  # noqa: PTH120


def earlier(data: Path) -> list[Path]:
    """The directories of other upstreams that a mirror once had, beside that of its present one. Root makes these."""
    try:
        return sorted(path for path in data.parent.iterdir() if path.name != data.name and path.is_dir())
    except OSError:
        return []


@contextmanager
def within(path: Path) -> Iterator[MirrorStorage]:
    """The storage, as if nothing else were on this host.

    A mirror speaks with strangers, and may put a link in the place of any directory of its own: out of here none leads,
    and so nothing of the registry's goes by one. Within, no module is loaded and no other file is opened. Needs root.
    """
    inside, outside, here = (os.open(one, _DIRECTORY) for one in (path, "/", "."))
    try:
        os.fchdir(inside)
        os.chroot(".")
        yield MirrorFiles("/.")
    finally:
        os.fchdir(outside)
        os.chroot(".")
        os.fchdir(here)
        for one in (outside, here, inside):
            os.close(one)
