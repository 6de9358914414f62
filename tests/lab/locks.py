"""Locks between lab commands that run at the same time on one machine."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.paths import cache_dir
from tests.lab.run import LabError


@contextmanager
def locked(name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the machine-wide lock `name`. With `wait=False` a lock held elsewhere is a LabError.

    The kernel drops the lock with the process, so a killed command leaves nothing to clean up.
    """
    path = cache_dir("locks") / f"{name}.lock"
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise LabError(f"another lab command holds {name!r}: wait for it to end") from None
        yield
