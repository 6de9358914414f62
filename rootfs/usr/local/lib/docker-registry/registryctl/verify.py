"""Under the barrier: what of a plan still holds, by content. It takes as long as what goes and what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registryctl.digests import is_digest
from registryctl.journals import Touched
from registryctl.layout import LayerLink, Revision, Signature, TagLink, is_repository, is_tag
from registryctl.model import Contents, Needs, needs
from registryctl.plan import Fresh, Plan, RepositoryPlan
from registryctl.reading import LONGEST_LINK
from registryctl.storage import NotThere, Storage, StorageError


class BrokenError(Exception):
    """A link can't be read: what it leads to is not known."""


def read_link(storage: Storage, path: str) -> str | None:
    """The digest in a link now; None where there is none."""
    try:
        text = storage.read(path, LONGEST_LINK).decode()
    except NotThere:
        return None
    except (StorageError, UnicodeDecodeError) as error:
        raise BrokenError(path) from error
    if not is_digest(text):
        raise BrokenError(path)
    return text


@dataclass
class _Links(Mapping[str, str]):
    """Links of one kind as they are now, each read when it is asked for."""

    storage: Storage
    repository: str
    kind: type[Revision] | type[LayerLink]

    def __getitem__(self, digest: str) -> str:
        found = read_link(self.storage, self.kind(self.repository, digest).path) if is_digest(digest) else None
        if found is None:
            raise KeyError(digest)
        return found

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("only what is asked for is read")

    def __len__(self) -> int:
        raise NotImplementedError("only what is asked for is read")


class Verification:
    """Takes out of a plan what does not hold any more."""

    def __init__(self, storage: Storage, plan: Plan) -> None:
        self._storage = storage
        self._plan = plan
        self.changed: list[str] = []
        """Planned, but kept: `NAME:TAG`, `NAME@DIGEST`, or all of `NAME`."""

    def under_way(self, fresh: Fresh) -> None:
        """What was asked for before the look may have come after it: layers, and tags that are not what they were."""
        none = RepositoryPlan("")
        touched = {
            repository: Touched(digests=set(found) - self._plan.repositories.get(repository, none).asked)
            for repository, found in fresh.digests.items()
        }
        for repository, tags in fresh.tags.items():
            its = touched.setdefault(repository, Touched())
            its.tags.update(tag for tag in tags if not self._is_as_seen(repository, tag))
        self.written(touched)

    def _is_as_seen(self, repository: str, tag: str) -> bool:
        if not is_repository(repository) or not is_tag(tag):
            return True
        try:
            return (read_link(self._storage, TagLink(repository, tag).path) or "") == self._plan.seen.get(
                (repository, tag), ""
            )
        except BrokenError:
            return False

    def written(self, touched: Mapping[str, Touched]) -> None:
        """Whatever was written since the plan was begun stays, with all that it needs."""
        for repository, its in touched.items():
            if is_repository(repository):
                try:
                    self._written(repository, its)
                except BrokenError:
                    self._leave(repository)
                    self._hold_all(its.digests)

    def _hold_all(self, digests: set[str]) -> None:
        """New links may be there, of these names. Only of sha256 names the blob is called so."""
        for digest in digests:
            self._hold(digest)
            if not digest.startswith("sha256:"):
                self._plan.blobs.clear()
                self._plan.aside.clear()

    def _written(self, repository: str, its: Touched) -> None:
        revisions, layers = (_Links(self._storage, repository, kind) for kind in (Revision, LayerLink))
        plan = self._plan.repositories.get(repository, RepositoryPlan(repository))
        roots = {digest for digest in its.digests if digest in revisions}
        for tag in filter(is_tag, its.tags):
            digest = read_link(self._storage, TagLink(repository, tag).path)
            if digest is not None:
                roots.add(digest)
            if plan.tags.pop(tag, None) is not None:
                self.changed.append(f"{repository}:{tag}")
            plan.entries.pop(tag, None)
            if tag in plan.hollow:
                plan.hollow.remove(tag)
        found = needs(revisions, Contents(self._storage, revisions, layers), plan.subjects, roots)
        # What goes may say something about all that it names, where nobody understands it.
        if found.faults:
            self._leave(repository)
        self._keep(plan, found, its, revisions, layers)

    def _keep(
        self, plan: RepositoryPlan, found: Needs, its: Touched, revisions: Mapping[str, str], layers: Mapping[str, str]
    ) -> None:
        kept: set[str] = set()
        for name in {*found, *its.digests}:
            targets = [target for links in (revisions, layers) if (target := links.get(name)) is not None]
            if targets or name in found:
                plan.empty = False
            # A layer that was pushed under another name has a link under its own too.
            for digest in (name, *targets):
                self._hold(digest)
                if self._keep_link(plan, digest):
                    kept.add(digest)
        self._keep_entries(plan, kept)

    def _keep_link(self, plan: RepositoryPlan, digest: str) -> bool:
        """Whether it is that of a manifest which was to go."""
        was_to_go = plan.revisions.pop(digest, None) is not None
        if was_to_go:
            plan.signatures.pop(digest, None)
            self.changed.append(f"{plan.name}@{digest}")
        for links in (plan.layers, plan.loose):
            self._hold(links.pop(digest, digest))
        return was_to_go

    @staticmethod
    def _keep_entries(plan: RepositoryPlan, kept: set[str]) -> None:
        """Notes of tags that stay. Of a tag that goes all goes: the registry lists one of which anything is left."""
        if not kept:
            return
        for tag in plan.entries.keys() - plan.tags.keys() - set(plan.hollow):
            plan.entries[tag] = [digest for digest in plan.entries[tag] if digest not in kept]
            if not plan.entries[tag]:
                del plan.entries[tag]

    def _leave(self, repository: str) -> None:
        """All of a repository stays."""
        plan = self._plan.repositories.pop(repository, None)
        if plan is not None:
            self.changed.append(repository)
            for digest in plan.targets():
                self._hold(digest)

    def _hold(self, digest: str) -> None:
        self._plan.blobs.pop(digest, None)
        self._plan.aside.pop(digest, None)

    def preconditions(self) -> None:
        """Each link that goes is what it was. One that is gone already needs no removal."""
        for name in list(self._plan.repositories):
            plan = self._plan.repositories[name]
            try:
                self._check(plan)
            except BrokenError:
                self._leave(name)
                continue
            if not plan:
                del self._plan.repositories[name]

    def _check(self, plan: RepositoryPlan) -> None:
        name = plan.name
        for tag, digest in list(plan.tags.items()):
            if not digest:
                self._check_broken(plan, tag)
                continue
            found = read_link(self._storage, TagLink(name, tag).path)
            if found is not None and found != digest:
                # Who wrote this passed by the proxy: what else it needs nobody has looked at.
                raise BrokenError(tag)
            if found is None:
                del plan.tags[tag]
        self._check_links(plan.revisions, {digest: Revision(name, digest).path for digest in plan.revisions})
        for links in (plan.layers, plan.loose):
            self._check_links(links, {digest: LayerLink(name, digest).path for digest in links})
        for digest, found_signatures in plan.signatures.items():
            paths = {signature: Signature(name, digest, signature).path for signature in found_signatures}
            self._check_links(found_signatures, paths)

    def _check_broken(self, plan: RepositoryPlan, tag: str) -> None:
        """A tag that could not be read, and can't be now."""
        try:
            found = read_link(self._storage, TagLink(plan.name, tag).path)
        except BrokenError:
            return
        if found is not None:
            raise BrokenError(tag)
        del plan.tags[tag]

    def _check_links(self, links: dict[str, str], paths: Mapping[str, str]) -> None:
        for digest, path in paths.items():
            found = read_link(self._storage, path)
            if found is None:
                del links[digest]
            elif found != links[digest]:
                raise BrokenError(path)
