"""For whom the registry's writes wait, and since when."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

# As the proxy has it (gate.js).
_CLOSING_SECONDS = 5


@dataclass(frozen=True)
class Holder:
    """The one who keeps writes out: what it says of itself, since when by Unix time. 0 and nothing: it does not say."""

    since: int = 0
    reason: str = ""


def holder(data: Path, run: Path, now: float) -> Holder | None:
    """None: writes go on. `data` is the registry's storage, `run` the tools' own place. Raises `OSError`."""
    if _is_closed(data):
        return _word(run / "closed")
    return _word(run / "turn") if _is_closing(run / "sockets/closing", now) else None


def _is_closed(data: Path) -> bool:
    """Whether somebody has the lock of those who write for himself alone."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_closing(word: Path, now: float) -> bool:
    """Whether somebody waits for the writer's end."""
    try:
        return abs(now - word.stat().st_mtime) < _CLOSING_SECONDS
    except FileNotFoundError:
        return False


def _word(path: Path) -> Holder:
    try:
        word = json.loads(path.read_bytes())
        return Holder(max(int(word["since"]), 0), str(word["reason"]).partition("\n")[0])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return Holder()
