"""Makes directories with owner and mode; the content of one that is there is left alone.

A path is refused of which anybody but root could replace a part, by a link or as a directory's owner: he could make
root change the owner and mode of anything.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence

from registryctl.endings import ToolError
from registryctl.putting import ids

_LINKS = 20


def run(words: Sequence[str], name: str) -> int:
    """ensure-directories LINES: as many on standard input, MODE USER:GROUP PATH each; parents come first."""
    lines = sys.stdin.read().splitlines()
    if len(lines) != int(words[0]):
        raise ToolError(f"{name}: the list did not arrive whole; nothing was changed")
    os.umask(0o077)
    make(lines)
    return 0


def make(lines: Sequence[str]) -> None:
    """Raises `ToolError`. Under a umask by which a missing parent is root's alone; a line of its own may open it."""
    for line in lines:
        mode, owner, path = line.split(" ", 2)
        _look_at_the_way(path)
        os.makedirs(path, exist_ok=True)
        os.chown(path, *ids(owner))
        os.chmod(path, int(mode, 8))


def _look_at_the_way(path: str) -> None:
    """From the top down: a part is looked at only inside a directory that was found to be safe."""
    trusted = {0, os.getuid()}
    at, left, links = "", path.split("/"), 0
    while left:
        here = f"{at}/{left.pop(0)}"
        try:
            found = os.lstat(here)
        except OSError:
            return
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > _LINKS:
                _refuse(path, here, "links lead in a circle")
            if found.st_uid not in trusted:
                _refuse(path, here, f"it is a link that user {found.st_uid} made")
            target = os.readlink(here)
            at = "" if target.startswith("/") else at
            left = [*target.split("/"), *left]
            continue
        at = here.rstrip("/")
        # The last one changes its owner and mode.
        if not left:
            return
        if found.st_uid not in trusted:
            _refuse(path, here, f"it belongs to user {found.st_uid}")
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            _refuse(path, here, "everybody may write to it")


def _refuse(path: str, here: str, why: str) -> None:
    raise ToolError(
        f"ensure-directories: {here}: on the way to {path}, {why}; look who did that, and give it to root or remove it"
    )
