"""Puts metrics where they are read: whole, or not at all.

The proxy's and the registry's containers, which may have been taken over, write to the directory above that of the
proxy's: no link is followed there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

READERS = 3
"""The group of the proxy's workers (sys), in which nobody of the host is."""

_NAME = "metrics"


def for_proxy(sockets: Path, name: str, text: str) -> None:
    """A file that the proxy's workers read; with nothing to say there is none. Raises `OSError`."""
    parent = os.open(sockets, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(FileExistsError):
            os.mkdir(_NAME, 0o700, dir_fd=parent)
        directory = os.open(_NAME, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    finally:
        os.close(parent)
    try:
        os.fchown(directory, 0, READERS)
        os.fchmod(directory, 0o750)
        _put(directory, name, text, READERS, 0o640)
    finally:
        os.close(directory)


def for_exporter(directory: Path, name: str, text: str) -> None:
    """A file that node_exporter reads, who may be anybody: nothing in it is secret. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _put(descriptor, name, text, 0, 0o644)
    finally:
        os.close(descriptor)


def _put(directory: int, name: str, text: str, group: int, mode: int) -> None:
    if not text:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        return
    # node_exporter reads no file of another ending; a run that was killed left one.
    new = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(new, dir_fd=directory)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fchown(descriptor, 0, group)
        os.fchmod(descriptor, mode)
    os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)
