"""What this process has open: a test of a leak looks before and after."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_HERE = "/proc/self/fd"


def descriptors() -> set[tuple[str, str]]:
    """Numbers, and where they lead. Of those that earlier tests left, any may go at any time: nothing may come."""
    found = set()
    # The directory itself is closed again before its links are read.
    for number in os.listdir(_HERE):  # noqa: PTH208
        with suppress(FileNotFoundError):
            found.add((number, str(Path(f"{_HERE}/{number}").readlink())))
    return found
