"""Whatever call of the storage fails, and wherever the program ends: images stay whole, and the next run completes."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import pytest

from registryctl.act import RefusedError
from registryctl.storage import AwayError, Storage, StorageError
from registryctl.trash import runs
from tests.examples import examples
from tests.storage_oracle import running
from tests.storage_oracle.failing import WRITING, EndedError, Trouble, failing
from tests.storage_oracle.serving import Snapshot, taken
from tests.storage_oracle.trials import choose, manifests_back, storage_of, times_of, times_wrong
from tests.storage_oracle.verdict import judge, pull_losses, wrongs

ERRORS = (Trouble.FULL, Trouble.BROKEN, Trouble.READ_ONLY)
ENDS = (Trouble.END_BEFORE, Trouble.END_AFTER)
KILLS = (Trouble.KILL_BEFORE, Trouble.KILL_AFTER)
THOROUGH = (41,)
"""Storages of which each call has each trouble."""
SAMPLED = range(1000, 1000 + examples(12, 60))
"""Storages of which a few calls have one."""
POINTS = 4
PARTS = 8

Act = Callable[[Storage], object]


@dataclass
class Case:
    """A storage, as it was before anything happened to it."""

    seed: int
    root: Path
    before: Snapshot
    times: dict[str, int]

    @property
    def tags(self) -> dict[str, list[str]]:
        """What is to be deleted of it."""
        return choose(self.before, Random(self.seed))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The same by repository and tag."""
        return [(name, tag) for name, tags in self.tags.items() for tag in tags]


class CleanUp:
    """Nothing is kept in the trash."""

    keeps_record = True
    """Whether it does not go on where there is no room for a record."""

    def prepare(self, case: Case) -> None:
        """Nothing has to be done before."""

    def act(self, case: Case) -> Act:
        """What has the trouble."""
        del case
        return running.clean_up

    def check(self, case: Case) -> list[str]:
        """Each image is whole, and the next run does what the first one did not."""
        found = pull_losses(case.before, taken(case.root))
        running.clean_up(running.opened(case.root))
        return found + wrongs(case.before, taken(case.root), judge(case.before))


class RecordedCleanUp(CleanUp):
    """All comes back, by the record of the run that failed and by that of the one that went on from there."""

    keeps_record = False

    def act(self, case: Case) -> Act:
        """What has the trouble."""
        del case
        return lambda storage: running.clean_up(storage, trash_days=7)

    def check(self, case: Case) -> list[str]:
        """Each image is whole; undone, all manifests are there again."""
        found = pull_losses(case.before, taken(case.root))
        running.clean_up(running.opened(case.root), trash_days=7)
        return found + _all_back(case)


class Deletion(CleanUp):
    """Of some tags."""

    def act(self, case: Case) -> Act:
        """What has the trouble."""
        return lambda storage: running.remove(storage, case.tags)

    def check(self, case: Case) -> list[str]:
        """The other tags are whole; done again it is complete; undone, tags have their push times."""
        found = pull_losses(case.before, taken(case.root), case.pairs)
        running.remove(running.opened(case.root), case.tags)
        now = taken(case.root).tags
        found += [f"{name}:{tag} is still there" for name, tag in case.pairs if tag in now.get(name, {})]
        running.clean_up(running.opened(case.root), trash_days=7)
        return found + _all_back(case) + times_wrong(case.root, case.times)


class Undoing(CleanUp):
    """Of a deletion."""

    def prepare(self, case: Case) -> None:
        """Deletes."""
        running.remove(running.opened(case.root), case.tags)

    def act(self, case: Case) -> Act:
        """What has the trouble."""
        del case
        return running.bring_back

    def check(self, case: Case) -> list[str]:
        """The other tags are whole; done again it is complete."""
        found = pull_losses(case.before, taken(case.root), case.pairs)
        return found + _all_back(case) + times_wrong(case.root, case.times)


ACTS: dict[str, CleanUp] = {
    "clean-up": CleanUp(),
    "clean-up with a record": RecordedCleanUp(),
    "deletion": Deletion(),
    "undoing": Undoing(),
}


@pytest.mark.parametrize("kind", running.KINDS)
@pytest.mark.parametrize("name", ACTS)
def test_trouble_at_any_call(name: str, kind: str) -> None:
    """Errors, the program's end, and SIGKILL; of a bucket, at any request."""
    parts = [(name, seed, part) for seed in THOROUGH for part in range(examples(1, PARTS))]
    parts += [(name, seed, -1) for seed in SAMPLED[:: 1 if kind == "files" else 3]]
    with ProcessPoolExecutor(os.cpu_count(), initializer=running.use, initargs=(kind,)) as pool:
        found = [wrong for some in pool.map(_try, parts, chunksize=4) for wrong in some]
    assert not found, f"{len(found)}: " + "\n".join(found[:10])


def _try(which: tuple[str, int, int]) -> list[str]:
    name, seed, part = which
    act, found = ACTS[name], []
    for at, trouble, call in _points(act, seed, part):
        with storage_of(seed) as root:
            case = _case(seed, root)
            act.prepare(case)
            wrong = _in_trouble(act.act(case), root, at, trouble)
            if act.keeps_record or not (trouble is Trouble.FULL and call == "write"):
                wrong += act.check(case)
            else:
                wrong += pull_losses(case.before, taken(root))
            found += [f"seed {seed}, call {at}, {trouble.value}: {one}" for one in wrong]
    return found


def _case(seed: int, root: Path) -> Case:
    before = _before(seed)
    return Case(seed, root, before, times_of(root, before))


@lru_cache(1)
def _before(seed: int) -> Snapshot:
    """A storage as it is written each time."""
    with storage_of(seed) as root:
        return taken(root)


def _points(act: CleanUp, seed: int, part: int) -> list[tuple[int, Trouble, str]]:
    """The calls that a run makes, each with each trouble; of most storages only some."""
    with storage_of(seed) as root:
        case = _case(seed, root)
        act.prepare(case)
        if not isinstance(act, Undoing) or runs(running.opened(root)):
            counting, calls = failing(root)
            act.act(case)(counting)
        else:
            return []
    if part >= 0:
        numbers = range(part, len(calls), PARTS)
        return [(number, trouble, calls[number]) for number in numbers for trouble in (*ERRORS, *ENDS)]
    every = [(number, trouble, call) for number, call in enumerate(calls) for trouble in Trouble]
    # Most calls only look: half of the sample is of those that change something.
    changing = [point for point in every if point[2] in WRITING]
    rng = Random(seed)
    return rng.sample(every, min(POINTS, len(every))) + rng.sample(changing, min(POINTS, len(changing)))


def _in_trouble(act: Act, root: Path, at: int, trouble: Trouble) -> list[str]:
    """Runs until the trouble; it may end in one of the errors that the program knows, and in no other way."""
    storage, _ = failing(root, at, trouble)
    if trouble in KILLS:
        child = os.fork()
        if child == 0:
            try:
                act(storage)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return []
    try:
        act(storage)
    except (StorageError, AwayError, RefusedError):
        return ["it ended with an error of its own"] if trouble in ENDS else []
    except EndedError:
        return []
    if running.is_bucket():
        # What was asked for ahead may not have been needed in the end.
        return []
    return ["it went on after its end"] if trouble in ENDS else []


def _all_back(case: Case) -> list[str]:
    found = []
    for run in reversed(runs(running.opened(case.root))):
        found += [f"missing: {one}" for one in running.bring_back(running.opened(case.root), run).missing]
    now = taken(case.root)
    return found + manifests_back(case.before, now) + pull_losses(case.before, now)
