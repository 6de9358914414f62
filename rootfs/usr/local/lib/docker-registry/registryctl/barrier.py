"""The barrier: within it no process lives that could write to the registry's files.

The writer holds a shared lock on the very directory that it writes to, from before its first write to its end, and
waits for that lock when it starts (see `registry-writer`). Closing is stopping the writer and taking the lock for
oneself alone; opening is letting it go. Both locks are the kernel's: whatever ends this process opens the barrier.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from registryctl import generations, writers
from registryctl.journals import BarrierError, BusyError, Journal
from registryctl.machine import RUN, touch
from registryctl.writers import Inode

_COURTESY = 1.0
"""Seconds from telling the proxy to ending the writer. By then the writer has got what was let through."""

_REPEAT = 1.0
"""Seconds after which the proxy is told again, and new writers are looked for."""

_KILL_AFTER = 5.0
"""Seconds after the drain time, after which a writer that still lives is killed."""

_GIVE_UP_AFTER = 10.0
"""Seconds after that, after which nothing is removed."""

_RESTARTS = 20
_POLL = 0.02
_POLL_TURN = 0.2


class HostBarrier:
    """The barrier of this host's registry, for one caller. Everything it holds ends with this process.

    `data` is the directory that the container has as its storage, `reason` what others are told, `patience` how many
    seconds the turn of another tool is waited for, `drain` how many writes under way have to end.
    """

    def __init__(self, data: Path, reason: str, *, drain: float, patience: float = 900, run: Path = RUN) -> None:
        self._data = data
        self._reason = reason
        self._drain = drain
        self._patience = patience
        self._run = run
        self._sockets = run / "sockets"
        self._writers = self._sockets / "writers"
        self._closing = self._sockets / "closing"
        self._has_turn = False
        self._is_closed = False
        self._locks: list[int] = []

    @property
    def locks(self) -> Sequence[int]:
        """The descriptors of what it holds. A process that inherits them holds it too, until it ends."""
        return tuple(self._locks)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within it no other tool removes or brings back anything. BusyError: it did not come in time."""
        try:
            descriptor = os.open(self._run / "turn", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise BarrierError(f"no turn can be taken: {error}") from error
        try:
            self._await_turn(descriptor)
            self._say_whose(descriptor)
            self._has_turn = True
            self._locks = [descriptor]
            yield
        finally:
            self._has_turn = False
            self._locks = []
            os.close(descriptor)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Within it no process lives that could write. BarrierError, and nothing was begun. Only within the turn."""
        if not self._has_turn:
            raise BarrierError("it is not this tool's turn")
        lock = _open_directory(self._data)
        try:
            self._close(lock)
            self._is_closed = True
            self._locks.append(lock)
            yield
        finally:
            self._is_closed = False
            self._locks = [held for held in self._locks if held != lock]
            # Nobody waits longer than needed; where this fails, the word is out of date in some seconds.
            for path in (self._closing, self._run / "closed"):
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    continue
            os.close(lock)

    def journals(self) -> list[Journal]:
        """Those there are now, the oldest first; also outside of the barrier."""
        return generations.journals(self._writers, ended=self._is_closed)

    def forget(self, names: Iterable[str]) -> None:
        """Deletes journals of generations that have ended. Only within the barrier."""
        if not self._is_closed:
            raise BarrierError("generations may live")
        generations.forget(self._writers, names)

    def _await_turn(self, descriptor: int) -> None:
        end = time.monotonic() + self._patience
        while not _lock(descriptor):
            if time.monotonic() > end:
                who = _reason(os.pread(descriptor, 4096, 0))
                raise BusyError(
                    f"another tool{who} has been at the registry's storage for {self._patience:g} s; nothing was done"
                )
            time.sleep(_POLL_TURN)

    def _say_whose(self, turn: int) -> None:
        """For others who wait; nobody is told on a full /run: only a clean-up takes away the journals in it."""
        with suppress(OSError):
            os.ftruncate(turn, 0)
            os.pwrite(turn, self._word(), 0)

    def _close(self, lock: int) -> None:
        try:
            data = Inode.of(self._data)
            process = self._registry(data)
            self._announce()
            time.sleep(_COURTESY)
            self._await_lock(lock, process, data)
            # A container that was started meanwhile is looked at too.
            process = self._registry(data)
            if found := writers.others_that_write(process, data):
                raise BarrierError(f"process {found[0]} of a registry writes without the lock; nothing may be removed")
            generations.take_current_away(self._writers)
            self._say_closed()
        except OSError as error:
            raise BarrierError(f"writes can't be kept out: {error}") from error

    def _registry(self, data: Inode) -> int:
        """The container's first process, 0 where it does not run. BarrierError: its files are not those of the lock."""
        for _ in range(_RESTARTS):
            process = writers.container_process()
            wrong = writers.elsewhere(process, self._data, data)
            sockets = writers.mounted(process, writers.SOCKETS)
            # One that ended in between has nothing any more; the next one may be another.
            if not process or writers.is_running(process):
                break
        else:
            raise BarrierError(f"the container {writers.CONTAINER} starts again and again")
        if not process:
            return 0
        if wrong:
            raise BarrierError(wrong)
        if sockets != Inode.of(self._sockets):
            raise BarrierError(
                f"the container {writers.CONTAINER} is not one that lets its writes be stopped: run pulumi up"
            )
        return process

    def _await_lock(self, lock: int, process: int, data: Inode) -> None:
        begin = time.monotonic()
        asked: set[int] = set()
        look = begin
        while not _lock(lock):
            now = time.monotonic()
            if now >= look:
                late = now - begin > self._drain + _KILL_AFTER
                if now - begin > self._drain + _KILL_AFTER + _GIVE_UP_AFTER:
                    raise BarrierError(f"something holds the lock on {self._data} and does not end")
                self._announce()
                found = writers.holders(process, data) if process else []
                for holder in found:
                    if late or holder not in asked:
                        writers.end(holder, data, at_once=late)
                        asked.add(holder)
                if not found:
                    process = self._registry(data)
                look = now + _REPEAT
            time.sleep(_POLL)

    def _announce(self) -> None:
        """The proxy lets nothing more through while this file is of now."""
        touch(self._closing)

    def _say_closed(self) -> None:
        """For `registry-status`, as long as the lock is held, unless /run is full."""
        new = self._run / f"closed.{os.getpid()}"
        try:
            new.write_bytes(self._word())
            new.replace(self._run / "closed")
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)

    def _word(self) -> bytes:
        return json.dumps({"reason": self._reason, "process": os.getpid(), "since": int(time.time())}).encode() + b"\n"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_directory(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BarrierError(f"there is no {path} to lock: {error}") from error


def _reason(word: bytes) -> str:
    """Who has the turn, in brackets, if that is known."""
    try:
        return f" ({json.loads(word)['reason']})"
    except (ValueError, KeyError, TypeError):
        return ""
