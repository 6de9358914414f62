"""A push between the look at the storage and the barrier costs nothing, whatever the clocks say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.examples import examples
from tests.storage_oracle import documents, places, running
from tests.storage_oracle.generator import Made
from tests.storage_oracle.racing import Writer
from tests.storage_oracle.running import Gate
from tests.storage_oracle.serving import Snapshot, pull, taken
from tests.storage_oracle.trials import choose, storage_of
from tests.storage_oracle.verdict import judge, pull_losses

pytestmark = pytest.mark.usefixtures("kind")

DAY = 86400


@dataclass
class Scene:
    """A repository with a tag, and with much that nobody needs."""

    root: Path
    gate: Gate
    writer: Writer
    untagged: bytes
    """A manifest without a tag."""
    loose: str
    """A layer that no manifest names."""

    def before_the_barrier(self, act: Callable[[], object]) -> Snapshot:
        """A clean-up while `act` happens; what there was when the barrier closed."""
        seen: list[Snapshot] = []

        def happens() -> None:
            act()
            seen.append(taken(self.root))

        self.gate.before_closing = happens
        running.clean_up(running.opened(self.root), self.gate)
        assert seen, "a clean-up with something to remove did not close the barrier"
        return seen[0]

    def nothing_lost(self, before: Snapshot) -> None:
        """What clients got, and what pushers were promised, is all there."""
        after = taken(self.root)
        assert pull_losses(before, after) == []
        for name, digest in self.writer.promised:
            if before.blob(name, digest) is not None:
                assert after.blob(name, digest) is not None, f"{name}: layer {digest} went"
            if before.manifest(name, digest) is not None:
                assert after.manifest(name, digest) is not None, f"{name}: manifest {digest} went"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The storage before anything happens; all in it was written by a generation of which nobody knows any more."""
    storage = Made(0, Random(0))
    config, layer = storage.layer("app", b"config"), storage.layer("app", b"layer")
    storage.tag("app", "v1", storage.manifest("app", documents.written(storage.rng, _image(config, [layer]))))
    loose = storage.layer("app", b"loose")
    content = documents.written(storage.rng, _image(storage.layer("app", b"another config"), [layer]))
    storage.manifest("app", content)
    storage.layer("other", b"of the other")
    storage.blob(b"nobody's")
    storage.write(tmp_path)
    gate = Gate()
    return Scene(tmp_path, gate, Writer(tmp_path, gate, Random(1)), content, loose)


def _image(config: str, layers: list[str], subject: str = "") -> documents.Document:
    rng = Random(f"{config}{subject}")
    return documents.image(rng, config, layers, subject)


def _digest(content: bytes) -> str:
    return places.sha256(content)


def test_what_nobody_needs_goes_when_nothing_happens(scene: Scene) -> None:
    """Else the other tests could not fail."""
    before = scene.before_the_barrier(lambda: None)
    after = taken(scene.root)
    assert after.manifest("app", _digest(scene.untagged)) is None
    assert after.blob("app", scene.loose) is None
    assert after.blob("app", _digest(b"another config")) is None
    assert pull_losses(before, after) == []


def test_an_old_manifest_gets_a_tag(scene: Scene) -> None:
    """Its revision, its configuration and the blobs were all planned to go."""
    before = scene.before_the_barrier(lambda: scene.writer.manifest("app", scene.untagged, "v2"))
    assert before.tags["app"]["v2"]
    scene.nothing_lost(before)


def test_an_old_manifest_is_pushed_again_without_a_tag(scene: Scene) -> None:
    """Its pusher may be about to push an index over it."""
    scene.nothing_lost(scene.before_the_barrier(lambda: scene.writer.manifest("app", scene.untagged)))


def test_an_index_over_an_old_manifest(scene: Scene) -> None:
    """The manifest itself is not pushed again: only the index names it."""
    index = documents.written(Random(1), documents.index(Random(1), [_digest(scene.untagged)]))
    before = scene.before_the_barrier(lambda: scene.writer.manifest("app", index, "multi"))
    assert ("manifest", _digest(scene.untagged)) in _pulled(before, "app", "multi")
    scene.nothing_lost(before)


def test_an_index_over_an_index_over_an_old_manifest(scene: Scene) -> None:
    """What a tag needs is followed to its end."""
    rng = Random(2)
    inner = documents.written(rng, documents.index(rng, [_digest(scene.untagged)]))
    outer = documents.written(rng, documents.index(rng, [_digest(inner)]))

    def pushes() -> None:
        scene.writer.manifest("app", inner)
        scene.writer.manifest("app", outer, "multi")

    scene.nothing_lost(scene.before_the_barrier(pushes))


def test_a_layer_is_used_again_after_a_look(scene: Scene) -> None:
    """The pusher was told that the layer is there, and pushes its manifest after the clean-up."""
    before = scene.before_the_barrier(lambda: scene.writer.head("app", scene.loose))
    scene.nothing_lost(before)
    assert scene.writer.manifest("app", documents.written(Random(3), _image(scene.loose, [])), "late")


def test_a_layer_is_mounted_into_another_repository(scene: Scene) -> None:
    """From where nobody needs it."""
    scene.nothing_lost(scene.before_the_barrier(lambda: scene.writer.mount("fresh/one", scene.loose, "app")))
    assert scene.writer.manifest("fresh/one", documents.written(Random(4), _image(scene.loose, [])), "late")


def test_a_mount_that_is_asked_for_but_comes_after_the_barrier(scene: Scene) -> None:
    """The line is there, the link is not yet: the barrier came between."""

    def asked() -> None:
        scene.gate.note("POST", "fresh/one", "blob", scene.loose)

    scene.before_the_barrier(asked)
    # It fails or it works; an answer of 201 without the layer there is not.
    if scene.writer.mount("fresh/one", scene.loose, "app"):
        assert taken(scene.root).blob("fresh/one", scene.loose) is not None


def test_a_layer_that_was_pushed_before_the_look_stays_for_a_day(scene: Scene) -> None:
    """And goes afterwards."""
    fresh = scene.writer.layer("app", b"pushed just now")
    scene.nothing_lost(scene.before_the_barrier(lambda: None))
    assert taken(scene.root).blob("app", fresh) is not None


def test_a_layer_that_nobody_took_up_for_a_day_goes(scene: Scene) -> None:
    """It has a line, but an old one."""
    scene.writer.clock = -DAY - 120
    old = scene.writer.layer("app", b"pushed yesterday")
    scene.before_the_barrier(lambda: None)
    assert taken(scene.root).blob("app", old) is None


def test_a_layer_that_a_manifest_took_up_goes_with_it(scene: Scene) -> None:
    """Once its tag is gone; a day has not passed."""
    layer = scene.writer.layer("app", b"taken up")
    image = documents.written(Random(5), _image(layer, []))
    assert scene.writer.manifest("app", image, "short")
    scene.before_the_barrier(lambda: scene.writer.untag("app", "short"))
    running.clean_up(running.opened(scene.root), scene.gate)
    assert taken(scene.root).blob("app", layer) is None


def test_a_tag_moves_to_an_old_manifest_while_it_is_deleted(scene: Scene) -> None:
    """It is not the tag any more that somebody wanted gone."""

    def moves() -> None:
        scene.writer.manifest("app", scene.untagged, "v1")

    scene.gate.before_closing = moves
    running.remove(running.opened(scene.root), {"app": ["v1"]}, scene.gate)
    after = taken(scene.root)
    assert after.target(places.current("app", "v1")) == _digest(scene.untagged)
    assert after.manifest("app", _digest(scene.untagged)) == scene.untagged


@pytest.mark.parametrize("clock", [-400 * DAY, -3600, 3600, 400 * DAY])
@pytest.mark.parametrize("whole_seconds", [False, True])
def test_clocks_make_no_difference(scene: Scene, clock: float, whole_seconds: bool) -> None:
    """Neither one that steps nor a file system that knows whole seconds only."""

    def pushes() -> None:
        scene.writer.clock, scene.writer.whole_seconds = clock, whole_seconds
        scene.writer.manifest("app", scene.untagged, "v2")
        layer = scene.writer.layer("app", b"new")
        scene.writer.head("app", scene.loose)
        scene.writer.manifest("app", documents.written(Random(6), _image(layer, [scene.loose])), "v3")

    before = scene.before_the_barrier(pushes)
    after = taken(scene.root)
    assert pull_losses(before, after) == []
    assert {"v1", "v2", "v3"} <= set(after.tags["app"])


@pytest.mark.parametrize("lost", ["torn", "gone", "replaced"])
def test_without_a_whole_journal_pushes_are_found_all_the_same(scene: Scene, lost: str) -> None:
    """Nobody wrote down what happened: the storage is looked at again when nobody writes."""
    scene.writer.journaled = False

    def pushes() -> None:
        scene.writer.manifest("app", scene.untagged, "v2")
        layer = scene.writer.layer("app", b"new")
        scene.writer.manifest("app", documents.written(Random(7), _image(layer, [scene.loose])), "v3")
        if lost == "torn":
            scene.gate.torn.add("1")
        elif lost == "gone":
            scene.gate.generations.clear()
        else:
            scene.gate.generations.clear()
            scene.gate.generations["9"] = []

    scene.nothing_lost(scene.before_the_barrier(pushes))


def test_a_line_that_was_cut_off_counts_as_none(scene: Scene) -> None:
    """The proxy was killed while it wrote."""
    scene.writer.journaled = False

    def pushes() -> None:
        scene.gate.generations["1"].append(b"17000 PUT app mani")
        scene.writer.manifest("app", scene.untagged, "v2")

    scene.nothing_lost(scene.before_the_barrier(pushes))


def test_a_writer_that_was_replaced_meanwhile(scene: Scene) -> None:
    """Two generations wrote; each has its journal."""

    def pushes() -> None:
        scene.writer.manifest("app", scene.untagged, "v2")
        scene.gate.generations["1a"] = []
        layer = scene.writer.layer("app", b"new")
        scene.writer.manifest("app", documents.written(Random(8), _image(layer, [scene.loose])), "v3")

    scene.nothing_lost(scene.before_the_barrier(pushes))


@pytest.mark.parametrize("part", range(4))
def test_random_pushes_beside_random_storages(part: int) -> None:
    """A clean-up or a deletion, with pushes before the look and between look and barrier."""
    for seed in range(2000 + part, 2000 + examples(160, 800), 4):
        _race(seed)


def _race(seed: int) -> None:
    rng = Random(seed)
    with storage_of(seed) as root:
        gate = Gate()
        writer = Writer(root, gate, rng, clock=rng.choice([0, 0, -50, 50]), whole_seconds=rng.random() < 0.3)
        for _ in range(rng.randrange(3)):
            writer.act()
        seen: list[Snapshot] = []
        broken = rng.random() < 0.1

        def happens() -> None:
            writer.journaled = not broken
            for _ in range(rng.randrange(6)):
                writer.act()
            if broken:
                gate.torn.add(next(reversed(gate.generations)))
            seen.append(taken(root))

        gate.before_closing = happens
        tags = choose(taken(root), rng) if rng.random() < 0.4 else {}
        pairs = [(name, tag) for name, some in tags.items() for tag in some]
        if tags:
            running.remove(running.opened(root), tags, gate)
        else:
            running.clean_up(running.opened(root), gate, trash_days=rng.choice([0, 7]))
        if not seen:
            return
        after = taken(root)
        wrong = pull_losses(seen[0], after, pairs)
        for name, digest in writer.promised:
            if seen[0].blob(name, digest) is not None and after.blob(name, digest) is None:
                wrong.append(f"{name}: layer {digest} went")
        assert not wrong, f"seed {seed}: {wrong[:5]}"
        assert judge(after).stays.keys() <= after.files.keys()


def _pulled(storage: Snapshot, name: str, tag: str) -> dict[tuple[str, str], bytes]:
    return pull(storage, name, tag, storage.referrers(name))
