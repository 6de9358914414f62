"""The registry's processes, as the host sees them: which one holds the lock of those who write."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registryctl.journals import BarrierError

CONTAINER = "registry"
DATA = "var/lib/registry"
SOCKETS = "run/registry"
"""Where the container has its files and its sockets."""

_TOOL = Path(__file__).resolve().parent.parent / "container-process"
_PROC = Path("/proc")
_READER = b"/etc/distribution/reader.yml"
_ADDRESS = b"REGISTRY_HTTP_ADDR=/run/registry/writers/"
_SECONDS = 30
_ESCAPE = re.compile(rb"\\([0-7]{3})")
"""How the kernel writes a space in a path."""


@dataclass(frozen=True)
class Inode:
    """What a path leads to, whatever else it is called."""

    device: int
    number: int

    @classmethod
    def of(cls, path: Path) -> Inode:
        """Follows links. Raises `OSError`."""
        found = path.stat()
        return cls(found.st_dev, found.st_ino)


def container_process() -> int:
    """The first process of this stack's container `registry`; 0 where it does not run."""
    try:
        done = subprocess.run([_TOOL, CONTAINER], capture_output=True, text=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BarrierError(f"whether the registry runs can't be found out: {error}") from error
    if done.returncode != 0 or not done.stdout.strip().isdigit():
        raise BarrierError("Docker does not say whether the registry runs")
    return int(done.stdout)


def mounted(process: int, inside: str) -> Inode | None:
    """What a container has at a path of its own. None: nothing, or the process has ended."""
    return _inode(_PROC / str(process) / "root" / inside)


def mounted_elsewise(process: int, data: Path) -> str | None:
    """Where within its files a container has something else than this host: of a later mount it sees nothing."""
    for place in sorted({*_mounts(_PROC / "self", str(data.resolve())), *_mounts(_PROC / str(process), f"/{DATA}")}):
        if _inode(_PROC / str(process) / "root" / DATA / place) != _inode(data / place):
            return place
    return None


def elsewhere(process: int, data: Path, inode: Inode) -> str:
    """How a container's files are not those at `data`, which is `inode`, and what to do; empty: they are."""
    if mounted(process, DATA) != inode:
        return f"the container {CONTAINER} has other files than {data}: restart it, or run pulumi up"
    if (place := mounted_elsewise(process, data)) is not None:
        return f"the container {CONTAINER} has something else at {data / place}: restart it"
    return ""


def writes_elsewhere(data: Path) -> str:
    """As `elsewhere`, of the container that runs now; empty too where none does. BarrierError: Docker does not say."""
    process = container_process()
    try:
        wrong = elsewhere(process, data, Inode.of(data)) if process else ""
    except OSError as error:
        return f"{data} can't be looked at: {error}"
    # One that has ended meanwhile has nothing any more.
    return wrong if wrong and is_running(process) else ""


def is_running(process: int) -> bool:
    """Whether it has not ended."""
    return (_PROC / str(process)).exists() and _link(process, "ns/pid") != ""


def holders(process: int, data: Inode) -> list[int]:
    """The processes of the container of `process` that hold the lock on `data`."""
    return [found for found in _beside(process) if _holds(found, data)]


def end(process: int, data: Inode, *, at_once: bool) -> None:
    """Asks a process that holds the lock on `data` to end, or kills it. Does nothing if it has ended meanwhile."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(process)
        try:
            # The number may be another's by now; from here on it is this one's.
            if _holds(process, data):
                signal.pidfd_send_signal(handle, signal.SIGKILL if at_once else signal.SIGTERM)
        finally:
            os.close(handle)


def others_that_write(process: int, data: Inode) -> list[int]:
    """Processes of a registry that are no reader, in the container of `process` or in another one that has `data`.

    Such as one that was started by hand, or a second registry over the same files: what it writes nobody notes.
    """
    beside = set(_beside(process))
    return [
        found
        for found in _processes()
        if _link(found, "exe").rpartition("/")[2] == "registry"
        and _READER not in _bytes(found, "cmdline")
        and (found in beside or _may_write_to(found, data))
    ]


def living_generations() -> set[str]:
    """The generations of which a process is there."""
    found = set()
    for process in _processes():
        for entry in _bytes(process, "environ").split(b"\0"):
            if entry.startswith(_ADDRESS):
                found.add(entry[len(_ADDRESS) :].decode("ascii", "replace").partition("/")[0])
    return found


def _may_write_to(process: int, data: Inode) -> bool:
    """Whether it has that directory mounted somewhere, and not only to read."""
    lines = [line.split(b" ")[4:6] for line in _bytes(process, "mountinfo").splitlines()]
    places = [_unescaped(line[0]).lstrip("/") for line in lines if b"ro" not in line[-1].split(b",")]
    return any(mounted(process, place) == data for place in places)


def _unescaped(point: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), point))


def _mounts(process: Path, top: str) -> list[str]:
    """What is mounted below a directory, as that process sees it: relative paths."""
    above = f"{top}/"
    paths = [_unescaped(line.split(b" ")[4]) for line in _bytes_of(process / "mountinfo").splitlines()]
    return [path.removeprefix(above) for path in paths if path.startswith(above)]


def _inode(path: Path) -> Inode | None:
    try:
        return Inode.of(path)
    except OSError:
        return None


def _beside(process: int) -> Iterator[int]:
    space = _link(process, "ns/pid")
    for found in _processes():
        if space and _link(found, "ns/pid") == space:
            yield found


def _processes() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _holds(process: int, data: Inode) -> bool:
    try:
        names = [entry.name for entry in (_PROC / str(process) / "fd").iterdir()]
    except OSError:
        return False
    return any(_is_lock(process, name, data) for name in names)


def _is_lock(process: int, descriptor: str, data: Inode) -> bool:
    try:
        if Inode.of(_PROC / str(process) / "fd" / descriptor) != data:
            return False
    except OSError:
        return False
    return b"FLOCK" in _bytes(process, f"fdinfo/{descriptor}")


def _link(process: int, name: str) -> str:
    try:
        return str((_PROC / str(process) / name).readlink())
    except OSError:
        return ""


def _bytes(process: int, name: str) -> bytes:
    return _bytes_of(_PROC / str(process) / name)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
