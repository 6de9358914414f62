"""A plan: what goes and why, what stays because of whom, and how much that is. A value; making one changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fresh:
    """Pushed so recently that a push may still name it."""

    digests: dict[str, frozenset[str]] = field(default_factory=dict)
    """By repository: manifests and layers that no manifest has taken up yet."""
    tags: dict[str, frozenset[str]] = field(default_factory=dict)
    """By repository: tags whose push may still be under way. The plan notes their digests at the time it was made."""
    unknown: bool = False
    """The journals are incomplete, so anything that no manifest names may be fresh."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants gone from one repository. What only these need goes with them."""

    tags: dict[str, str] = field(default_factory=dict)
    """Tags, each with why."""
    manifests: dict[str, str] = field(default_factory=dict)
    """Manifests by digest, each with why. One that a tag or index that stays needs, stays."""
    despite_faults: bool = False
    """The tags go also where it is not known what else they need; that stays."""


@dataclass
class RepositoryPlan:
    """What goes of one repository. Each link with the target it has to have when it goes."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    """Tag → digest (of a tag that can't be read: empty)."""
    why: dict[str, str] = field(default_factory=dict)
    """Why each tag or manifest goes."""
    asked: set[str] = field(default_factory=set)
    """Manifests that somebody wants gone, by digest or by a tag, however lately they were pushed."""
    entries: dict[str, list[str]] = field(default_factory=dict)
    """Tag → what it once was, and is nothing any more."""
    hollow: list[str] = field(default_factory=list)
    """Tags that only their directories are left of."""
    revisions: dict[str, str] = field(default_factory=dict)
    signatures: dict[str, dict[str, str]] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    """Layer links that only manifests that go name: they are recorded."""
    loose: dict[str, str] = field(default_factory=dict)
    """Layer links that no manifest names: they go for good."""
    subjects: dict[str, list[str]] = field(default_factory=dict)
    """Subject → manifests that go and say something about it."""
    kept_revisions: dict[str, str] = field(default_factory=dict)
    """What goes needs these revisions too, which stay: so that a record is whole."""
    kept_layers: dict[str, str] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    """Blobs that what goes names, without a link in this repository."""
    damaged: set[str] = field(default_factory=set)
    """Blobs of manifests that are damaged already, so an undo does not ask for them."""
    faults: list[str] = field(default_factory=list)
    """Why all that it has stays."""
    empty: bool = False
    """Whether nothing is left in it afterwards."""

    def __bool__(self) -> bool:
        """Whether anything goes."""
        return bool(
            self.tags
            or self.entries
            or self.hollow
            or self.revisions
            or self.signatures
            or self.layers
            or self.loose
            or self.empty
        )

    @property
    def recorded(self) -> bool:
        """Whether anything goes that could be wanted back."""
        return bool(self.tags or self.revisions or self.layers)

    @property
    def links(self) -> int:
        """How many go."""
        lists = (self.tags, self.revisions, self.layers, self.loose, *self.entries.values(), *self.signatures.values())
        return sum(map(len, lists))

    def targets(self) -> Iterator[str]:
        """The blobs to which the links lead that go, and what their manifests name."""
        for links in (self.revisions, self.layers, self.loose, *self.signatures.values()):
            yield from links
            yield from links.values()
        yield from self.named


@dataclass
class Plan:
    """What goes."""

    repositories: dict[str, RepositoryPlan] = field(default_factory=dict)
    """Those of which something goes."""
    blobs: dict[str, int] = field(default_factory=dict)
    """Blobs that go now, with their sizes."""
    aside: dict[str, int] = field(default_factory=dict)
    """Blobs that only this run's record will need. They are removed with the record, or at once if there is none."""
    leaving: int = 0
    """Bytes that images hold now and won't hold afterwards, or that nothing ever held: what gc.maxShare bounds."""
    total: int = 0
    """Bytes of all blobs."""
    seen: dict[tuple[str, str], str] = field(default_factory=dict)
    """(repository, tag) → digest at the time, of tags whose push may have been under way."""
    records: list[str] = field(default_factory=list)
    """Older records that go, by the name of their run."""
    faults: list[str] = field(default_factory=list)
    """What is kept because it is not understood, a text each."""

    def __bool__(self) -> bool:
        """Whether anything goes."""
        return bool(self.repositories or self.blobs or self.records)

    @property
    def bytes(self) -> int:
        """How much space is free afterwards."""
        return sum(self.blobs.values())

    @property
    def empty(self) -> list[str]:
        """Repositories that are gone afterwards."""
        return [name for name, its in sorted(self.repositories.items()) if its.empty]

    def lines(self) -> Iterator[str]:
        """What a dry run prints, a line a thing."""
        for name, its in sorted(self.repositories.items()):
            for tag, digest in sorted(its.tags.items()):
                yield f"tag {name}:{tag} {digest or '-'} ({its.why.get(tag, 'asked for')})"
            for digest in sorted(its.revisions):
                yield f"manifest {name}@{digest}"
        for run in self.records:
            yield f"record {run}"
        for digest in sorted(self.blobs):
            yield f"blob {digest}"
        for digest in sorted(self.aside):
            yield f"put aside {digest}"
        for name in self.empty:
            yield f"empty repository {name}"
        for fault in self.faults:
            yield f"stays: {fault}"

    def document(self) -> dict[str, object]:
        """The same for `--json`."""
        return {
            "repositories": {
                name: {
                    "tags": {
                        tag: {"digest": digest or None, "why": its.why.get(tag)}
                        for tag, digest in sorted(its.tags.items())
                    },
                    "manifests": {digest: its.why.get(digest) for digest in sorted(its.revisions)},
                    "layers": sorted([*its.layers, *its.loose]),
                    "empty": its.empty,
                }
                for name, its in sorted(self.repositories.items())
            },
            "blobs": dict(sorted(self.blobs.items())),
            "aside": dict(sorted(self.aside.items())),
            "records": self.records,
            "stays": self.faults,
            "bytes": {"freed": self.bytes, "leaving": self.leaving, "total": self.total},
        }
