"""Holding a barrier for longer than the process lives that closed it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from typing import Protocol

from registryctl.journals import Barrier

_COMMAND = "/bin/sleep"


class Held(Protocol):
    """What keeps the writer out even if this process ends: see `Holding`."""

    def until(self, seconds: float) -> None:
        """For so long from now on."""

    def end(self) -> None:
        """No longer."""


class Own(Barrier, Protocol):
    """This host's own barrier."""

    @property
    def locks(self) -> Sequence[int]:
        """What a process has to inherit to hold it too."""


class Holding:
    """A process that has inherited locks, and does nothing but end after a time. That of before ends once it is there.

    Several threads may call it. If this process is killed, nobody writes before those it promised that to have noticed.
    It counts no time in which the host sleeps: it may end late, never early.
    """

    def __init__(self, locks: Sequence[int]) -> None:
        self._locks = locks
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def until(self, seconds: float) -> None:
        """For so long from now on. Raises OSError."""
        quiet = subprocess.DEVNULL
        words = [_COMMAND, str(seconds)]
        with self._lock:
            before = self._process
            self._process = subprocess.Popen(
                words, pass_fds=self._locks, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
            )
            _end(before)

    def end(self) -> None:
        """No longer."""
        with self._lock:
            before, self._process = self._process, None
            _end(before)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.wait()
