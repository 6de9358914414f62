"""Restores a whole backup: content first, then links, then tags, then the host's own files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from registryctl.backups import HOST, LINKS, TAGS
from registryctl.endings import EndError
from registryctl.files import FileStorage
from registryctl.locks import alone
from registryctl.placing import Links, Placed, place_files
from registryctl.reading import read_catalogue
from registryctl.staging import Stage, make_directory
from registryctl.storage import NotThere, StorageError
from registryctl.taking import DATA

_NAME = "restoring"
_MARK = f"{DATA}/{_NAME}"
"""Names the backup whose restoring has begun and not ended."""


@dataclass(frozen=True)
class Restored:
    """A whole backup that is there."""

    placed: Placed
    lost: int
    """Blobs that are in the backup and did not come whole."""
    damage: str
    fetched: int
    seconds: float


def begun(root: Path) -> str | None:
    """The run whose restoring was cut off here."""
    try:
        return (root / _MARK).read_text().strip() or None
    except (OSError, ValueError):
        return None


def is_empty(root: Path) -> bool:
    """Whether a registry has no repository in which anything is. Raises `EndError` where that is not known."""
    try:
        return not read_catalogue(FileStorage(root / DATA)).names
    except NotThere:
        return True
    except StorageError as error:
        raise EndError("UNREADABLE", f"the repositories can't be listed: {error}") from None


def restore(stage: Stage, closed: Callable[[], AbstractContextManager[None]], *, merge: bool = False) -> Restored:
    """Brings everything that is not here. `closed` keeps writers out while links are placed.

    Refuses where there are images, unless they are of the same restoring, which was cut off, or may be added to.
    """
    begin = time.monotonic()
    root, run = stage.root, stage.backup.run
    whole = begun(root) == run or is_empty(root)
    if not (merge or whole):
        raise EndError("NOT_EMPTY", f"there are images below {root}; --merge adds what is missing and changes no tag")
    make_directory(root / DATA)
    if whole:
        # Until the end the registry lacks something, and must not be backed up as it is.
        FileStorage(root / DATA).write(_NAME, f"{run}\n".encode())
    stage.begin()
    stage.content()
    for part in (TAGS, LINKS, HOST):
        stage.fetch(part)
    placed = Placed()
    links = Links(stage, placed)
    links.look()
    # What is put in place by its name has to be whole after a power cut too.
    os.sync()
    place_files(stage, placed)
    with closed():
        links.place()
    placed.blobs = len(stage.good)
    os.sync()
    stage.clear()
    # Of another restoring, which was cut off, this one added something to what is not whole yet.
    if begun(root) == run:
        (root / _MARK).unlink(missing_ok=True)
    return Restored(placed, len(stage.lost), stage.damage, stage.fetched, time.monotonic() - begin)


@contextmanager
def nobody_writes(root: Path) -> Iterator[None]:
    """On a host without the stack's tools: no registry may run on these files. Raises `EndError`."""
    top = root / DATA.partition("/")[0]
    fresh = not top.exists()
    make_directory(root / DATA)
    if fresh:
        # `up` wants it so, and nobody has to look in before.
        top.chmod(0o700)
    with alone(root / DATA, f"a registry runs on {root}, or another restore: without --into it is told"):
        yield


@contextmanager
def nobody_is_there() -> Iterator[None]:
    """Where no registry runs, nobody has to be kept out."""
    yield
