"""What is written between the look and the barrier stays, with all that it needs."""

from __future__ import annotations

import pytest

from registryctl.act import RefusedError, Rules, carry_out
from registryctl.gc import Limits, plan_clean_up
from registryctl.journals import BarrierError, line_of
from registryctl.plan import Plan
from tests.registryctl.world import NOW, Gate, Notes, World, clean_up, digest_of, remove


def test_a_tag_pushed_meanwhile_keeps_its_image(world: World) -> None:
    """Of an untagged manifest that was to go, with what is said about it and its children."""
    child = world.image("a", "", b"layer", algorithm="sha512")
    note = world.image("a", "", b"note", subject=child)
    digest = world.index("a", "", child)
    gone = world.image("a", "", b"gone")
    gate = Gate()

    def push() -> None:
        world.put("a", world.blob_file(digest).read_bytes(), "1.0")
        gate.wrote("PUT a manifest 1.0", f"DONE a manifest {digest}")

    gate.closing = push
    outcome = clean_up(world, gate)
    world.pull("a", "1.0")
    world.pull("a", note)
    assert not world.has(gone)
    assert {f"a@{digest}", f"a@{child}", f"a@{note}"} <= set(outcome.changed)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_layer_pushed_meanwhile_stays(world: World, algorithm: str) -> None:
    """Under whichever name; also in a repository of which nothing was to go."""
    world.image("a", "", b"layer", algorithm=algorithm)
    world.image("b", "1.0", b"other")
    gate = Gate()

    def push() -> None:
        gate.wrote(f"PUT b blob {world.layer('b', b'layer', algorithm)}")

    gate.closing = push
    clean_up(world, gate)
    assert world.has(digest_of(b"layer"))
    assert world.repositories() == {"b"}


def test_a_layer_that_a_client_was_told_of_stays(world: World) -> None:
    """It will name it without pushing it."""
    layer = world.layer("a", b"layer")
    gate = Gate(closing=lambda: gate.wrote(f"HEAD a blob {layer}"))
    clean_up(world, gate)
    assert world.has(layer)
    assert world.link_file("a", "_layers", layer).exists()


@pytest.mark.parametrize("same", [True, False])
def test_a_tag_pushed_again_is_not_deleted(world: World, same: bool) -> None:
    """Nor what it needs, whether it is another image or the same."""
    world.image("a", "1.0", b"old")
    gate = Gate()

    def push() -> None:
        world.image("a", "1.0", b"old" if same else b"new")
        gate.wrote("PUT a manifest 1.0")

    gate.closing = push
    outcome = remove(world, "a", "1.0", gate=gate)
    assert "a:1.0" in outcome.changed
    world.pull("a", "1.0")


@pytest.mark.parametrize("tag", ["1.0", ""])
def test_a_tag_goes_wholly_while_its_image_gets_another(world: World, tag: str) -> None:
    """Also one that is gone but for what it was. The registry lists a tag of which a directory is left."""
    digest = world.image("a", "1.0", b"layer")
    world.image("a", "2.0", b"other")
    if not tag:
        world.tag_file("a", "1.0").unlink()
    gate = Gate()

    def push() -> None:
        world.put("a", world.blob_file(digest).read_bytes(), "promoted")
        gate.wrote("PUT a manifest promoted", f"DONE a manifest {digest}")

    gate.closing = push
    outcome = remove(world, "a", tag, gate=gate) if tag else clean_up(world, gate)
    assert f"a@{digest}" in outcome.changed
    assert world.listed_tags("a") == {"2.0", "promoted"}
    world.pull("a", "promoted")


def test_what_changed_without_a_line_stays(world: World) -> None:
    """A tag that leads elsewhere by now: somebody was at the files."""
    world.image("a", "1.0", b"old")
    gate = Gate(closing=lambda: void(world.image("a", "1.0", b"new")))
    outcome = remove(world, "a", "1.0", gate=gate)
    assert outcome.changed == ["a"]
    world.pull("a", "1.0")


def void(_value: object) -> None:
    """Nothing."""


@pytest.mark.parametrize("how", ["not whole", "gone", "no line"])
def test_where_not_all_is_known_the_look_is_repeated(world: World, how: str) -> None:
    """Under the barrier: so what has no line is seen too."""
    digest = world.image("a", "", b"layer")
    gate = Gate()

    def push() -> None:
        world.put("a", world.blob_file(digest).read_bytes(), "1.0")
        if how == "not whole":
            gate.notes[0].whole = False
        elif how == "gone":
            gate.notes[0] = Notes("2")
        else:
            gate.wrote("what is this")

    gate.closing = push
    clean_up(world, gate)
    world.pull("a", "1.0")


def test_a_generation_that_came_meanwhile_counts(world: World) -> None:
    """The registry was started anew."""
    digest = world.image("a", "", b"layer")
    gate = Gate()

    def push() -> None:
        gate.notes[0].lives = False
        gate.notes.append(Notes("2"))
        world.put("a", world.blob_file(digest).read_bytes(), "1.0")
        gate.wrote("PUT a manifest 1.0")

    gate.closing = push
    clean_up(world, gate)
    world.pull("a", "1.0")


def test_a_link_that_broke_meanwhile_keeps_its_repository(world: World) -> None:
    """Nobody knows any more what is needed there; elsewhere it goes on."""
    digest = world.image("a", "", b"layer")
    other = world.image("b", "", b"b")
    gate = Gate()

    def push() -> None:
        world.put("a", world.blob_file(digest).read_bytes(), "1.0")
        world.tag_file("a", "1.0").write_bytes(b"sha256:")
        gate.wrote("PUT a manifest 1.0")

    gate.closing = push
    outcome = clean_up(world, gate)
    assert "a" in outcome.changed
    world.pull("a", digest)
    assert not world.has(other)


def test_a_push_under_way_finds_its_layers(world: World) -> None:
    """For a day, until a manifest names them; also manifests that wait for their index."""
    layer = world.layer("a", b"layer")
    child = world.image("a", "", b"of the child")
    gate = Gate()
    gate.wrote(f"PUT a blob {layer}", f"PUT a manifest {child}")
    outcome = clean_up(world, gate)
    assert not outcome.plan
    assert clean_up(world, gate, now=NOW + 86399).freed == 0
    world.pull("a", child)
    assert clean_up(world, gate, now=NOW + 86400).freed > 0
    assert world.blobs() == set()
    assert "1" in gate.forgotten


def test_what_a_journal_misses_may_be_wanted(world: World) -> None:
    """Its last line is not the last write: only one that ended a day ago is nothing any more."""
    layer = world.layer("a", b"layer")
    gate = Gate([Notes("1", whole=False, text=[f"{NOW - 3 * 86400} PUT a blob {digest_of(b'other')}"])])
    clean_up(world, gate)
    assert (world.has(layer), gate.closed_times, gate.forgotten) == (True, 1, [])
    gate.notes[0].until = NOW - 86399
    clean_up(world, gate)
    assert (world.has(layer), gate.closed_times) == (True, 1)
    clean_up(world, gate, now=NOW + 1)
    assert not world.has(layer)
    assert "1" in gate.forgotten


def test_what_a_manifest_took_up_is_not_fresh(world: World) -> None:
    """It goes with it."""
    digest = world.image("a", "", b"layer")
    gate = Gate()
    config = digest_of(f"config of {digest_of(repr((b'layer',)).encode())}".encode())
    gate.wrote(
        f"PUT a blob {config}", f"HEAD a blob {digest_of(b'layer')}", "PUT a manifest 1.0", f"DONE a manifest {digest}"
    )
    clean_up(world, gate)
    assert world.blobs() == set()


def test_a_repository_of_which_nothing_is_left_goes(world: World) -> None:
    """Also where a push of the last day named what is gone by now: nothing waits for that. The next run has no work."""
    gate = Gate()
    for layer in (b"one", b"two"):
        digest = world.image("a", "", layer)
        gate.wrote(f"PUT a blob {digest_of(layer)}", "PUT a manifest 1.0", f"DONE a manifest {digest}")
        # As the registry's API deletes.
        world.link_file("a", "_manifests/revisions", digest).unlink()
        gate.notes[-1].text += [f"{NOW} DELETE a manifest {digest}"]
        clean_up(world, gate)
        assert world.blobs() == set()
        assert world.repositories() == set()
        assert not clean_up(world, gate).acted


def test_without_a_barrier_nothing_goes(world: World) -> None:
    """It says so."""
    world.image("a", "", b"layer")
    tree = world.tree()

    def fail() -> None:
        raise BarrierError("the writer does not end")

    with pytest.raises(BarrierError):
        clean_up(world, Gate(closing=fail))
    assert world.tree() == tree


def test_a_plan_may_be_refused(world: World) -> None:
    """Before the barrier closes, and after it."""
    world.image("a", "", b"layer")
    tree, asked = world.tree(), 0

    def check(_plan: Plan) -> None:
        nonlocal asked
        asked += 1
        if asked == limit:
            raise RefusedError("too much", 3)

    for limit in (1, 2):
        asked = 0
        gate = Gate()
        rules = Rules("gc", check=check, now=lambda: NOW)
        with pytest.raises(RefusedError) as error:
            carry_out(world.storage, gate, lambda fresh: plan_clean_up(world.storage, fresh, Limits(NOW)), rules)
        assert error.value.code == 3
        assert gate.closed_times == limit - 1
        assert world.tree() == tree


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x PUT a manifest b",
        b"1 PUT a manifest",
        b"1 PUT a manifest b c",
        b"1 PUT \xff manifest b",
        b"1 PUT a tag b",
    ],
)
def test_other_lines_are_none(text: bytes) -> None:
    """Then nobody knows what was written."""
    assert line_of(text) is None
