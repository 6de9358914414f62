"""The oracle itself: it sees each loss, and it serves what real registries serve."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.storage_oracle import places
from tests.storage_oracle.generator import Made, made
from tests.storage_oracle.reading import Sense, strictly
from tests.storage_oracle.registries import serving
from tests.storage_oracle.serving import Snapshot
from tests.storage_oracle.verdict import State, judge, wrongs

SEEDS = range(120)


def test_no_path_is_both_to_stay_and_to_go() -> None:
    """And each repository's state has a reason, where it is not the plain one."""
    for seed in SEEDS:
        verdict = judge(Snapshot(made(seed).files))
        assert not verdict.stays.keys() & verdict.goes.keys(), seed
        assert all(bool(verdict.why[name]) == (state > State.WHOLE) for name, state in verdict.states.items()), seed


def test_all_that_is_to_go_can_go() -> None:
    """Nobody's pull gets less by it, and nothing is left that is to go then."""
    for seed in SEEDS:
        before = Snapshot(made(seed).files)
        verdict = judge(before)
        after = Snapshot({path: text for path, text in before.files.items() if path not in verdict.goes})
        assert wrongs(before, after, verdict) == [], seed
        assert judge(after).goes == {}, seed


def test_each_loss_is_seen() -> None:
    """Of a file that is to stay, and of one that is left though it is to go."""
    for seed in range(30):
        before = Snapshot(made(seed).files)
        verdict = judge(before)
        done = {path: text for path, text in before.files.items() if path not in verdict.goes}
        for path in verdict.stays:
            assert wrongs(before, Snapshot({one: text for one, text in done.items() if one != path}), verdict), path
        for path in verdict.goes:
            assert wrongs(before, Snapshot(done | {path: before.files[path]}), verdict), path


def test_storages_are_of_all_kinds() -> None:
    """Many are plain enough that the oracle is strict about them."""
    states = [state for seed in range(400) for state in judge(Snapshot(made(seed).files)).states.values()]
    share = {state: states.count(state) / len(states) for state in State}
    assert share[State.WHOLE] > 0.6
    assert share[State.OPEN] > 0.02
    assert share[State.BROKEN] > 0.05


@pytest.mark.e2e
@pytest.mark.parametrize("version", ["3.1.2", "2.8.3"])
def test_the_oracle_serves_what_a_real_registry_serves(version: str, tmp_path: Path) -> None:
    """All that the registry gives, the oracle knows of, and plain manifests and blobs are the same in both."""
    files = _together(range(60))
    storage = Snapshot(files)
    Made(0, Random(0), files).write(tmp_path / "data")
    wrong = []
    with serving(version, tmp_path / "data", tmp_path / "registry") as client:
        for name, links in storage.links.items():
            for link in links:
                if link.kind == "layer":
                    if client.blob(name, link.digest) != storage.blob(name, link.digest):
                        wrong.append(link.path)
                elif link.kind == "revision":
                    real, mine = client.manifest(name, link.digest), storage.manifest(name, link.digest)
                    if not _same(real, mine, link.digest):
                        wrong.append(link.path)
    assert wrong == []


def _same(real: bytes | None, mine: bytes | None, digest: str) -> bool:
    if mine is None:
        return real is None
    plain = strictly(mine).sense is Sense.CLEAR and b'"schemaVersion"' in mine and b"fsLayers" not in mine
    if real is None:
        return not plain or not places.matches(digest, mine) or b"artifact.manifest" in mine
    # A schema 1 manifest is signed anew each time.
    return real == mine or b"fsLayers" in mine


def _together(seeds: range) -> dict[str, bytes]:
    """The storages of many seeds as one, each with its repositories in a folder of its own."""
    files: dict[str, bytes] = {}
    for seed in seeds:
        for path, content in made(seed).files.items():
            files[path.replace(f"{places.REPOSITORIES}/", f"{places.REPOSITORIES}/s{seed}/")] = content
    folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    return {path: content for path, content in files.items() if path not in folders}
