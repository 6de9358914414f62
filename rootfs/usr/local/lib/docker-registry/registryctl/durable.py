"""Small files that are whole whenever a run is killed, the disk full or the power cut: the old one, or the new one."""

from __future__ import annotations

import os


def put(path: str | os.PathLike[str], text: str, mode: int) -> None:
    """Puts a file in place, for good. Raises `OSError`."""
    replace(path, text.encode(), mode)
    sync(os.path.dirname(path))


def replace(path: str | os.PathLike[str], content: bytes, mode: int) -> None:
    """Puts a file in place, whole on the disk; for good once its directory is synced. Raises `OSError`."""
    new = f"{os.fspath(path)}.new"
    write(new, content, mode)
    os.replace(new, path)


def write(path: str, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """A file that gets its own name later. What a killed run left there goes; no link is followed. Raises `OSError`."""
    if os.path.lexists(path):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
    except BaseException:
        # A full disk has more need of the room.
        os.unlink(path)
        raise


def sync(directory: str | os.PathLike[str]) -> None:
    """What came, went or has another name there stays so. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
