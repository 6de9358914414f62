"""Deletion in this host's storage: planned while everything goes on, carried out while nobody can write."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from registryctl import clock
from registryctl.act import Outcome, Rules
from registryctl.consequences import Consequences, Found
from registryctl.endings import EndError
from registryctl.gc import plan_removal
from registryctl.host import Host, carried_out, check_share
from registryctl.layout import Revision, TagLink, is_repository
from registryctl.model import Contents, Needs, Repository, needs
from registryctl.plan import Fresh, Plan, RepositoryPlan, Wish
from registryctl.reading import read_catalogue, read_repository
from registryctl.removal import Removal
from registryctl.rights import read_immutable
from registryctl.storage import NotThere, Storage, StorageError, is_there


@dataclass
class Stored(Found):
    """A repository in the storage. What a tag needs is the model's to say."""

    repository: Repository = field(default_factory=lambda: Repository(""))
    contents: Contents = field(default=None, repr=False)  # type: ignore[assignment]  # `read` has it
    subjects: Mapping[str, list[str]] = field(default_factory=dict)

    def needs(self, digests: Iterable[str]) -> Needs:
        """What these manifests need."""
        return needs(self.repository.revisions, self.contents, self.subjects, digests)

    def reach(self, digests: Iterable[str]) -> frozenset[str]:
        """The manifests to which these lead."""
        return frozenset(self.needs(digests).manifests)

    def entails(self, tags: Container[str], digests: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
        """See `Found`. What an image without a tag contains stays: the clean-up decides about both."""
        its = self.repository
        gone = self.reach([*digests, *(digest for tag, digest in its.tags.items() if tag in tags)])
        rest = {digest for digest in its.revisions.keys() - gone if self.contents.has(digest)}
        kept = self.reach(rest | {digest for tag, digest in its.tags.items() if tag not in tags})
        return gone & its.revisions.keys() - kept, kept


def stored(storage: Storage, name: str) -> Stored | None:
    """A repository as the storage has it now; None when there is none of that name."""
    if not is_repository(name):
        return None
    its = read_repository(storage, name)
    if not (its.tags or its.broken or its.revisions or its.layers or its.entries or its.faults or its.uploads):
        return None
    contents = Contents(storage, its.revisions, its.layers)
    found = Stored(name, repository=its, contents=contents, subjects=contents.subjects(its.revisions)[0])
    found.broken = {**its.broken, **dict(_broken(found, its.tags))}
    found.digests = {tag: digest for tag, digest in its.tags.items() if tag not in found.broken}
    return found


def _broken(found: Stored, tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Tags whose needs are not known, or of which the registry can't serve a part, with the reason."""
    if not _trouble(found, tags.values()):
        return
    for tag, digest in tags.items():
        if trouble := _trouble(found, [digest]):
            yield tag, trouble


def _trouble(found: Stored, digests: Iterable[str]) -> str:
    its, need = found.repository, found.needs(digests)
    for digest, why in need.faults.items():
        return f"{digest}: {why}"
    for digest in sorted(need.manifests - its.revisions.keys() - its.layers.keys()):
        return f"{digest}: the repository has no such manifest"
    return ""


class LocalSource:
    """See `wishes.Source`."""

    def __init__(self, host: Host, *, bounded: bool) -> None:
        self._host, self._bounded = host, bounded

    def catalog(self) -> list[str]:
        """See `Source`."""
        return catalogue(self._host.storage)

    def read(self, repository: str) -> Found | None:
        """See `Source`."""
        return stored(self._host.storage, repository)

    def look(self, found: Found, digest: str) -> None:
        """See `Source`."""
        assert isinstance(found, Stored)  # noqa: S101 - it is from `read`
        what = f"{found.name}@{digest}"
        if digest not in found.repository.revisions or not found.contents.has(digest):
            raise EndError("MANIFEST_UNKNOWN", f"{what}: there is no such manifest")
        for why in found.needs([digest]).faults.values():
            raise EndError("UNREADABLE", f"{what}: {why}")

    def check(self, plans: Sequence[Consequences]) -> None:
        """See `Source`."""
        if not self._host.facts.delete_enabled:
            raise EndError("UNSUPPORTED", "the registry's settings forbid deletion")
        immutable = read_immutable(self._host.facts.proxy)
        for plan in plans:
            for tag in sorted(tag for tag in plan.tags if immutable.keeps(plan.found.name, tag)):
                raise EndError("IMMUTABLE", f"{plan.found.name}:{tag} stays: access.immutable.deletable is false")
            wish = wish_of(plan)
            for fault in faults_of(self._host.storage, plan, wish):
                if not wish.despite_faults:
                    raise EndError("UNREADABLE", f"{fault}: nothing of this repository is deleted but that tag")

    def carry_out(self, plans: Sequence[Consequences]) -> list[str]:
        """See `Source`."""
        removal = Planned({plan.found.name: plan for plan in plans})

        def check(plan: Plan) -> None:
            if self._bounded:
                check_share(self._host, plan, "nothing was deleted; --force does it all the same")

        days, now = self._host.facts.trash_days, clock.running(keep=False)
        rules = Rules(reason="rm", trash_days=days, needs_record=True, check=check, now=now)
        outcome = carried_out(self._host, lambda fresh: removal.plan(self._host.storage, fresh), rules)
        return removal.kept(self._host.storage, outcome)


def catalogue(storage: Storage) -> list[str]:
    """The names of all repositories."""
    try:
        return [name for name in read_catalogue(storage).names if is_repository(name)]
    except NotThere:
        return []
    except StorageError as error:
        raise EndError("UNREADABLE", f"the repositories can't be listed: {error}") from None


def wish_of(plan: Consequences) -> Wish:
    """What of one repository is to go, in the planner's words."""
    despite = any(tag in plan.found.broken for tag in plan.tags)
    return Wish(dict(plan.tags), dict.fromkeys(plan.digests, "asked for"), despite_faults=despite)


def faults_of(storage: Storage, plan: Consequences, wish: Wish) -> list[str]:
    """Why the repository would keep all it has."""
    assert isinstance(plan.found, Stored)  # noqa: S101 - it is of this source
    return Removal(storage, plan.found.repository, Fresh(), wish).plan.faults


@dataclass
class Planned:
    """Plans again what was shown, once it is this tool's turn. What has changed by then stays."""

    shown: dict[str, Consequences]
    moved: dict[str, str] = field(default_factory=dict)
    """`NAME:TAG` → what it leads to by now."""

    def plan(self, storage: Storage, fresh: Fresh) -> Plan:
        """See `act.carry_out`."""
        wishes = {name: wish_of(its) for name, its in self.shown.items()}
        while True:
            plan = plan_removal(storage, wishes, fresh)
            moved = [
                (name, tag, digest)
                for name, its in plan.repositories.items()
                for tag, digest in its.tags.items()
                if digest != self._was(name, tag)
            ]
            if not moved:
                return plan
            for name, tag, digest in moved:
                self.moved[f"{name}:{tag}"] = digest
                left = {other: why for other, why in wishes[name].tags.items() if other != tag}
                wishes[name] = replace(wishes[name], tags=left)

    def _was(self, name: str, tag: str) -> str:
        found = self.shown[name].found
        assert isinstance(found, Stored)  # noqa: S101 - it is of this source
        return found.repository.tags.get(tag, "")

    def kept(self, storage: Storage, outcome: Outcome) -> list[str]:
        """A line for each part that stayed."""
        lines = [
            f"keep   {what} (it has moved to {digest or 'nobody knows what'})" for what, digest in self.moved.items()
        ]
        changed = set(outcome.changed) - self.moved.keys()
        lines += [f"keep   {what} (it was pushed meanwhile)" for what in sorted(changed)]
        why = "it is needed by now, or a part of the repository can't be read"
        return [*lines, *(f"keep   {what} ({why})" for what in left(storage, self.shown, outcome, self.moved))]


def left(
    storage: Storage, shown: Mapping[str, Consequences], outcome: Outcome, told: Container[str] = ()
) -> Iterator[str]:
    """What was to go and is still there, but for what changed meanwhile or was told already."""
    for name, its in shown.items():
        plan = outcome.plan.repositories.get(name, RepositoryPlan(name))
        links = {f"{name}:{tag}": TagLink(name, tag).path for tag in its.tags if tag not in plan.tags}
        links |= {f"{name}@{one}": Revision(name, one).path for one in its.digests if one not in plan.revisions}
        for what, path in links.items():
            if not {name, what} & set(outcome.changed) and what not in told and is_there(storage, path):
                yield what
