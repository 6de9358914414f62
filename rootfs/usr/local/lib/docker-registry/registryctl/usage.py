"""`registryctl usage`: how much space each repository and tag takes, and what its removal would free."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registryctl import trash
from registryctl.clean_up import megabytes
from registryctl.consequences import subject_of
from registryctl.endings import EndError, count, printable
from registryctl.host import Host, open_host
from registryctl.local import Stored, catalogue, stored
from registryctl.metrics import sizes
from registryctl.metrics.store import Pulled
from registryctl.options import Parser
from registryctl.pulls import known
from registryctl.selection import first_fit
from registryctl.storage import StorageError
from registryctl.sweep import blobs

USAGE = """\
{name} [--json] [REPOSITORY]...

Says of each repository and each of its tags how much it holds alone and how much others hold too, and what its removal
would free: megabytes of the disk, or bytes with --json. REPOSITORY may be a pattern: 'team/**'.

alone   what nothing else needs
shared  what others need too: other tags, other repositories, images without a tag, what can be brought back
frees   what the removal of the tag, and of what is attached to its image, would free

The sum is the disk's: what repositories hold alone, what several hold, what only the trash holds, what nothing needs.
After a removal the space is free once a clean-up has run and the trash has let go of it.

Where metrics are enabled it also says of each tag when it was pulled last, by its name or by a digest to which it
leads, and how often by its name in the last 30 days.

Exit code: 0 said; 1 something went wrong; 2 wrong use; 6 nothing fits; 14 the storage can't be read.
"""

NOBODY, SHARED = -1, -2


@dataclass
class Share:
    """What one holds, in bytes."""

    name: str
    held: int = 0
    alone: int = 0
    frees: int = 0
    pulled: Pulled | None = None
    """None: nobody has counted."""

    def document(self) -> dict[str, object]:
        """For `--json`."""
        sizes = {"name": self.name, "alone": self.alone, "shared": self.held - self.alone, "frees": self.frees}
        if self.pulled is None:
            return sizes
        return {**sizes, "lastPull": _iso(self.pulled.last) or None, "pulls30Days": self.pulled.times}

    def line(self) -> str:
        """For people."""
        parts = (f"{word} {megabytes(size):>12}" for word, size in
                 (("alone", self.alone), ("shared", self.held - self.alone), ("frees", self.frees)))  # fmt: skip
        return f"{'  '.join(parts)}  {self.name}{self._pulls()}"

    def _pulls(self) -> str:
        if self.pulled is None:
            return ""
        if not self.pulled.last:
            return "  never pulled"
        return f"  pulled {_iso(self.pulled.last)}, {count(self.pulled.times, 'time')} in 30 days"


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else ""


@dataclass
class Owner:
    """A holder in the tree in which an attached artifact is below the tag that it goes with; -1: nothing is above."""

    share: Share
    above: int = NOBODY
    depth: int = 0


@dataclass
class Usage:
    """All of a registry."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Blob → bytes."""
    owners: list[Owner] = field(default_factory=list)
    repositories: list[tuple[Share, list[Share]]] = field(default_factory=list)
    trash: int = 0
    shared: int = 0
    unneeded: int = 0
    _only: dict[str, int] = field(default_factory=dict)
    """Blob → the one that needs it, or SHARED."""
    _under: dict[str, int] = field(default_factory=dict)
    """Blob → the lowest owner whose removal frees it, or SHARED."""
    _repository: dict[str, int] = field(default_factory=dict)
    """Blob → the repository that holds it, or SHARED."""

    @property
    def total(self) -> int:
        """Bytes of all blobs."""
        return sum(self.sizes.values())

    def owner(self, name: str) -> int:
        """A new one."""
        self.owners.append(Owner(Share(name)))
        return len(self.owners) - 1

    def holds(self, owner: int, found: Iterable[str]) -> None:
        """An owner needs these blobs."""
        for blob in set(found) & self.sizes.keys():
            self.owners[owner].share.held += self.sizes[blob]
            self._only[blob] = owner if self._only.get(blob, owner) == owner else SHARED
            self._under[blob] = self._common(self._under.get(blob, owner), owner)

    def belongs(self, repository: int, found: Iterable[str]) -> int:
        """A repository, or the trash, holds these blobs; how many bytes that is."""
        held = set(found) & self.sizes.keys()
        for blob in held:
            self._repository[blob] = repository if self._repository.get(blob, repository) == repository else SHARED
        return sum(self.sizes[blob] for blob in held)

    def _common(self, one: int, other: int) -> int:
        """The lowest that both are below."""
        while one != other:
            if SHARED in (one, other) or NOBODY in (one, other):
                return SHARED
            if self.owners[one].depth >= self.owners[other].depth:
                one = self.owners[one].above
            else:
                other = self.owners[other].above
        return one if one != NOBODY else SHARED

    def settle(self, in_trash: int, names: dict[int, Share]) -> None:
        """Adds up, once all is known."""
        for blob, size in self.sizes.items():
            repository = self._repository.get(blob, NOBODY)
            if repository == NOBODY:
                self.unneeded += size
            elif repository == SHARED:
                self.shared += size
                continue
            elif repository == in_trash:
                self.trash += size
            else:
                names[repository].alone += size
                names[repository].frees += size
            if (only := self._only.get(blob, NOBODY)) >= 0:
                self.owners[only].share.alone += size
            if (under := self._under.get(blob, NOBODY)) >= 0:
                self.owners[under].share.frees += size
        for owner in sorted(self.owners, key=lambda its: -its.depth):
            if owner.above >= 0:
                self.owners[owner.above].share.frees += owner.share.frees


def run(words: Sequence[str], name: str) -> int:
    """Says it; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("repositories", nargs="*", default=[])
    options = parser.parse(words)
    host = open_host("usage", 1)
    try:
        found = measured(host)
    except StorageError as error:
        raise EndError("UNREADABLE", str(error)) from None
    with contextlib.suppress(OSError):
        sizes.remember(found)
    wanted = options.repositories or ["**"]
    shown = [(share, tags) for share, tags in found.repositories if first_fit(wanted, share.name)]
    if not shown and options.repositories:
        raise EndError("UNMATCHED", f"nothing fits {' '.join(options.repositories)}")
    if options.json:
        _print_json(found, shown)
    else:
        for share, tags in shown:
            for one in (share, *tags):
                print(printable(one.line()))
        single = sum(share.alone for share, _ in found.repositories)
        parts = (
            f"{megabytes(single)} of single repositories",
            f"{megabytes(found.shared)} of several",
            f"{megabytes(found.trash)} of the trash alone",
            f"{megabytes(found.unneeded)} that nothing needs",
        )
        print(f"{megabytes(found.total)}: {', '.join(parts)}")
    return 0


def _print_json(found: Usage, shown: Sequence[tuple[Share, list[Share]]]) -> None:
    repositories = [{**share.document(), "tags": [tag.document() for tag in tags]} for share, tags in shown]
    sums = {"shared": found.shared, "trash": found.trash, "unneeded": found.unneeded, "total": found.total}
    print(json.dumps({"repositories": repositories, **sums}, indent=2))


def measured(host: Host) -> Usage:
    """What everything holds. Raises `StorageError`, or `EndError` where a repository can't be read wholly."""
    faults: list[str] = []
    usage = Usage(dict(blobs(host.storage, faults)))
    for fault in faults:
        print(printable(f"not counted: {fault}"), file=sys.stderr)
    shares: dict[int, Share] = {}
    for number, name in enumerate(catalogue(host.storage), start=1):
        found = stored(host.storage, name)
        if found is not None:
            shares[number] = Share(name)
            usage.repositories.append((shares[number], _measure(usage, found, number, shares[number])))
    # A number that no repository has.
    in_trash, nobody_s = 0, usage.owner("trash")
    for run_name in trash.runs(host.storage):
        held = trash.load(host.storage, run_name).blobs()
        usage.belongs(in_trash, held)
        usage.holds(nobody_s, held)
    usage.settle(in_trash, shares)
    return usage


def _measure(usage: Usage, found: Stored, number: int, share: Share) -> list[Share]:
    """Measures one repository: each tag, and images without a tag.

    What an image needs is asked twice, and not kept: of thousands each may need the same thousands of manifests.
    """
    its = found.repository
    owners = {tag: usage.owner(f"{found.name}:{tag}") for tag in sorted(its.tags)}
    tags: dict[str, list[str]] = {}
    for tag, digest in its.tags.items():
        tags.setdefault(digest, []).append(tag)
    only: dict[str, str | None] = {}
    for digest, names in tags.items():
        for manifest in found.needs([digest]).manifests:
            only[manifest] = names[0] if manifest not in only and len(names) == 1 else None
    _attach(usage, owners, only)
    every, counted = set(_links(found)), known(found.name)
    for digest, names in tags.items():
        needs = found.needs([digest])
        held = {found.contents.target(digest) for digest in needs}
        every |= held
        for tag in names:
            usage.holds(owners[tag], held)
            pulled = counted.of({tag, *needs.manifests}, tag) if counted else None
            usage.owners[owners[tag]].share.pulled = pulled
    alone = found.needs(its.revisions.keys() - only.keys())
    rest = {found.contents.target(digest) for digest in alone}
    usage.holds(usage.owner(f"{found.name} without a tag"), rest)
    share.held = usage.belongs(number, every | rest)
    return [usage.owners[owner].share for owner in owners.values()]


def _attach(usage: Usage, owners: dict[str, int], only: Mapping[str, str | None]) -> None:
    """Puts attached artifacts below the one tag that has their image, if one alone has it: they are removed with it."""
    for tag in sorted(owners):
        subject = subject_of(tag)
        above = only.get(subject) if subject else None
        # Names are whoever pushes' to choose: none is below itself.
        if above is not None and tag not in _upwards(usage, owners[above]):
            usage.owners[owners[tag]].above = owners[above]
    for owner in owners.values():
        usage.owners[owner].depth = sum(1 for _ in _upwards(usage, owner))


def _upwards(usage: Usage, owner: int) -> Iterator[str]:
    while owner >= 0:
        yield usage.owners[owner].share.name.rpartition(":")[2]
        owner = usage.owners[owner].above


def _links(found: Stored) -> Iterator[str]:
    its = found.repository
    for links in (its.revisions, its.layers, *its.signatures.values()):
        yield from links.values()
