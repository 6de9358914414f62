"""What is tried on the storage of each seed."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from random import Random

from tests.storage_oracle import running
from tests.storage_oracle.generator import made
from tests.storage_oracle.serving import Snapshot, taken
from tests.storage_oracle.size import memory
from tests.storage_oracle.verdict import judge, pull_losses, wrongs

CHUNK = 25
Tags = dict[str, list[str]]


# Several trials of one seed follow each other.
_made = lru_cache(1)(made)


@contextmanager
def storage_of(seed: int) -> Iterator[Path]:
    """The storage of a seed on the disk; it is removed afterwards."""
    root = Path(tempfile.mkdtemp(prefix="storage-oracle-", dir=memory()))
    try:
        _made(seed).write(root)
        yield root
    finally:
        shutil.rmtree(root)


def try_seed(seed: int) -> list[str]:
    """What is wrong after all that is tried on a seed's storage; no one of the trials may raise."""
    found: list[str] = []
    for trial in (_clean, _undo_clean_up, _delete):
        try:
            with storage_of(seed) as root:
                found += [f"{trial.__name__[1:]}: {wrong}" for wrong in trial(root, Random(seed))]
        except Exception:
            found.append(f"{trial.__name__[1:]}: {traceback.format_exc(limit=-4)}")
    return found


def _clean(root: Path, rng: Random) -> list[str]:
    """A clean-up that keeps no record, and a second one that finds nothing more to do."""
    untagged = rng.random() < 0.75
    before = taken(root)
    verdict = judge(before, untagged)
    running.clean_up(running.opened(root), delete_untagged=untagged)
    after = taken(root)
    found = wrongs(before, after, verdict)
    running.clean_up(running.opened(root), delete_untagged=untagged)
    if taken(root).files != after.files:
        found.append("a second clean-up finds more to remove")
    return found


def _undo_clean_up(root: Path, rng: Random) -> list[str]:
    """A clean-up that keeps a record, and what its undoing brings back."""
    del rng
    before = taken(root)
    times = times_of(root, before)
    verdict = judge(before)
    outcome = running.clean_up(running.opened(root), trash_days=7)
    found = pull_losses(before, taken(root))
    found += [f"lost: {path}" for path in verdict.stays if not (root / path).exists()]
    if outcome.run:
        undone = running.bring_back(running.opened(root))
        found += [f"undo: missing {one}" for one in undone.missing]
        found += manifests_back(before, taken(root))
    return found + pull_losses(before, taken(root)) + times_wrong(root, times)


def _delete(root: Path, rng: Random) -> list[str]:
    """A deletion of some tags, a clean-up that may not take what only the record holds, and the undoing of both."""
    before = taken(root)
    times = times_of(root, before)
    gone = choose(before, rng)
    if not gone:
        return []
    pairs = [(name, tag) for name, tags in gone.items() for tag in tags]
    removed = running.remove(running.opened(root), gone)
    after = taken(root)
    found = [f"{name}:{tag} is still there" for name, tag in pairs if tag in after.tags.get(name, {})]
    found += pull_losses(before, after, pairs)
    running.clean_up(running.opened(root), trash_days=7)
    found += pull_losses(before, taken(root), pairs)
    undone = running.bring_back(running.opened(root), removed.run)
    found += [f"undo: missing {one}" for one in undone.missing]
    found += pull_losses(before, taken(root)) + times_wrong(root, times)
    return found + _all_gone_in_the_end(root, gone)


def _all_gone_in_the_end(root: Path, gone: Tags) -> list[str]:
    """Without records a deletion and a clean-up leave nothing of what only the deleted tags needed."""
    for record in (root / "trash").glob("*"):
        record.unlink()
    before = taken(root)
    pairs = [(name, tag) for name, tags in gone.items() for tag in tags]
    verdict = judge(before, without=pairs)
    running.remove(running.opened(root), gone, trash_days=0)
    running.clean_up(running.opened(root))
    return wrongs(before, taken(root), verdict, pairs)


def choose(storage: Snapshot, rng: Random) -> Tags:
    """Some tags, by repository."""
    found: Tags = {}
    for name, tags in storage.tags.items():
        readable = [tag for tag, path in sorted(tags.items()) if storage.target(path)]
        some = rng.sample(readable, rng.randrange(len(readable) + 1))
        if some:
            found[name] = some
    return found


def times_of(root: Path, storage: Snapshot) -> dict[str, int]:
    """When each tag of a storage was pushed that lies at `root`."""
    return {path: os.stat(root / path).st_mtime_ns for tags in storage.tags.values() for path in tags.values()}  # noqa: PTH116


def times_wrong(root: Path, times: dict[str, int]) -> list[str]:
    """Tags that have another push time than they had, or are gone."""
    if running.is_bucket():
        # The store sets them.
        return [f"{path} is gone" for path in times if not (root / path).is_file()]
    return [f"{path} was pushed at another time now" for path, time in times.items() if _time(root / path) != time]


def _time(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.is_file() else None


def manifests_back(before: Snapshot, after: Snapshot) -> list[str]:
    """Every manifest that could be pulled by its digest can be again, with its layers."""
    found = []
    for name, links in before.links.items():
        for link in links:
            content = before.manifest(name, link.digest) if link.kind == "revision" else None
            if content is not None and after.manifest(name, link.digest) != content:
                found.append(f"undo: {name}@{link.digest} is not back")
    return found


def try_all(seeds: Iterable[int], workers: int | None = None, kind: str = "files") -> Iterator[tuple[int, list[str]]]:
    """Tries seeds in as many processes as there are processors; (seed, what is wrong) of each."""
    wanted = list(seeds)
    chunks = [wanted[first : first + CHUNK] for first in range(0, len(wanted), CHUNK)]
    with ProcessPoolExecutor(workers or os.cpu_count(), initializer=running.use, initargs=(kind,)) as pool:
        for done in pool.map(_try_some, chunks):
            yield from done


def _try_some(seeds: list[int]) -> list[tuple[int, list[str]]]:
    return [(seed, try_seed(seed)) for seed in seeds]
