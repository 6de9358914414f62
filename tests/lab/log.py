"""Short progress lines for people; the details go to log files."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


def say(message: str) -> None:
    """Print one progress line on standard error, so that standard output stays for results."""
    with _lock:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step that takes a while, and how it ended and after how many seconds."""
    say(f"{title} …")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"{title} FAILED ({time.monotonic() - started:.0f} s)")
        raise
    say(f"{title} done ({time.monotonic() - started:.0f} s)")
