"""Plans for the whole registry: the clean-up, and what somebody wants gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from registryctl import trash
from registryctl.layout import BLOBS, REPOSITORIES, is_repository
from registryctl.leftovers import is_all, tag_directory
from registryctl.model import Repository
from registryctl.plan import Fresh, Plan, RepositoryPlan, Wish
from registryctl.reading import ANY_BLOB, Catalogue, read_catalogue, read_repository, shown
from registryctl.removal import Removal
from registryctl.storage import NotThere, Storage, StorageError, Unreadable
from registryctl.sweep import Sweep

DAY = 86400


@dataclass(frozen=True)
class Limits:
    """What the clean-up goes by."""

    now: float
    """Seconds since 1970."""
    delete_untagged: bool = True
    trash_days: int = 7
    warn_percent: int = 100
    """A disk as full as that gives up older records."""


class _Planner:
    """Looks through a registry once."""

    def __init__(self, storage: Storage, fresh: Fresh, *, untagged: bool = True) -> None:
        self.storage = storage
        self.fresh = fresh
        self.untagged = untagged
        self.plan = Plan()
        self.sweep = Sweep()
        self._told: set[str] = set()
        self._catalogue = self._read_catalogue()
        self._aliases = set(self._catalogue.beside.aliases)

    def _read_catalogue(self) -> Catalogue:
        try:
            found = read_catalogue(self.storage)
        except NotThere as error:
            try:
                self.storage.list(BLOBS)
            except NotThere:
                return Catalogue()
            raise Unreadable(f"there are blobs, but {REPOSITORIES} is not there") from error
        self.plan.faults += [*found.beside.faults, *found.beside.odd]
        self.sweep.held |= found.beside.held
        return found

    def look(self, wishes: Mapping[str, Wish] | None) -> None:
        """At all repositories. None: the clean-up; otherwise nothing goes of those without a wish."""
        for name in self._catalogue.names:
            self._look_at(name, None if wishes is None else wishes.get(name, Wish()))
        for name in self._catalogue.names:
            top = f"{REPOSITORIES}/{name}/"
            also = [
                alias for alias in sorted(self._aliases) if f"{alias}/".startswith(top) or top.startswith(f"{alias}/")
            ]
            if also:
                fault = f"{name}: a symbolic link leads to {shown(also[0])}"
                self._look_at(name, None if wishes is None else wishes.get(name, Wish()), fault)

    def _look_at(self, name: str, wish: Wish | None, fault: str | None = None) -> None:
        found = read_repository(self.storage, name)
        if fault is not None:
            found.faults.append(fault)
        if name in self._catalogue.through:
            found.faults.append(f"{shown(name)} is reached by a symbolic link")
        removal = Removal(self.storage, found, self.fresh, wish, untagged=self.untagged)
        self._take(found, removal.plan, told=wish is None or bool(wish.tags or wish.manifests))
        removal.hold(self.sweep.holders)

    def _take(self, found: Repository, plan: RepositoryPlan, *, told: bool) -> None:
        """Notes what came of a repository; only of one that this is about also why something stays."""
        for tag in self.fresh.tags.get(found.name, ()):
            self.plan.seen[found.name, tag] = found.tags.get(tag, "")
        self._aliases |= found.aliases
        self.sweep.held |= found.held
        self.plan.repositories.pop(found.name, None)
        if told:
            new = [text for text in (*plan.faults, *found.odd) if text not in self._told]
            self._told.update(new)
            self.plan.faults += new
        if not is_repository(found.name):
            return
        self._leave_what_is_not_known(plan)
        if plan:
            self.plan.repositories[found.name] = plan

    def _leave_what_is_not_known(self, plan: RepositoryPlan) -> None:
        """A directory in which something else lies does not go: there is no use in trying at each run."""
        plan.hollow = [
            tag
            for tag in plan.hollow
            if is_all(self.storage, [tag_directory(plan.name, tag)], len(plan.entries.get(tag, ())))
        ]
        if plan.empty:
            count = sum(
                map(len, (plan.revisions, plan.layers, plan.loose, *plan.entries.values(), *plan.signatures.values()))
            )
            top = f"{REPOSITORIES}/{plan.name}"
            plan.empty = is_all(self.storage, [f"{top}/{part}" for part in ("_manifests", "_layers")], count)

    def records(self, runs: list[str], old: int) -> None:
        """What the records hold that stay. One that can't be read may hold any blob."""
        for number, run in enumerate(runs):
            try:
                self.sweep.record(number, trash.load(self.storage, run).blobs())
            except StorageError as error:
                if number >= old:
                    self.plan.faults.append(f"record {run}: {error}")
                    self.sweep.held.add(ANY_BLOB)

    def put_aside(self) -> bool:
        """Notes what the record of this run will hold; whether there is one."""
        plans = [its for its in self.plan.repositories.values() if its.recorded]
        for its in plans:
            for links in (its.revisions, its.layers, its.kept_revisions, its.kept_layers, *its.signatures.values()):
                self.sweep.aside(links.values())
            self.sweep.aside(its.named)
        return bool(plans)


def plan_clean_up(storage: Storage, fresh: Fresh, limits: Limits) -> Plan:
    """All that no tag, nothing fresh and no record needs; old records too."""
    planner = _Planner(storage, fresh, untagged=limits.delete_untagged)
    planner.look(None)
    plan, runs = planner.plan, trash.runs(storage)
    kept = limits.trash_days * DAY
    old = len(list(takewhile(lambda run: not kept or trash.is_old(storage, run, limits.now, kept), runs)))
    planner.records(runs, old)
    recorded = limits.trash_days > 0 and planner.put_aside()
    waiting = planner.sweep.choose(storage, plan, old)
    # A dry run says what a run does, and that leaves what may have been linked meanwhile.
    for digests in fresh.digests.values():
        for digest in digests:
            plan.blobs.pop(digest, None)
    most = len(runs) if recorded else max(old, len(runs) - 1)
    wanted = _wanted(storage, limits.warn_percent) - plan.bytes
    while wanted > 0 and old < most:
        for blob in waiting.get(old, ()):
            plan.blobs[blob.digest] = blob.size
            wanted -= blob.size
        old += 1
    plan.records = runs[:old]
    return plan


def _wanted(storage: Storage, percent: int) -> int:
    """How many bytes have to go until the disk is less full than that."""
    try:
        room = storage.room()
    except StorageError:
        return 0
    if room is None:
        return 0
    return max(0, room.used - room.total * percent // 100 + 1)


def plan_removal(storage: Storage, wishes: Mapping[str, Wish], fresh: Fresh) -> Plan:
    """What somebody wants gone, with what only that needs; no blobs: those are the clean-up's.

    The whole registry is looked through: only so it is known how many bytes leave the images.
    """
    planner = _Planner(storage, fresh)
    planner.look(wishes)
    runs = trash.runs(storage)
    planner.records(runs, len(runs))
    planner.put_aside()
    planner.sweep.choose(storage, planner.plan, 0, garbage=False)
    planner.plan.blobs = {}
    return planner.plan
