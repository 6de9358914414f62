"""Reads the proxy's log of traffic, each line once, wherever a run is cut off.

What was counted and how far was read change together. The log is never moved or cut, for the proxy writes all the time:
what was counted is given back to the disk, and leaves a hole. So nothing has to be reopened, and no line is lost.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registryctl.hosts.service import SEEN
from registryctl.machine import Machine, noted
from registryctl.metrics import store
from registryctl.metrics.store import Named, State, Store
from registryctl.metrics.traffic import DAY, Counting

LOG = "traffic"
"""Its name among the proxy's logs. Not one that logrotate takes: that cuts files."""

_WELL, _WAS_FULL = 0o600, 0o1600
"""Modes of the database. The second lets nobody do more: it says that the disk of the log was full."""
_CHUNK = 1 << 22
_BLOCK = 4096
_FLUSHED = 2
"""The proxy writes what it has after a second; one more for a busy one."""


def load(machine: Machine) -> State:
    """What the last run left."""
    path = machine.path(store.of_host())
    if not path.exists():
        return State()
    with store.opened(path) as found:
        return found.load()


def read(machine: Machine, logs: Path, named: Named | None = None) -> State:
    """Counts what is new, and says what there is in all. Raises `OSError`.

    Without `named`, as many have a name as before.
    """
    try:
        descriptor = os.open(logs / LOG, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return load(machine)
    with (
        os.fdopen(descriptor, "rb", buffering=0),
        _alone(descriptor),
        store.opened(machine.path(store.of_host())) as kept,
    ):
        return _read(machine, logs / LOG, descriptor, kept, named)


def _read(machine: Machine, log: Path, descriptor: int, kept: Store, named: Named | None) -> State:
    state, its, now = kept.load(), os.fstat(descriptor), machine.now().timestamp()
    database = machine.path(store.of_host())
    if not os.fstatvfs(descriptor).f_bavail:
        # Where there is no room to save anything, the next run has to know it all the same.
        database.chmod(_WAS_FULL)
    known = state.inode, state.offset
    if state.inode != its.st_ino or state.offset > its.st_size:
        state.inode, state.offset = its.st_ino, 0
    state.offset = before = _data_from(descriptor, state.offset)
    replaced = known[0] and known != (state.inode, state.offset) and not 0 <= now - state.until <= store.LATE
    if replaced or database.stat().st_mode & stat.S_ISVTX:
        # Lines may have been lost that nobody counted, on a full disk too: of pulls nobody knows more than of those
        # before counting began.
        state.since = 0
    state.named = named or state.named
    if _has_others(machine):
        state.shared = now
    counting = Counting(state.sums, state.named.groups, state.named.accounts)
    while lines := _next(descriptor, state):
        counting.add(lines)
        kept.save(state, counting.taken())
    # What is forgotten, by a clock that is ahead too, is as if it was before.
    state.since = max(state.since or now, now - store.FORGOTTEN_DAYS * DAY)
    state.until = now - _FLUSHED
    kept.save(state, counting.taken())
    database.chmod(_WELL)
    kept.forget(now)
    # Not what this run read: if the disk forgets what was just saved, the next run has to read it again.
    if hole := before // _BLOCK * _BLOCK:
        machine.run("fallocate", "--punch-hole", "--offset", "0", "--length", str(hole), str(log))
    return state


def _has_others(machine: Machine) -> bool:
    """Whether images are pulled at other hosts of the same bucket too, as their service saw last."""
    hosts = noted(machine.path(SEEN)).get("hosts")
    return isinstance(hosts, list) and len(hosts) > 1


def _data_from(descriptor: int, offset: int) -> int:
    """Behind a hole, which somebody has read whose result is lost."""
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return offset
        raise


def _next(descriptor: int, state: State) -> list[str]:
    """Some whole lines; what is behind the last of them is not finished."""
    data = os.pread(descriptor, _CHUNK, state.offset)
    end = data.rfind(b"\n") + 1
    if not end:
        # No line is as long as that.
        state.offset += len(data) if len(data) == _CHUNK else 0
        return [""] if len(data) == _CHUNK else []
    state.offset += end
    # A hole ends with a block, and a line within one.
    return data[: end - 1].lstrip(b"\0").decode("ascii", "replace").split("\n")


@contextmanager
def _alone(descriptor: int) -> Iterator[None]:
    """Another run that somebody starts by hand waits."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
