"""Which blobs go: those that nothing leads to any more, neither a registry's links nor a record."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from registryctl.digests import is_digest
from registryctl.layout import BLOBS, blob_path
from registryctl.plan import Plan
from registryctl.reading import shown
from registryctl.removal import AFTER, BEFORE
from registryctl.storage import Kind, NotThere, Storage, StorageError

RECORDED, ASIDE = 4, 8
"""Whether a record holds a blob: one that is there; the one that this run makes. Above: the number of the newest."""
_NUMBERS = 4


class Waiting(NamedTuple):
    """A blob that only records hold."""

    digest: str
    size: int


@dataclass
class Sweep:
    """Who holds which blob."""

    holders: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """Prefixes of digests to which unreadable links may lead."""

    def record(self, number: int, held: Iterable[str]) -> None:
        """An older record; the numbers grow with time, from 0."""
        for digest in held:
            flags = self.holders.get(digest, 0) & ((1 << _NUMBERS) - 1)
            self.holders[digest] = flags | RECORDED | number << _NUMBERS

    def aside(self, held: Iterable[str]) -> None:
        """What this run puts aside."""
        for digest in held:
            self.holders[digest] = self.holders.get(digest, 0) | ASIDE

    def choose(self, storage: Storage, plan: Plan, old: int, *, garbage: bool = True) -> dict[int, list[Waiting]]:
        """Puts into the plan what goes when the `old` oldest records do; what then waits, by the newest that has it.

        `garbage`: what nothing ever held counts as leaving too.
        """
        waiting: dict[int, list[Waiting]] = {}
        beginnings = tuple(self.held)
        for digest, size in blobs(storage, plan.faults):
            plan.total += size
            flags = self.holders.get(digest, 0)
            if flags & AFTER or (beginnings and digest.startswith(beginnings)):
                continue
            if flags & BEFORE or (garbage and not flags & RECORDED):
                plan.leaving += size
            recorded = flags & RECORDED and flags >> _NUMBERS >= old
            if flags & ASIDE:
                # What an older record has too stays, even where this run makes none.
                if not recorded:
                    plan.aside[digest] = size
            elif recorded:
                waiting.setdefault(flags >> _NUMBERS, []).append(Waiting(digest, size))
            else:
                plan.blobs[digest] = size
        return waiting


def blobs(storage: Storage, faults: list[str]) -> Iterator[tuple[str, int]]:
    """All blobs that are well-formed, with their sizes; what else is there is added to the faults."""
    for algorithm in _names(storage, faults, BLOBS, linked=True):
        for two in _names(storage, faults, f"{BLOBS}/{algorithm}", linked=True):
            for name in _names(storage, faults, f"{BLOBS}/{algorithm}/{two}"):
                digest = f"{algorithm}:{name}"
                if not is_digest(digest) or two != name[:2]:
                    faults.append(f"{shown(f'{BLOBS}/{algorithm}/{two}/{name}')} is no blob")
                    continue
                try:
                    yield sys.intern(digest), storage.size(blob_path(digest))
                except NotThere:
                    continue
                except StorageError as error:
                    faults.append(f"blob {digest} can't be read: {error}")


def _names(storage: Storage, faults: list[str], path: str, *, linked: bool = False) -> list[str]:
    """The directories in one; what else is there is named. `linked`: a disk may have been put there by a link."""
    try:
        entries = storage.list(path)
    except NotThere:
        return []
    except StorageError as error:
        faults.append(f"{shown(path)} can't be listed: {error}")
        return []
    names = []
    for name, kind in entries:
        if kind is Kind.DIRECTORY or (linked and kind is Kind.OTHER):
            names.append(name)
        else:
            faults.append(f"{shown(f'{path}/{name}')} is no blob")
    return names
