"""What this host remembers of its backups, for registry-status and for the next run."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from registryctl import host, machine

NAME = "backup"


def read() -> dict[str, Any]:
    """What is known; nothing where that can't be read."""
    try:
        found = json.loads(host.last_result(NAME))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def note(**facts: object) -> None:
    """Adds to what is known, or takes away what is None. Raises `OSError`."""
    with _alone():
        known = {name: value for name, value in {**read(), **facts}.items() if value is not None}
        host.leave_result(NAME, json.dumps(known))


@contextmanager
def _alone() -> Iterator[None]:
    """A drill may end while a backup does: neither forgets what the other one notes."""
    descriptor = os.open(machine.RESULTS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
