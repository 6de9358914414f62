"""What a move has brought to its target, as it was where it comes from: the next look need only tell what differs."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from registryctl import durable
from registryctl.digests import is_digest

Link = tuple[int, str] | None
"""Of a tag: when it was pushed, by the clock of where it comes from, and its digest. Other links stay as they are."""


class Verified:
    """The digests of the content that was found right in the place to which it was moved, in a file of this host."""

    def __init__(self, path: Path, move: str) -> None:
        self._lock = threading.Lock()
        lines = path.read_text(encoding="ascii", errors="replace").split("\n") if path.exists() else []
        if lines[:1] != [move]:
            path.unlink(missing_ok=True)
            lines = []
        # What is behind the last line's end was cut off.
        self._digests = {line for line in lines[1:-1] if is_digest(line)}
        self._path, self._move = path, move
        self._file = self._opened("\n" if lines else f"{move}\n")

    def _opened(self, text: str) -> TextIO:
        file = self._path.open("a", encoding="ascii")
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        return file

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def add(self, digest: str) -> None:
        """This one was."""
        with self._lock:
            self._digests.add(digest)
            self._file.write(f"{digest}\n")
            self._file.flush()

    def only(self, there: Container[str]) -> None:
        """What is not there any more counts no more, for later runs neither."""
        with self._lock:
            gone = {digest for digest in self._digests if digest not in there}
            if gone:
                self._digests -= gone
                self._file.close()
                durable.put(self._path, "\n".join([self._move, *self._digests, ""]), 0o600)
                self._file = self._opened("")


@dataclass
class Known:
    """What the target has, and nothing else. Content is verified."""

    blobs: int = 0
    size: int = 0
    """Of all blobs, in bytes."""
    links: dict[str, Link] = field(default_factory=dict)
    """By path."""


class Knowledge:
    """It, in a file of this host. What is taken is gone: a run that ends halfway leaves none."""

    def __init__(self, path: Path, move: str) -> None:
        self._path, self._move = path, move

    def take(self) -> Known | None:
        """None: nothing is known, or it is of another move."""
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            found = {}
        self.forget()
        if not isinstance(found, dict) or found.get("move") != self._move:
            return None
        links = {path: None if tag is None else (tag[0], tag[1]) for path, tag in found["links"].items()}
        return Known(found["blobs"], found["size"], links)

    def forget(self) -> None:
        """For good."""
        self._path.unlink(missing_ok=True)
        durable.sync(self._path.parent)

    def keep(self, known: Known) -> None:
        """Durably."""
        said = {"move": self._move, "blobs": known.blobs, "size": known.size, "links": known.links}
        durable.put(self._path, json.dumps(said, separators=(",", ":")), 0o600)


def pushed_at(tag: Link) -> int:
    """Nanoseconds since 1970."""
    return 0 if tag is None else tag[0]
