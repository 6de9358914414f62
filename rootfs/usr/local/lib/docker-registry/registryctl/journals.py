"""What was written while a plan was made: the proxy's journals, and the barrier that ends them.

A journal is of one generation of the process that writes: it lives, ends, and the next one has another journal.
A line: `SECONDS METHOD REPOSITORY KIND REFERENCE`, or `SECONDS DONE REPOSITORY manifest DIGEST` once one is stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from registryctl.digests import is_digest
from registryctl.layout import blob_path
from registryctl.manifests import LARGEST, references
from registryctl.plan import Fresh
from registryctl.storage import Storage, StorageError

FRESH_SECONDS = 86400
"""How long a push may take from one of its layers to its manifest."""
_KINDS = ("manifest", "blob", "upload")
_WORDS = 5


class BarrierError(Exception):
    """Writes can't be kept out, so nothing may be removed."""

    code = 4
    """What a tool ends with."""


class BusyError(BarrierError):
    """Another tool has had the turn for too long."""

    code = 75


class BrokenOffError(BarrierError):
    """Writes may not be kept out any more: a part was removed, and nothing more may be."""


@dataclass(frozen=True)
class Journal:
    """What one generation was asked to write, up to when it was asked for."""

    generation: str
    lives: bool
    """Whether it may still write: false once its process has ended."""
    whole: bool
    """Whether each write has its line; looked at after the lines were read, so that one that is lost shows."""
    lines: Iterable[bytes]
    """In order, without line ends. A last line without its end is still being written: left out. Readable once."""
    until: int | None = None
    """The second by which it had ended; None where that is not known, or it lives."""


class Barrier(Protocol):
    """Keeps writes out. Everything is of the caller's process and ends with it."""

    def turn(self) -> AbstractContextManager[None]:
        """Within it no other tool removes or brings back anything. BusyError: it did not come in time."""

    def closed(self) -> AbstractContextManager[None]:
        """Within it no process lives that could write. BarrierError, and nothing was begun. Only within the turn."""

    def journals(self) -> list[Journal]:
        """Those there are now, the oldest first; also outside of the barrier. A living one goes on to grow."""

    def forget(self, generations: Iterable[str]) -> None:
        """Deletes journals of generations that have ended. Only within the barrier."""


@dataclass(frozen=True)
class Line:
    """A line that could be read."""

    time: int
    method: str
    repository: str
    kind: str
    reference: str


def line_of(text: bytes) -> Line | None:
    """None: nobody knows what was written."""
    try:
        words = text.decode("ascii").split(" ")
    except UnicodeDecodeError:
        return None
    if len(words) != _WORDS or not words[0].isdigit() or words[3] not in _KINDS:
        return None
    return Line(int(words[0]), *words[1:])


@dataclass
class Touched:
    """What of one repository was written, or may have been."""

    tags: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)


class Written:
    """What journals say."""

    def __init__(self, skip: Mapping[str, int] | None = None) -> None:
        """`skip`: how many lines of each generation are known already."""
        self._skip = skip or {}
        self.touched: dict[str, Touched] = {}
        """By repository: all that was named."""
        self.waiting: dict[str, dict[str, int]] = {}
        """By repository: what no manifest has taken up since, and when it was pushed last."""
        self.under_way: dict[str, set[str]] = {}
        """By repository: tags that a generation was asked to write which may still live."""
        self.counts: dict[str, int] = {}
        """By generation: its lines."""
        self.goes_on_blind = False
        """Whether one lives that misses lines: until it ends, nobody knows what is written."""
        self._latest: dict[str, float] = {}
        self._blind: set[str] = set()

    @property
    def whole(self) -> bool:
        """Whether that is all that was written."""
        return not self._blind

    def read(self, journals: Iterable[Journal], storage: Storage | None = None) -> Written:
        """Reads journals. To know what is fresh it needs the storage, to know what was touched it does not."""
        for journal in journals:
            name, known = journal.generation, self._skip.get(journal.generation, 0)
            count = 0
            for count, text in enumerate(journal.lines, 1):
                if count > known:
                    self._read(text, journal, storage)
            self.counts[name] = count
            if count < known or not journal.whole:
                self._blind.add(name)
            if name in self._blind:
                # Its last line is not the last that it was asked for.
                self._latest[name] = math.inf if journal.until is None else journal.until
                self.goes_on_blind |= journal.lives
        return self

    def _read(self, text: bytes, journal: Journal, storage: Storage | None) -> None:
        line = line_of(text)
        if line is None:
            self._blind.add(journal.generation)
            return
        self._latest[journal.generation] = max(line.time, self._latest.get(journal.generation, 0))
        digest = is_digest(line.reference)
        if storage is None:
            touched = self.touched.setdefault(line.repository, Touched())
            if digest:
                touched.digests.add(line.reference)
            elif line.kind == "manifest":
                touched.tags.add(line.reference)
        elif digest:
            self._note(line, storage)
        elif line.kind == "manifest" and journal.lives:
            self.under_way.setdefault(line.repository, set()).add(line.reference)

    def _note(self, line: Line, storage: Storage) -> None:
        """Tracks what still waits for a manifest. A manifest takes up what it names; an unreadable one nothing."""
        waiting = self.waiting.setdefault(line.repository, {})
        if line.method not in {"DONE", "DELETE"}:
            waiting[line.reference] = line.time
        elif line.method == "DONE" and waiting:
            try:
                its = references(storage.read(blob_path(line.reference), LARGEST))
            except StorageError:
                return
            for name in (*its.blobs, *its.manifests):
                waiting.pop(name, None)

    def fresh(self, now: float) -> Fresh:
        """What a push may still name. Everything is fresh unless it is known to be older."""
        digests = {
            repository: frozenset(digest for digest, time in found.items() if now - time < FRESH_SECONDS)
            for repository, found in self.waiting.items()
        }
        return Fresh(
            {repository: found for repository, found in digests.items() if found},
            {repository: frozenset(tags) for repository, tags in self.under_way.items()},
            any(now - self._latest.get(generation, now) < FRESH_SECONDS for generation in self._blind),
        )

    def is_old(self, generation: str, now: float) -> bool:
        """Whether nothing in a journal matters any more."""
        return now - self._latest.get(generation, 0) >= FRESH_SECONDS
