"""What follows when tags and manifests of a repository go: what goes along, and what stays because of whom.

The rule behind all of it: a manifest that a kept tag leads to, itself or through an index, is never deleted.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_ATTACHED = re.compile(r"sha256-([0-9a-f]{64})(?:\.sig|\.att|\.sbom)?", re.ASCII)


@dataclass
class Found:
    """A repository as it was read. Tags that can't be read wholly are in `broken`, with why, not in `digests`."""

    name: str
    digests: dict[str, str] = field(default_factory=dict)
    """Tag → digest."""
    children: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Manifest → the manifests that it contains; each that is reached has an entry."""
    broken: dict[str, str] = field(default_factory=dict)

    def reach(self, digests: Iterable[str]) -> frozenset[str]:
        """The manifests to which these lead: themselves, and those in indexes."""
        seen: set[str] = set()
        waiting = list(digests)
        while waiting:
            digest = waiting.pop()
            if digest not in seen:
                seen.add(digest)
                waiting += self.children.get(digest, ())
        return frozenset(seen)

    def entails(self, tags: Container[str], digests: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
        """The manifests that go when these tags and digests do, and those that stay."""
        kept = self.reach(digest for name, digest in self.digests.items() if name not in tags)
        gone = self.reach([*digests, *(digest for name, digest in self.digests.items() if name in tags)])
        return gone - kept, kept


def subject_of(tag: str) -> str | None:
    """The digest that a tag attaches something to, where the registry itself knows no referrers."""
    found = _ATTACHED.fullmatch(tag)
    return f"sha256:{found[1]}" if found else None


@dataclass(frozen=True)
class Users:
    """The kept tags that lead to a manifest, in words, and whether one does so through an index."""

    text: str = ""
    index: bool = False


@dataclass(frozen=True)
class Step:
    """One deletion: of a tag alone, whose manifest stays, or of a manifest with all its tags."""

    tag: str = ""
    digest: str | None = None


@dataclass(frozen=True)
class Consequences:
    """Tags that go, each with why, and the manifests that go with them. Made by `follow`."""

    found: Found
    tags: Mapping[str, str]
    digests: Sequence[str]
    """Manifests that somebody asked for by their digests."""
    order: Sequence[str]
    """The tags, those of attached artifacts before those of their subjects: no run that is cut off leaves one alone."""
    gone: frozenset[str]
    kept: frozenset[str]

    @cached_property
    def _users(self) -> dict[str, tuple[list[str], bool]]:
        """All at once: a look through all tags for each manifest would take too long where there are many of both, and
        to know it of every manifest too much memory."""
        asked = {*self.digests, *(self.found.digests.get(tag, "") for tag in self.tags)}
        users: dict[str, tuple[list[str], bool]] = {}
        for name in sorted(self.found.digests.keys() - self.tags.keys()):
            root = self.found.digests[name]
            for used in asked & self.found.reach([root]):
                names, index = users.get(used, ([], False))
                names.append(("" if root == used else "the index ") + f"{self.found.name}:{name}")
                users[used] = (names, index or root != used)
        return users

    def users(self, digest: str) -> Users:
        """Which kept tags lead to a manifest that was asked for, or of a tag that goes."""
        names, index = self._users.get(digest, ([], False))
        return Users(", ".join(names), index)

    def describe(self) -> list[str]:
        """Lines that say what goes and what stays."""
        name, lines, told = self.found.name, [], set()
        for tag in sorted(self.tags):
            digest = self.found.digests.get(tag)
            lines.append(f"delete {name}:{tag} {digest or 'unreadable'} ({self.tags[tag]})")
            if digest and digest in self.kept and digest not in told:
                told.add(digest)
                lines.append(f"keep   {name}@{digest} (used by {self.users(digest).text or 'one without a tag'})")
        return [*lines, *(f"delete {name}@{digest}" for digest in sorted(self.gone))]

    def steps(self) -> list[Step]:
        """The deletions in an order in which no index is ever there and incomplete: it goes before what it contains."""
        steps: list[Step] = []
        done: set[str] = set()

        def manifest(digest: str) -> None:
            if digest in self.gone and digest not in done:
                done.add(digest)
                steps.append(Step(digest=digest))

        for tag in self.order:
            digest = self.found.digests.get(tag)
            if digest is None or digest in self.kept:
                steps.append(Step(tag=tag, digest=digest))
            else:
                manifest(digest)
        for digest in self._outer_first():
            manifest(digest)
        return steps

    def _outer_first(self) -> list[str]:
        """The manifests that go, each before those that it contains."""
        inside = dict.fromkeys(self.gone, 0)
        for digest in self.gone:
            for child in self.found.children.get(digest, ()):
                if child in inside:
                    inside[child] += 1
        ready = sorted((digest for digest, times in inside.items() if not times), reverse=True)
        order: list[str] = []
        while ready:
            digest = ready.pop()
            order.append(digest)
            for child in self.found.children.get(digest, ()):
                if child in inside:
                    inside[child] -= 1
                    if not inside[child]:
                        ready.append(child)
        return [*order, *sorted(self.gone - set(order))]


def follow(found: Found, tags: Mapping[str, str], digests: Iterable[str] = ()) -> Consequences:
    """What follows when tags (tag → why) and digests go. What is attached to a manifest goes with it."""
    going, order, roots = dict(tags), sorted(tags), list(digests)
    attached = [(name, subject) for name in sorted(found.digests) if (subject := subject_of(name))]
    while True:
        gone, kept = found.entails(going, roots)
        more = [name for name, subject in attached if subject in gone and name not in going]
        if not more:
            return Consequences(found, going, tuple(roots), order, gone, kept)
        going |= {name: f"attached to {subject_of(name)}" for name in more}
        order = [*more, *order]
