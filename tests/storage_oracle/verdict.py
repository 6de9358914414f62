"""What has to stay in a storage, what has to go, and what of it one may do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from tests.storage_oracle import places
from tests.storage_oracle.places import Place
from tests.storage_oracle.reading import Said, Sense, as_go_does, strictly
from tests.storage_oracle.serving import Snapshot


class State(IntEnum):
    """How a repository is to be treated."""

    WHOLE = 0
    OPEN = 1
    """Something in it may be read this way or that: only what is needed for certain is asked for."""
    BROKEN = 2
    """A manifest that is needed can't be had: all that the repository has stays."""


@dataclass
class Verdict:
    """Paths and why, and the state of each repository."""

    stays: dict[str, str] = field(default_factory=dict)
    goes: dict[str, str] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


def judge(storage: Snapshot, delete_untagged: bool = True, without: Iterable[tuple[str, str]] = ()) -> Verdict:
    """The verdict on a storage as a clean-up finds it, once the tags `without` are gone."""
    found = Verdict()
    may_stay: set[str] = set()
    dropped = set(without)
    for name in storage.names:
        mine = _Repository(storage, name, {tag for one, tag in dropped if one == name})
        mine.follow(delete_untagged)
        mine.look_at_hostile_ones()
        found.states[name], found.why[name] = mine.state, mine.why
        mine.sort_links(found)
        may_stay |= mine.named()
    for path in storage.strays:
        found.stays[path] = "it is nothing that a clean-up may know"
    _sort_blobs(storage, may_stay, found)
    return found


class _Repository:
    """What is needed of one repository."""

    def __init__(self, storage: Snapshot, name: str, dropped: set[str]) -> None:
        self.storage, self.name, self.dropped = storage, name, dropped
        self.links = storage.links.get(name, [])
        self.state, self.why = State.WHOLE, ""
        self.revisions = {link.digest for link in self.links if link.kind == "revision"}
        self.texts: dict[str, bytes | None] = {}
        for path in storage.strays:
            if places.repository_of(path) == name and "/_manifests/" in path and "/link/" in path:
                self.raise_to(State.OPEN, f"{path} is where a link is to be")
        self.said = {digest: self._read(digest) for digest in sorted(self.revisions)}
        self.manifests: set[str] = set()
        self.layers: set[str] = set()
        self._subjects: dict[str, list[str]] = defaultdict(list)
        for digest, one in self.said.items():
            if one.subject:
                self._subjects[one.subject].append(digest)

    def raise_to(self, state: State, why: str) -> None:
        """The repository is in no better state than this."""
        if state > self.state:
            self.state, self.why = state, why

    def follow(self, delete_untagged: bool) -> None:
        """Goes from the tags to all that clients get by them."""
        waiting = [*self._roots(), *([] if delete_untagged else sorted(self.revisions))]
        while waiting:
            digest = waiting.pop()
            if digest in self.manifests:
                continue
            self.manifests.add(digest)
            waiting += self._needed_by(digest)

    def _needed_by(self, digest: str) -> list[str]:
        said = self.said.get(digest) or self._read(digest)
        self.said[digest] = said
        if said.sense is Sense.NONE:
            self.raise_to(State.BROKEN, f"needed manifest {digest} can't be had")
            return []
        if said.sense is Sense.OPEN:
            self.raise_to(State.OPEN, f"needed manifest {digest} may be read this way or that")
        if said.odd_children:
            self.raise_to(State.OPEN, f"index {digest} has entries that are no manifests")
        blobs = [*said.blobs, *said.odd_children]
        self.layers.update(blobs)
        for layer in blobs:
            self._look_at_layer(digest, layer)
        more = [one for one in blobs if one in self.revisions]
        return [*said.children, *more, *self._subjects.get(digest, [])]

    def _look_at_layer(self, digest: str, layer: str) -> None:
        if not places.parse_digest(layer.encode()):
            self.raise_to(State.OPEN, f"manifest {digest} refers to {layer!r}")
        elif self._is_damaged(places.layer(self.name, layer)):
            self.raise_to(State.OPEN, f"the link of layer {layer} can't be read")

    def _is_damaged(self, link: str) -> bool:
        """Also where a folder is in its place."""
        if link in self.storage.files:
            return self.storage.target(link) is None
        return any(path.startswith(f"{link}/") for path in self.storage.strays)

    def _roots(self) -> Iterable[str]:
        for tag in sorted(self.storage.folders.get(self.name, set()) - self.dropped):
            path = places.current(self.name, tag)
            target = self.storage.target(path)
            if target is not None:
                yield target
            else:
                self.raise_to(State.OPEN, f"the link of tag {tag} can't be read")

    def _read(self, digest: str) -> Said:
        """What a manifest says. One that has lost its link is read all the same: one may put that back."""
        readable = places.parse_digest(digest.encode())
        content = self.storage.manifest(self.name, digest) if readable else None
        link = places.revision(self.name, digest) if readable else ""
        if link in self.storage.files and self.storage.content(self.storage.target(link)) is None:
            self.raise_to(State.OPEN, f"the link of manifest {digest} leads nowhere")
        if content is None:
            content = self.storage.content(digest)
        self.texts[digest] = content
        if content is None:
            return Said(Sense.NONE)
        said = strictly(content)
        if not places.matches(digest, content):
            self.raise_to(State.OPEN, f"manifest {digest} is not what its digest says")
            return Said(Sense.NONE)
        if said.sense is Sense.OPEN:
            self.raise_to(State.OPEN, f"manifest {digest} may be read this way or that")
        return said

    def look_at_hostile_ones(self) -> None:
        """A text that nobody understands may refer to what is needed: then it is needed as well."""
        for digest in sorted(self.revisions - self.manifests):
            text = self.texts.get(digest)
            if self.said[digest].sense is Sense.NONE and text and places.mentions(text) & self.manifests:
                self.raise_to(State.BROKEN, f"manifest {digest} is not understood and mentions a needed one")

    def sort_links(self, found: Verdict) -> None:
        """Puts each link to what stays or goes, where there is no doubt."""
        targets = {self.storage.target(places.layer(self.name, one)) for one in self.layers if _is_digest(one)}
        served = self.layers | {one for one in targets if one}
        for link in self.links:
            if link.kind == "tag":
                fate = "stays" if link.tag not in self.dropped else "goes"
            elif self.state is State.BROKEN and not (link.kind == "history" and link.tag in self.dropped):
                fate = "stays"
            else:
                fate = self._fate(link, served)
            if fate == "stays":
                found.stays[link.path] = f"{link.kind}: needed, or {self.why or 'asked for'}"
            elif fate == "goes" and (self.state is State.WHOLE or link.tag in self.dropped):
                found.goes[link.path] = f"{link.kind}: nobody needs it"

    def _fate(self, link: Place, served: set[str]) -> str:
        leads = self.storage.content(self.storage.target(link.path)) is not None
        if link.kind == "layer":
            alone = link.digest in self.manifests and link.digest not in self.revisions
            if link.digest in served or alone:
                return "stays"
            return "goes" if leads and link.digest not in self.manifests else ""
        if link.kind == "history":
            if link.tag in self.dropped:
                return "goes"
            whole = places.current(self.name, link.tag) in self.storage.files
            if not whole or link.digest not in self.revisions or self.storage.target(link.path) is None:
                return ""
        needed = link.of if link.kind == "signature" else link.digest
        if needed in self.manifests:
            return "stays" if needed in self.revisions else ""
        return "goes" if leads and needed in self.revisions and self._leads(needed) else ""

    def _leads(self, digest: str) -> bool:
        return self.storage.content(self.storage.target(places.revision(self.name, digest))) is not None

    def named(self) -> set[str]:
        """What may stay because a manifest names it that stays itself."""
        named: set[str] = set()
        for digest, text in self.texts.items():
            if text and (self.state is not State.WHOLE or digest in self.manifests):
                named |= places.mentions(text)
        if self.state is not State.WHOLE:
            # A child that nobody understands may need all that it names, as its parent stays.
            contents = [self.storage.content(one) for one in named]
            for text in contents:
                if text and not isinstance(as_go_does(text), Said):
                    named |= places.mentions(text)
        return named | self.manifests


def _is_digest(text: str) -> bool:
    return places.parse_digest(text.encode()) is not None


def _sort_blobs(storage: Snapshot, named: set[str], found: Verdict) -> None:
    """Content stays while a link that has to stay leads to it, and goes when none leads to it that may stay."""
    # A folder where a link is to be may be what is left of one, and a link in a strange place may mean something.
    doubtful = {one for path in storage.strays for one in places.digests_of(path)}
    doubtful |= {
        one for path in storage.strays if path.endswith("/link") for one in places.mentions(storage.files[path])
    }
    # A link with a letter too many is none to a registry, but somebody may put it right: what it names may stay.
    damaged = [link for links in storage.links.values() for link in links if storage.target(link.path) is None]
    for link in damaged:
        doubtful |= {link.digest} | places.mentions(storage.files[link.path])
    may_stay = named | doubtful
    for digest in doubtful:
        may_stay |= places.mentions(storage.content(digest) or b"")
    for links in storage.links.values():
        for link in links:
            target = storage.target(link.path)
            if link.path in found.stays and link.kind in {"tag", "revision", "layer"} and target in storage.blobs:
                found.stays[storage.blobs[target]] = f"{link.path} leads to it"
            if link.path not in found.goes:
                may_stay |= {one for one in (target, link.digest) if one}
                if target is None and link.digest[:7] in {"sha384:", "sha512:"}:
                    # Which of all it was called by that name, nobody knows.
                    may_stay |= set(storage.blobs)
    for digest, path in storage.blobs.items():
        if digest not in may_stay and places.matches(digest, storage.files[path]):
            found.goes[path] = "no link leads to it"


def wrongs(before: Snapshot, after: Snapshot, verdict: Verdict, without: Iterable[tuple[str, str]] = ()) -> list[str]:
    """What is not as the verdict says; `without` are the tags that had to go."""
    found = [f"lost: {path} ({why})" for path, why in verdict.stays.items() if path not in after.files]
    found += [
        f"changed: {path}" for path in verdict.stays if path in after.files and after.files[path] != before.files[path]
    ]
    found += [f"left: {path} ({why})" for path, why in verdict.goes.items() if path in after.files]
    found += [f"made: {path}" for path in after.files if path not in before.files and path.startswith("docker/")]
    return sorted(found + pull_losses(before, after, without))


def pull_losses(before: Snapshot, after: Snapshot, without: Iterable[tuple[str, str]] = ()) -> list[str]:
    """What clients got by a tag before, and do not get any more."""
    gone, now = set(without), after.pulled
    return [
        f"pull of {name}:{tag} no longer gets {kind} {digest}"
        for (name, tag), had in before.pulled.items()
        if (name, tag) not in gone
        for (kind, digest), content in had.items()
        if now.get((name, tag), {}).get((kind, digest)) != content
    ]
