"""The generations of the registry's writer: what each was asked to write, by the journal that the proxy keeps of it.

Their directories are open to the proxy's workers: nothing in them is followed or waited for.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from registryctl import writers
from registryctl.journals import Journal

_NAME = re.compile(r"([0-9]{1,15})-[0-9a-f]{8}")
_CURRENT = "current"


def journals(folder: Path, *, ended: bool) -> list[Journal]:
    """Those below the writers' directory, the oldest first. `ended`: whether no writer can be there."""
    names = sorted(_names(folder), key=_age)
    alive = set() if ended else writers.living_generations() | {_current(folder), *names[-1:]}
    # One begins once the one before has ended.
    ends = [_age(name)[0] for name in names[1:]]
    return [
        _journal(folder / name, name in alive, None if name in alive else end) for name, end in zip_longest(names, ends)
    ]


def take_current_away(folder: Path) -> None:
    """From now on the proxy lets nothing through that it has not written down before."""
    (folder / _CURRENT).unlink(missing_ok=True)


def forget(folder: Path, generations: Iterable[str]) -> None:
    """Deletes the directories of generations."""
    for name in generations:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no generation")
        with suppress(FileNotFoundError):
            shutil.rmtree(folder / name)


def _names(folder: Path) -> list[str]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    return [entry.name for entry in entries if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)]


def _age(name: str) -> tuple[int, str]:
    return int(name.partition("-")[0]), name


def _current(folder: Path) -> str:
    try:
        return (folder / _CURRENT).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _journal(home: Path, lives: bool, until: int | None) -> Journal:
    content = _content(home / "journal")
    # After the content: a line that is lost from now on is not one of these.
    whole = content is not None and _is_file(home / "whole")
    return Journal(home.name, lives, whole, _lines(content or b""), until)


def _content(path: Path) -> bytes | None:
    """None: there is no such file, or something else is in its place."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _lines(content: bytes) -> Iterator[bytes]:
    """Each that has its end, one after the other."""
    start = 0
    while (end := content.find(b"\n", start)) >= 0:
        yield content[start:end]
        start = end + 1


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False
