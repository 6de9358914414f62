"""Plan, verify, act: the only place from which anything is removed.

The order is such that, wherever it is cut off, what is left is whole: the record is there before anything goes, a tag
goes before what it needs, and links before blobs, each durably before the next begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from registryctl import trash
from registryctl.journals import Barrier, Journal, Touched, Written
from registryctl.layout import directory_of
from registryctl.plan import Fresh, Plan
from registryctl.record import record_of
from registryctl.storage import NoRoom, Storage, StorageError
from registryctl.take import Taker
from registryctl.verify import Verification

_LINKS_OF_ONE = 20
"""So many links belong to what was written, or so."""


class RefusedError(Exception):
    """Nothing was removed, and nothing will be before somebody decides."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Rules:
    """How a run goes about it."""

    reason: str
    """Who wants it: `gc`, `rm`, `retention`; it is in the record."""
    trash_days: int = 7
    """0: no record."""
    needs_record: bool = False
    """Without room for a record: refuse."""
    check: Callable[[Plan], None] = lambda _: None
    """Raises RefusedError where a plan must not be carried out; asked before and after the barrier closes."""
    announce: Callable[[Plan], None] = lambda _: None
    """Told the plan before the barrier closes."""
    now: Callable[[], float] = time.time


@dataclass
class Outcome:
    """What came of it."""

    plan: Plan
    """What went: the plan as it was after verification."""
    run: str | None = None
    """The record, by which it can be undone."""
    freed: int = 0
    """Bytes of the blobs that went."""
    held: float = 0.0
    """Seconds for which writes waited."""
    acted: bool = False
    """Whether anything was to be removed, and the barrier closed for it."""
    changed: list[str] = field(default_factory=list)
    """Planned, but kept because it had changed meanwhile: `NAME:TAG`, `NAME@DIGEST`, `NAME`."""
    failed: list[str] = field(default_factory=list)
    """What could not be removed; the next run goes on from there."""
    records: list[str] = field(default_factory=list)
    """Older records that went."""
    without_record: bool = False
    """Whether there was no room for a record."""

    @property
    def skipped(self) -> list[str]:
        """What stayed because it is not known or would not go."""
        return [*self.plan.faults, *self.failed]


class _Run:
    """One run, from its look to its end."""

    def __init__(self, storage: Storage, barrier: Barrier, make: Callable[[Fresh], Plan], rules: Rules) -> None:
        self._storage = storage
        self._barrier = barrier
        self._make = make
        self._rules = rules

    def go(self) -> Outcome:
        """Within the turn."""
        # What was seen before may be what another tool has removed since.
        self._storage.anew()
        before = self._barrier.journals()
        ended = {journal.generation for journal in before if not journal.lives}
        seen = Written().read(before, self._storage)
        fresh = seen.fresh(self._rules.now())
        plan = self._make(fresh)
        if not plan and not seen.goes_on_blind:
            return Outcome(plan)
        self._rules.check(plan)
        self._rules.announce(plan)
        began = time.monotonic()
        try:
            with self._barrier.closed():
                outcome = self._closed(plan, fresh, seen, ended)
        finally:
            self._storage.anew()
        outcome.held = time.monotonic() - began
        return outcome

    def _closed(self, plan: Plan, fresh: Fresh, seen: Written, ended: set[str]) -> Outcome:
        now = self._barrier.journals()
        since = [journal for journal in now if journal.generation not in ended]
        written = Written(seen.counts).read(since)
        known = written.whole and seen.counts.keys() - ended <= written.counts.keys()
        self._storage.look_again(_asked(plan, written.touched, fresh) if known else {})
        if not known:
            plan = self._make(Written().read(self._barrier.journals(), self._storage).fresh(self._rules.now()))
        verification = Verification(self._storage, plan)
        if known:
            verification.under_way(fresh)
            verification.written(written.touched)
        verification.preconditions()
        self._rules.check(plan)
        outcome = Outcome(plan, acted=True, changed=verification.changed)
        self._act(outcome)
        self._forget(now)
        return outcome

    def _act(self, outcome: Outcome) -> None:
        plan = outcome.plan
        taker = Taker(self._storage, plan)
        outcome.records = taker.records()
        self._write_record(outcome)
        taker.links()
        blobs = dict(plan.blobs)
        if outcome.run is None:
            blobs.update(plan.aside)
        outcome.freed = taker.blobs(blobs)
        taker.directories()
        outcome.failed = taker.failed

    def _write_record(self, outcome: Outcome) -> None:
        """Where there is no room, others refuse; for the clean-up older ones make some, and without any it goes on."""
        if not self._rules.trash_days or not any(its.recorded for its in outcome.plan.repositories.values()):
            return
        run = trash.new_run(self._storage, self._rules.now())
        record = record_of(self._storage, outcome.plan, run, self._rules.reason)
        older = trash.runs(self._storage)
        while True:
            try:
                trash.save(self._storage, record)
            except NoRoom as error:
                if self._rules.needs_record:
                    # What may refuse all the same must not cost what could be brought back before.
                    text = "there is no room to note what would go; registry-gc frees space"
                    raise RefusedError(text) from error
                if older:
                    outcome.records.append(older[0])
                    trash.empty(self._storage, older.pop(0))
                    continue
                outcome.without_record = True
                return
            outcome.run = run
            return

    def _forget(self, journals: list[Journal]) -> None:
        """Journals in which nothing matters any more. All have ended by now."""
        seen = Written().read(self._barrier.journals())
        now = self._rules.now()
        self._barrier.forget([its.generation for its in journals if seen.is_old(its.generation, now)])


def _asked(plan: Plan, touched: Mapping[str, Touched], fresh: Fresh) -> dict[str, int]:
    """With what the links begin that are looked at once nobody writes, and about how many these are."""
    counts = {name: its.links for name, its in plan.repositories.items()}
    written = [(name, len(its.tags) + len(its.digests)) for name, its in touched.items()]
    written += [(name, len(some)) for found in (fresh.digests, fresh.tags) for name, some in found.items()]
    for name, count in written:
        counts[name] = counts.get(name, 0) + count * _LINKS_OF_ONE
    return {f"{directory_of(name)}/_": count for name, count in counts.items()}


def carry_out(storage: Storage, barrier: Barrier, make: Callable[[Fresh], Plan], rules: Rules) -> Outcome:
    """Takes the turn, makes a plan, closes the barrier, verifies, records, removes. A plan of nothing closes nothing.

    RefusedError, BarrierError, StorageError: nothing, or (StorageError while it removes) a part went, and the next run
    goes on from there.
    """
    turn: AbstractContextManager[None] = barrier.turn()
    with turn:
        return _Run(storage, barrier, make, rules).go()


__all__ = ["Outcome", "RefusedError", "Rules", "StorageError", "carry_out"]
