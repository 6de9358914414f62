"""Locks of the host's tools: of the runs that do the same, one goes after the other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registryctl.endings import EndError
from registryctl.machine import Machine

# Not /run/lock: there everybody may make files, and hold their locks.
FOLDER = Path("/run/docker-registry-locks")


@contextmanager
def locked(machine: Machine, name: str) -> Iterator[None]:
    """Within it nobody else has the lock of this name; it is waited for."""
    folder = machine.path(FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _held(os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)):
        yield


@contextmanager
def alone(directory: Path, busy: str = "") -> Iterator[None]:
    """Within it nobody else has the directory; it is waited for, or else `EndError` says who has it: `busy`."""
    with _held(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), busy):
        yield


@contextmanager
def _held(descriptor: int, busy: str = "") -> Iterator[None]:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
    except BlockingIOError:
        raise EndError("BUSY", busy) from None
    else:
        yield
    finally:
        os.close(descriptor)
