"""Undo, link by link: what is looked at first, and what is put back with which time."""

from __future__ import annotations

import pytest

from registryctl import trash
from registryctl.manifests import LARGEST
from registryctl.storage import NoRoom, NotThere, Unreadable
from registryctl.trash import Contents, Part
from registryctl.undo import undo
from tests.registryctl.faults import FaultyStorage
from tests.registryctl.world import NOW, Gate, World, digest_of, remove

RUN, LATER = "20260101T000000Z", "20260102T000000Z"
ONE, TWO = digest_of(b"one"), digest_of(b"two")


def record(world: World, part: Part, sizes: dict[str, int] | None = None, run: str = RUN) -> None:
    """A record of the repository `a`."""
    trash.save(world.storage, Contents(run, "rm", {"a": part}, sizes or {}))


def test_each_link_comes_back(world: World) -> None:
    """Tags and manifests with their times; layers and signatures without. It is all done behind the barrier."""
    part = Part({"1.0": (ONE, 5 * 10**18)}, {ONE: TWO}, {ONE: {TWO: TWO}}, {TWO: ONE}, [], {ONE: 4 * 10**18})
    record(world, part)
    gate = Gate()
    undone = undo(world.storage, gate)
    assert gate.closed_times == 1
    assert (undone.run, undone.tags, undone.manifests) == (RUN, ["a:1.0"], [f"a@{ONE}"])
    assert (undone.moved, undone.missing, undone.left) == ([], [], [])
    tree = world.tree()
    one, two = ONE.replace(":", "/"), TWO.replace(":", "/")
    assert {path.removeprefix("repositories/a/"): text for path, (text, _) in tree.items()} == {
        "_manifests/tags/1.0/current/link": ONE,
        f"_manifests/tags/1.0/index/{one}/link": ONE,
        f"_manifests/revisions/{one}/link": TWO,
        f"_manifests/revisions/{one}/signatures/{two}/link": TWO,
        f"_layers/{two}/link": ONE,
    }
    times = {path.removeprefix("repositories/a/"): time for path, (_, time) in tree.items()}
    assert times["_manifests/tags/1.0/current/link"] == 5 * 10**18
    assert times[f"_manifests/tags/1.0/index/{one}/link"] == 5 * 10**18
    assert times[f"_manifests/revisions/{one}/link"] == 4 * 10**18
    assert trash.runs(world.storage) == []


def test_what_is_there_is_left_as_it_is(world: World) -> None:
    """With its time; what leads elsewhere or is broken is put right, and counts as back."""
    record(world, Part({"1.0": (ONE, 5)}, {ONE: ONE, TWO: TWO}, {}, {ONE: ONE}, [], {ONE: 4, TWO: 4}))
    world.link(f"a/_manifests/revisions/{ONE.replace(':', '/')}", ONE)
    world.link(f"a/_manifests/revisions/{TWO.replace(':', '/')}", ONE)
    world.link(f"a/_layers/{ONE.replace(':', '/')}", "x")
    world.link("a/_manifests/tags/1.0/current", ONE)
    before = world.tree()
    undone = undo(world.storage, Gate())
    assert (undone.tags, undone.moved, undone.manifests) == ([], [], [f"a@{TWO}"])
    after = world.tree()
    changed = {path for path, its in after.items() if before.get(path) != its}
    assert changed == {
        f"repositories/a/_manifests/revisions/{TWO.replace(':', '/')}/link",
        f"repositories/a/_layers/{ONE.replace(':', '/')}/link",
    }
    assert trash.runs(world.storage) == []


@pytest.mark.parametrize("text", [b"x", b"\xff", TWO.encode()])
def test_a_tag_that_is_something_else_by_now_stays(world: World, text: bytes) -> None:
    """Even if it can't be read; the record stays for another try."""
    record(world, Part({"1.0": (ONE, 5)}))
    world.file("repositories/a/_manifests/tags/1.0/current/link", text)
    undone = undo(world.storage, Gate())
    assert (undone.tags, undone.moved) == ([], ["a:1.0"])
    assert world.tag_file("a", "1.0").read_bytes() == text
    assert trash.runs(world.storage) == [RUN]


def test_each_loss_is_named(world: World) -> None:
    """By what is wrong with it; manifests are read, of others the size is asked for."""
    layer, manifest, short, gone = (world.blob(text) for text in (b"layer", b"manifest", b"short", b"gone"))
    part = Part(revisions={manifest: manifest}, layers={layer: layer})
    record(world, part, {layer: 5, manifest: 8, short: 6, gone: 4})
    world.blob_file(gone).unlink()
    world.blob_file(layer).write_bytes(b"LAYER")
    other = "its content is not what its digest says"
    texts = {short: f"blob {short}: {other}", gone: f"blob {gone}: it is missing"}
    assert undo(world.storage, Gate()).missing == [texts[digest] for digest in sorted(texts)]
    world.blob_file(manifest).write_bytes(b"MANIFEST")
    texts[manifest] = f"blob {manifest}: {other}"
    tree = world.tree()
    assert undo(world.storage, Gate()).missing == [texts[digest] for digest in sorted(texts)]
    assert world.tree() == tree
    assert trash.runs(world.storage) == [RUN]


def test_what_cannot_be_read_is_lost(world: World) -> None:
    """With the reason."""
    manifest = world.blob(b"manifest")
    record(world, Part(revisions={manifest: manifest}), {manifest: 8})
    # List the records, read one, read the blob.
    undone = undo(FaultyStorage(world.storage, 3, Unreadable("input/output")), Gate())
    assert undone.missing == [f"blob {manifest}: input/output"]


def test_a_manifest_that_is_larger_than_any(world: World) -> None:
    """Is read all the same, as it was there."""
    manifest = world.blob(b" " * (LARGEST + 1))
    record(world, Part(revisions={manifest: manifest}), {manifest: LARGEST + 1})
    assert undo(world.storage, Gate()).missing == []


def test_the_last_run_is_undone_unless_another_is_asked_for(world: World) -> None:
    """Which has to be there."""
    for run, tag in ((RUN, "1.0"), (LATER, "2.0")):
        record(world, Part({tag: (ONE, 5)}), run=run)
    with pytest.raises(NotThere, match=r"^no record is called '\.\./x'$"):
        undo(world.storage, Gate(), "../x")
    with pytest.raises(NotThere):
        undo(world.storage, Gate(), "20260103T000000Z")
    assert undo(world.storage, Gate()).run == LATER
    assert undo(world.storage, Gate(), RUN).tags == ["a:1.0"]
    with pytest.raises(NotThere, match=r"^there is no record of a removal$"):
        undo(world.storage, Gate())


def test_a_full_disk_ends_it(world: World) -> None:
    """The next try goes on from there: the record stays."""
    record(world, Part({"1.0": (ONE, 5)}, layers={ONE: ONE}))
    with pytest.raises(NoRoom):
        undo(FaultyStorage(world.storage, 4, NoRoom("no space")), Gate())
    assert trash.runs(world.storage) == [RUN]


def test_what_cannot_be_written_though_it_could_be_read_is_an_error(world: World) -> None:
    """Only what lies in a link's place is left there."""
    record(world, Part(layers={ONE: ONE}))
    with pytest.raises(Unreadable):
        undo(FaultyStorage(world.storage, 4, Unreadable("input/output")), Gate())
    world.link(f"a/_layers/{ONE.replace(':', '/')}", "x")
    with pytest.raises(Unreadable):
        undo(FaultyStorage(world.storage, 4, Unreadable("input/output")), Gate())
    assert trash.runs(world.storage) == [RUN]


def test_a_record_says_what_went(world: World) -> None:
    """With the times, the sizes of what is there, and what is needed besides; a tag that can't be read does not."""
    one = world.image("a", "1.0", b"shared", b"own")
    world.image("a", "2.0", b"shared")
    times = {tag: world.age(world.tag_file("a", tag), 7 + len(tag)) for tag in ("1.0",)}
    when = world.age(world.link_file("a", "_manifests/revisions", one), 99)
    run = remove(world, "a", "1.0").run
    assert run
    found = trash.load(world.storage, run)
    assert (found.run, found.reason, list(found.parts)) == ("20270115T080000Z", "rm", ["a"])
    part = found.parts["a"]
    config = digest_of(f"config of {digest_of(repr((b'shared', b'own')).encode())}".encode())
    assert part.tags == {"1.0": (one, times["1.0"])}
    assert (part.revisions, part.times) == ({one: one}, {one: when})
    assert part.layers == {name: name for name in (config, digest_of(b"own"), digest_of(b"shared"))}
    assert found.sizes == {name: world.blob_file(name).stat().st_size for name in (one, *part.layers)}
    world.tag_file("a", "2.0").write_text("x")
    run = remove(world, "a", "2.0").run
    assert run
    assert trash.load(world.storage, run).parts["a"].tags == {}
    assert trash.made(run) == NOW
