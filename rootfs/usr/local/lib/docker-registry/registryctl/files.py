"""A storage of files on this host."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time as clock
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registryctl import durable
from registryctl.storage import Entry, Kind, NoFile, NoRoom, NotThere, Plain, Room, Unreadable

_SCRATCH = ".registryctl.new"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# Distribution 2 makes a file empty before it writes it: an empty one of just now deserves another look.
_LOOKS = 3
_BETWEEN_LOOKS = 0.02
_JUST_WRITTEN = 2.0


@contextmanager
def answers(path: str) -> Iterator[None]:
    """The system's errors in this interface's words."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotThere(path) from error
    except OSError as error:
        full = error.errno in _FULL
        raise (NoRoom if full else Unreadable)(f"{path}: {error.strerror or error}") from error
    except ValueError as error:  # No path has such a letter.
        raise NotThere(repr(path)) from error


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_dir(follow_symlinks=False):
        return Kind.DIRECTORY
    return Kind.FILE if entry.is_file(follow_symlinks=False) else Kind.OTHER


class FileStorage(Plain):
    """All below one directory. What it makes belongs to whom the directory belongs in which it lies."""

    def __init__(self, root: Path | str) -> None:
        self._root = os.fspath(root)
        self._changed: set[str] = set()
        self._making = threading.Lock()

    def _full(self, path: str) -> str:
        framed = f"/{path}/"
        if "//" in framed or "/./" in framed or "/../" in framed:
            raise NotThere(f"{path!r} is no path")
        return f"{self._root}/{path}"

    def list(self, path: str) -> list[Entry]:
        """What is directly below."""
        with answers(path), os.scandir(self._full(path)) as entries:
            return [Entry(entry.name, _kind(entry)) for entry in entries]

    def read(self, path: str, limit: int) -> bytes:
        """A file's content. Never waits for a pipe or another special file."""
        for _ in range(_LOOKS):
            data, written = self._read(path, limit)
            if data or abs(clock.time() - written) > _JUST_WRITTEN:
                break
            clock.sleep(_BETWEEN_LOOKS)
        return data

    def _read(self, path: str, limit: int) -> tuple[bytes, float]:
        with answers(path):
            descriptor = os.open(self._full(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode):
                    raise NoFile(f"{path}: no file")
                # One call may bring less than there is.
                parts, left = [], limit + 1
                while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
                    parts.append(part)
                    left -= len(part)
            finally:
                os.close(descriptor)
        if left <= 0:
            raise NoFile(f"{path}: larger than {limit} bytes")
        return b"".join(parts), found.st_mtime

    def write(self, path: str, data: bytes, time: int | None = None) -> None:
        """Written beside the tree, where a crash leaves nothing in the way, and put in place when it is durable."""
        self._put(path, [data], _SCRATCH, time)

    def pieces(self, path: str, size: int) -> Iterator[bytes]:
        """A file's content, so many bytes at a time."""
        with answers(path), open(self._full(path), "rb") as file:  # noqa: PTH123
            while piece := file.read(size):
                yield piece

    def write_large(self, path: str, pieces: Iterable[bytes], number: int) -> None:
        """As `write` does, of what may be larger than memory. Of those that write at a time each has another number."""
        self._put(path, pieces, f"{_SCRATCH}.{number}", None)

    def _put(self, path: str, pieces: Iterable[bytes], name: str, time: int | None) -> None:
        target = self._full(path)
        parent = os.path.dirname(target)  # noqa: PTH120  # as text: there may be many
        with answers(path):
            with self._making:
                self._make(parent)
            owner = os.stat(parent)  # noqa: PTH116
            near = owner.st_dev != os.stat(self._root).st_dev  # noqa: PTH116
            scratch = f"{parent if near else self._root}/{name}"
            self._scratch(scratch, pieces, owner, time)
            os.replace(scratch, target)  # noqa: PTH105
            durable.sync(parent)

    def _scratch(self, path: str, pieces: Iterable[bytes], owner: os.stat_result, time: int | None) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
                os.fchmod(descriptor, owner.st_mode & 0o666 | 0o600)
                if time is not None:
                    os.utime(descriptor, ns=(time, time))
                os.fsync(descriptor)
        except BaseException:
            os.unlink(path)  # noqa: PTH108
            raise

    def _make(self, directory: str) -> None:
        missing = []
        while not os.path.isdir(directory):  # noqa: PTH112
            missing.append(directory)
            directory = os.path.dirname(directory)  # noqa: PTH120
        for new in reversed(missing):
            owner = os.stat(directory)  # noqa: PTH116
            os.mkdir(new)  # noqa: PTH102
            os.chmod(new, stat.S_IMODE(owner.st_mode))  # noqa: PTH101
            os.chown(new, owner.st_uid, owner.st_gid)
            durable.sync(directory)
            directory = new

    def remove(self, path: str) -> None:
        """Removes one file."""
        full = self._full(path)
        with answers(path):
            os.unlink(full)  # noqa: PTH108
        self._changed.add(os.path.dirname(full))  # noqa: PTH120

    def prune(self, path: str, top: str) -> None:
        """Removes empty directories upwards."""
        full, end = self._full(path), self._full(top)
        while full.startswith(f"{end}/"):
            parent = os.path.dirname(full)  # noqa: PTH120
            try:
                os.rmdir(full)  # noqa: PTH106
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError:
                return
            else:
                self._changed.add(parent)
            self._changed.discard(full)
            full = parent

    def settle(self) -> dict[str, str]:
        """Flushes each directory from which something went. What stays was said by `remove`."""
        for path in sorted(self._changed):
            with answers(path):
                try:
                    durable.sync(path)
                except FileNotFoundError:
                    continue
        self._changed.clear()
        return {}

    def time(self, path: str) -> int:
        """When it was written."""
        with answers(path):
            return os.stat(self._full(path)).st_mtime_ns  # noqa: PTH116

    def size(self, path: str) -> int:
        """How many bytes."""
        with answers(path):
            return os.stat(self._full(path)).st_size  # noqa: PTH116

    def alias(self, path: str) -> str | None:
        """Where a symbolic link leads to."""
        real, root = os.path.realpath(self._full(path)), os.path.realpath(self._root)
        return real[len(root) + 1 :] if real.startswith(f"{root}/") else None

    def room(self) -> Room | None:
        """As `df` counts: space reserved for root is not free."""
        with answers(self._root):
            found = os.statvfs(self._root)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        return Room(used, used + found.f_bavail * found.f_frsize)
