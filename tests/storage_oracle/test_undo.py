"""What went comes back: all of it, or, where a part is lost, nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from registryctl.storage import NotThere
from registryctl.trash import runs
from tests.examples import examples
from tests.storage_oracle import documents, places, running
from tests.storage_oracle.generator import Made
from tests.storage_oracle.racing import Writer
from tests.storage_oracle.running import Gate
from tests.storage_oracle.serving import Pulled, Snapshot, pull, taken
from tests.storage_oracle.trials import choose, storage_of, times_of, times_wrong
from tests.storage_oracle.verdict import pull_losses

pytestmark = pytest.mark.usefixtures("kind")

SEEDS = range(5000, 5000 + examples(40, 150))


@dataclass
class Scene:
    """A repository with an index under a tag, whose image has a signature, and another tag."""

    root: Path
    child: str
    layer: str
    times: dict[str, int]
    before: Snapshot


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """As it is before anything goes."""
    storage = Made(0, Random(0))
    rng = storage.rng
    layer = storage.layer("app", b"a layer", wide=True)
    child = storage.manifest("app", documents.written(rng, documents.image(rng, storage.layer("app", b"c"), [layer])))
    index = storage.manifest("app", documents.written(rng, documents.index(rng, [child])))
    storage.tag("app", "multi", index)
    signature = documents.image(rng, storage.layer("app", b"{}"), [storage.layer("app", b"signed")], child)
    storage.manifest("app", documents.written(rng, signature))
    other = documents.image(rng, storage.layer("app", b"other"), [storage.layer("app", b"its layer")])
    storage.tag("app", "other", storage.manifest("app", documents.written(rng, other)))
    storage.write(tmp_path)
    before = taken(tmp_path)
    yield Scene(tmp_path, child, layer, times_of(tmp_path, before), before)


def _gone(scene: Scene) -> str:
    run = running.remove(running.opened(scene.root), {"app": ["multi"]}).run
    assert run
    running.clean_up(running.opened(scene.root), trash_days=7)
    assert "multi" not in taken(scene.root).tags["app"]
    assert taken(scene.root).manifest("app", scene.child) is None
    return run


def test_a_deleted_tag_comes_back_with_its_platforms_and_signatures(scene: Scene) -> None:
    """And with its push time."""
    undone = running.bring_back(running.opened(scene.root), _gone(scene))
    assert undone.tags == ["app:multi"]
    assert undone.missing == undone.moved == []
    assert taken(scene.root).pulled == scene.before.pulled
    assert times_wrong(scene.root, scene.times) == []


def test_a_tag_that_was_pushed_again_stays_what_it_is(scene: Scene) -> None:
    """What it was is there by its digest."""
    run = _gone(scene)
    now = scene.before.target(places.current("app", "other"))
    content = taken(scene.root).manifest("app", str(now))
    assert content is not None
    gate = Gate()
    Writer(scene.root, gate, Random(1)).manifest("app", content, "multi")
    undone = running.bring_back(running.opened(scene.root), run, gate)
    assert undone.tags == []
    assert undone.moved == ["app:multi"]
    after = taken(scene.root)
    assert after.target(places.current("app", "multi")) == now
    was = str(scene.before.target(places.current("app", "multi")))
    assert _by_digest(after, was) == _pull(scene.before, "multi")


def test_what_is_missing_is_named_and_nothing_changes(scene: Scene) -> None:
    """A blob that the trash held is lost."""
    run = _gone(scene)
    lost = places.sha256(b"a layer")
    (scene.root / places.blob(lost)).unlink()
    before = taken(scene.root)
    undone = running.bring_back(running.opened(scene.root), run)
    assert any(lost in one or scene.layer in one for one in undone.missing)
    assert len(undone.missing) == 1
    assert undone.tags == []
    assert taken(scene.root).files == before.files


def test_what_has_rotten_counts_as_missing(scene: Scene) -> None:
    """A manifest that is not what its digest says can't be brought back."""
    run = _gone(scene)
    (scene.root / places.blob(scene.child)).write_bytes(b"{}")
    before = taken(scene.root)
    undone = running.bring_back(running.opened(scene.root), run)
    assert any(scene.child in one for one in undone.missing)
    assert taken(scene.root).files == before.files


def test_a_run_whose_record_is_gone_can_not_be_undone(scene: Scene) -> None:
    """It is said, and nothing changes."""
    run = _gone(scene)
    for record in (scene.root / "trash").iterdir():
        record.unlink()
    before = taken(scene.root)
    with pytest.raises(NotThere):
        running.bring_back(running.opened(scene.root), run)
    assert taken(scene.root).files == before.files


def test_an_undoing_done_twice(scene: Scene) -> None:
    """The second one finds nothing to do, or no record; the images stay."""
    run = _gone(scene)
    running.bring_back(running.opened(scene.root), run)
    with suppress(NotThere):
        running.bring_back(running.opened(scene.root), run)
    assert taken(scene.root).pulled == scene.before.pulled


def test_two_runs_are_undone_in_any_order() -> None:
    """Two deletions and a clean-up between, of random storages; some tags are pushed again in between."""
    for seed in SEEDS:
        rng = Random(seed)
        with storage_of(seed) as root:
            before = taken(root)
            times = times_of(root, before)
            done = []
            for _ in range(2):
                tags = choose(taken(root), rng)
                if tags:
                    done.append(running.remove(running.opened(root), tags).run)
                done.append(running.clean_up(running.opened(root), trash_days=7).run)
            wanted = [run for run in done if run]
            assert sorted(wanted) == sorted(runs(running.opened(root))), seed
            rng.shuffle(wanted)
            missing = [one for run in wanted for one in running.bring_back(running.opened(root), run).missing]
            assert missing == [], seed
            assert pull_losses(before, taken(root)) == [], seed
            assert times_wrong(root, times) == [], seed


def test_records_that_were_emptied_in_part() -> None:
    """Files of blobs go that only the trash holds: each undoing brings back all, or names what is lost."""
    for seed in SEEDS:
        rng = Random(seed)
        with storage_of(seed) as root:
            before = taken(root)
            run = running.remove(running.opened(root), choose(before, rng)).run
            if not run:
                continue
            now = taken(root)
            needed = {places.blob(one) for one in _led_to(before)} - {places.blob(one) for one in _led_to(now)}
            lost = [path for path in sorted(needed & now.files.keys()) if rng.random() < 0.3]
            for path in lost:
                os.unlink(root / path)  # noqa: PTH108
            held = taken(root)
            undone = running.bring_back(running.opened(root), run)
            after = taken(root)
            if undone.missing:
                assert lost, seed
                assert after.files == held.files, seed
            else:
                assert pull_losses(before, after) == [] or lost, seed


def _led_to(storage: Snapshot) -> set[str]:
    return {
        target
        for links in storage.links.values()
        for link in links
        if link.kind in {"tag", "revision", "layer"} and (target := storage.target(link.path))
    }


def _pull(storage: Snapshot, tag: str) -> Pulled:
    return pull(storage, "app", tag, storage.referrers("app"))


def _by_digest(storage: Snapshot, digest: str) -> Pulled:
    """What one gets by a digest: the same as by a tag that leads to it."""
    files = dict(storage.files)
    files[places.current("app", "by-digest")] = digest.encode()
    return _pull(Snapshot(files), "by-digest")
