"""registry-gc: removes what no tag needs, and says what came of it.

Exit code: 0 done, or nothing to do; 1 it failed; 3 it would remove more than gc.maxShare; 4 writes could not be kept
out; 6 done, but for what is not known, which stays and is named; 75 another tool was at work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from registryctl import trash
from registryctl.act import Outcome, RefusedError, Rules, carry_out
from registryctl.gc import DAY, Limits, plan_clean_up
from registryctl.journals import Barrier, BarrierError, Written
from registryctl.layout import REPOSITORIES
from registryctl.plan import Plan
from registryctl.storage import AwayError, NotThere, Storage, StorageError

FAILED, TOO_MUCH, NOT_KNOWN = 1, 3, 6
_PERCENT = 100


@dataclass(frozen=True)
class Options:
    """What a clean-up is told, by the host's facts and by who calls it."""

    delete_untagged: bool = True
    max_share: int = 50
    trash_days: int = 7
    warn_percent: int = 100
    dry: bool = False
    force: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class Means:
    """What it works with."""

    storage: Storage
    barrier: Barrier
    say: Callable[[str], None]
    """A line for whoever called."""
    complain: Callable[[str], None]
    """A line about what went wrong."""
    note: Callable[[str], None] = lambda _: None
    """The line by which status knows how the last run ended."""
    now: Callable[[], float] = time.time


def megabytes(count: int) -> str:
    """As people read it."""
    return f"{count / 1_000_000:.1f} MB"


def counted(number: int, one: str, many: str) -> str:
    """`1 blob`, `2 blobs`."""
    return f"{number} {one if number == 1 else many}"


def check_share(plan: Plan, most: int, remedy: str) -> None:
    """RefusedError: more of the registry would leave the images than `most` percent."""
    if plan.leaving * _PERCENT > plan.total * most:
        text = (
            f"{megabytes(plan.leaving)} of {megabytes(plan.total)} would go, more than gc.maxShare ({most} %); {remedy}"
        )
        raise RefusedError(text, TOO_MUCH)


def _emptied(plan: Plan) -> str:
    return counted(len(plan.empty), "empty repository", "empty repositories")


def _summary(plan: Plan) -> str:
    parts = [f"{counted(len(plan.blobs), 'blob', 'blobs')} with {megabytes(plan.bytes)}", _emptied(plan)]
    if plan.aside:
        parts.append(f"put aside: {megabytes(sum(plan.aside.values()))}")
    return ", ".join(parts)


class CleanUp:
    """One run."""

    def __init__(self, means: Means, options: Options) -> None:
        self._means = means
        self._options = options

    def run(self) -> int:
        """Its exit code."""
        if not self._options.dry:
            self._note("unfinished")
        try:
            code = self._dry() if self._options.dry else self._real()
        except (RefusedError, BarrierError) as error:
            code = error.code
            self._means.complain(f"gc: {error}")
        except (StorageError, AwayError) as error:
            code = FAILED
            self._means.complain(f"gc: {error}; the next run goes on from there")
        if code not in {0, NOT_KNOWN} and not self._options.dry:
            self._note("failed", f"code={code}")
        return code

    def _note(self, *words: str) -> None:
        when = datetime.fromtimestamp(self._means.now()).astimezone().isoformat(timespec="seconds")
        self._means.note(" ".join((words[0], when, *words[1:])))

    def _limits(self) -> Limits:
        its = self._options
        return Limits(self._means.now(), its.delete_untagged, its.trash_days, its.warn_percent)

    def _check(self, plan: Plan) -> None:
        if not self._options.force:
            what = "a run without --force refuses that;" if self._options.dry else "registry-gc --dry-run shows what;"
            check_share(plan, self._options.max_share, f"nothing was removed. {what} registry-gc --force does it")

    def _is_new(self) -> bool:
        try:
            self._means.storage.list(REPOSITORIES)
        except NotThere:
            return True
        return False

    def _dry(self) -> int:
        means = self._means
        means.storage.anew()
        fresh = Written().read(means.barrier.journals(), means.storage).fresh(means.now())
        plan = plan_clean_up(means.storage, fresh, self._limits())
        if self._options.as_json:
            means.say(json.dumps(plan.document()))
        else:
            for line in plan.lines():
                means.say(line)
            means.say("nothing was pushed yet" if self._is_new() else f"would go: {_summary(plan)}")
        self._check(plan)
        return NOT_KNOWN if plan.faults else 0

    def _real(self) -> int:
        means, its = self._means, self._options
        rules = Rules(
            "gc",
            trash_days=its.trash_days,
            check=self._check,
            announce=lambda plan: None if its.as_json else means.say(f"to go: {_summary(plan)}"),
            now=means.now,
        )
        outcome = carry_out(
            means.storage, means.barrier, lambda fresh: plan_clean_up(means.storage, fresh, self._limits()), rules
        )
        if its.as_json:
            means.say(json.dumps(_document(outcome)))
        else:
            self._tell(outcome)
        words = [f"freed={outcome.freed}", f"held={round(outcome.held)}", f"skipped={len(outcome.skipped)}"]
        if early := sum(trash.made(run) > means.now() - its.trash_days * DAY for run in outcome.records):
            words.append(f"early={early}")
        if outcome.without_record:
            words.append("unrecorded")
        self._note("ok", *words)
        return NOT_KNOWN if outcome.skipped else 0

    def _tell(self, outcome: Outcome) -> None:
        say = self._means.say
        for text in outcome.skipped:
            say(f"stays: {text}")
        for text in outcome.changed:
            say(f"stays: {text} changed meanwhile")
        if outcome.without_record:
            say("there was no room for a record: this can't be undone")
        if outcome.records:
            records = counted(len(outcome.records), "older record", "older records")
            say(f"{records} went ({' '.join(outcome.records)}): those removals can't be undone any more")
        if outcome.run is not None:
            say(f"registryctl undo {outcome.run} brings back what was removed")
        if outcome.acted:
            held = f"writes waited for {round(outcome.held)} s"
            say(f"removed {megabytes(outcome.freed)} and {_emptied(outcome.plan)}; {held}")
        else:
            say("nothing was pushed yet" if self._is_new() else "nothing to remove")


def _document(outcome: Outcome) -> dict[str, object]:
    return {
        **outcome.plan.document(),
        "freed": outcome.freed,
        "held": outcome.held,
        "run": outcome.run,
        "changed": outcome.changed,
        "skipped": outcome.skipped,
        "recordsGone": outcome.records,
        "withoutRecord": outcome.without_record,
    }
