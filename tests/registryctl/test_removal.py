"""What somebody wants gone, with what only that needs; and bringing it back."""

from __future__ import annotations

import pytest

from registryctl import trash
from registryctl.undo import undo
from tests.registryctl.world import Gate, World, clean_up, digest_of, remove


def test_a_tag_goes_with_what_only_it_needs(world: World) -> None:
    """Other tags of the same image keep it, untagged images nobody asked about stay."""
    first = world.image("a", "1.0", b"shared", b"own")
    world.image("a", "2.0", b"shared")
    world.put("a", world.blob_file(first).read_bytes(), "also")
    untagged = world.image("a", "", b"untagged")
    remove(world, "a", "1.0")
    assert set(world.tags("a")) == {"2.0", "also"}
    world.pull("a", "also")
    remove(world, "a", "also", "no-such-tag")
    assert not world.link_file("a", "_manifests/revisions", first).exists()
    assert not world.link_file("a", "_layers", digest_of(b"own")).exists()
    world.pull("a", "2.0")
    world.pull("a", untagged)
    assert world.has(first)


def test_an_index_goes_with_its_children_and_what_is_said_about_them(world: World) -> None:
    """Not with what another index needs."""
    shared, own = world.image("a", "", b"shared"), world.image("a", "", b"own")
    world.index("a", "both", shared, own)
    world.index("a", "one", shared)
    note = world.image("a", "", b"note", subject=own)
    remove(world, "a", "both")
    world.pull("a", "one")
    for digest in (own, note):
        assert not world.link_file("a", "_manifests/revisions", digest).exists()


def test_a_manifest_by_digest(world: World) -> None:
    """One that a tag needs stays."""
    tagged, untagged = world.image("a", "1.0", b"x"), world.image("a", "", b"y")
    remove(world, "a", manifests=[tagged, untagged])
    world.pull("a", "1.0")
    assert not world.link_file("a", "_manifests/revisions", untagged).exists()


def test_where_not_all_is_known_only_the_tag_itself_goes(world: World) -> None:
    """And only when that is wanted."""
    world.image("a", "1.0", b"x")
    child = world.image("a", "", b"y")
    world.index("a", "2.0", child)
    world.blob_file(child).unlink()
    remove(world, "a", "1.0")
    assert set(world.tags("a")) == {"1.0", "2.0"}
    remove(world, "a", "1.0", despite=True)
    assert set(world.tags("a")) == {"2.0"}
    assert world.link_file("a", "_layers", digest_of(b"x")).exists()
    # Nothing is unknown any more once the tag goes that needs what is lost.
    outcome = remove(world, "a", "2.0")
    assert not outcome.skipped
    assert world.tags("a") == {}


def test_a_broken_tag_can_go(world: World) -> None:
    """With its directory."""
    world.image("a", "1.0", b"x")
    world.image("a", "2.0", b"y")
    world.tag_file("a", "2.0").write_bytes(b"")
    remove(world, "a", "1.0")
    assert set(world.tags("a")) == {"1.0", "2.0"}
    remove(world, "a", "2.0")
    assert set(world.tags("a")) == {"1.0"}
    assert not world.tag_file("a", "2.0").parent.parent.exists()


def image(world: World) -> None:
    """Images of every form."""
    child = world.image("a", "", b"child", algorithm="sha512")
    world.index("a", "index", child)
    world.image("a", "1.0", b"shared", b"own")
    world.image("a", "2.0", b"shared")
    for number, tag in enumerate(("index", "1.0", "2.0")):
        world.age(world.tag_file("a", tag), 1000 * number)


def test_undo_brings_all_back(world: World) -> None:
    """Tags with their push times, whole images, also after clean-ups; the record goes."""
    image(world)
    tree = world.tree()
    before = {tag: world.pull("a", tag) for tag in world.tags("a")}
    assert remove(world, "a", "1.0", "index").run
    clean_up(world, days=7)
    assert set(world.tags("a")) == {"2.0"}
    undone = undo(world.storage, Gate())
    assert undone.tags == ["a:1.0", "a:index"]
    assert {tag: world.pull("a", tag) for tag in world.tags("a")} == before
    assert {path: what for path, what in world.tree().items() if "/tags/" in path and "current" in path} == {
        path: what for path, what in tree.items() if "/tags/" in path and "current" in path
    }
    assert trash.runs(world.storage) == []


def test_what_lies_in_a_link_s_place_stops_nothing_else(world: World) -> None:
    """It stays and is named, and all the rest comes back."""
    world.image("a", "1.0", b"odd")
    world.image("a", "2.0", b"plain")
    remove(world, "a", "1.0", "2.0")
    odd = world.link_file("a", "_layers", digest_of(b"odd"))
    odd.mkdir(parents=True)
    undone = undo(world.storage, Gate())
    assert undone.tags == ["a:1.0", "a:2.0"]
    assert [path.endswith(f"/{odd.parent.name}/link") for path in undone.left] == [True]
    world.pull("a", "2.0")
    odd.rmdir()
    assert not undo(world.storage, Gate()).left
    world.pull("a", "1.0")


def test_undo_of_a_clean_up(world: World) -> None:
    """Untagged manifests are back by digest."""
    untagged = world.image("a", "", b"x")
    world.image("a", "1.0", b"y")
    before, tree = world.pull("a", untagged), world.tree()
    layers = {path for path in tree if "/_layers/" in path}
    assert clean_up(world, days=7).run
    undone = undo(world.storage, Gate())
    assert undone.manifests == [f"a@{untagged}"]
    assert world.pull("a", untagged) == before
    after = world.tree()
    assert after.keys() == tree.keys()
    assert {path: after[path] for path in after.keys() - layers} == {path: tree[path] for path in tree.keys() - layers}


def test_a_record_is_whole_by_itself(world: World) -> None:
    """What another tag kept and lost later comes back with it too."""
    image(world)
    before = world.pull("a", "1.0")
    first = remove(world, "a", "1.0").run
    second = remove(world, "a", "2.0").run
    assert second
    trash.empty(world.storage, second)
    clean_up(world, days=7)
    undo(world.storage, Gate(), first)
    assert world.pull("a", "1.0") == before


def test_a_tag_that_was_pushed_again_stays(world: World) -> None:
    """What it was is there by its digest."""
    old = world.image("a", "1.0", b"old")
    before = world.pull("a", "1.0")
    remove(world, "a", "1.0")
    new = world.image("a", "1.0", b"new")
    undone = undo(world.storage, Gate())
    assert (undone.tags, undone.moved) == ([], ["a:1.0"])
    assert world.tags("a") == {"1.0": new}
    assert world.pull("a", old) == before
    assert trash.runs(world.storage)


@pytest.mark.parametrize("lost", ["layer", "manifest", "content"])
def test_undo_changes_nothing_where_something_is_lost(world: World, lost: str) -> None:
    """It says what."""
    digest = world.image("a", "1.0", b"layer")
    remove(world, "a", "1.0")
    missing = digest_of(b"layer") if lost == "layer" else digest
    if lost == "content":
        world.blob_file(missing).write_bytes(b"x" * 200)
    else:
        world.blob_file(missing).unlink()
    tree = world.tree()
    undone = undo(world.storage, Gate())
    assert len(undone.missing) == 1
    assert missing in undone.missing[0]
    assert world.tree() == tree
    assert trash.runs(world.storage)


def test_what_was_lost_before_is_no_hindrance(world: World) -> None:
    """It comes back as it was."""
    world.image("a", "1.0", b"layer", b"more")
    world.blob_file(digest_of(b"layer")).unlink()
    content = {path: text for path, (text, _) in world.tree().items()}
    remove(world, "a", "1.0")
    assert not undo(world.storage, Gate()).missing
    assert {path: text for path, (text, _) in world.tree().items()} == content


def test_what_is_deleted_needs_no_waiting(world: World) -> None:
    """Though it was pushed a moment ago, by its digest too."""
    digest = world.image("a", "1.0", b"x")
    gate = Gate()
    gate.wrote(f"PUT a manifest {digest}", f"DONE a manifest {digest}")
    remove(world, "a", "1.0", gate=gate)
    assert not world.link_file("a", "_manifests/revisions", digest).exists()


def test_what_was_damaged_before_is_no_hindrance(world: World) -> None:
    """Nor is it mended."""
    child = world.image("a", "", b"x")
    world.index("a", "1.0", child)
    world.blob_file(child).write_bytes(b"{}")
    run = remove(world, "a", "1.0", despite=True).run
    assert not undo(world.storage, Gate(), run).missing
    assert set(world.tags("a")) == {"1.0"}


def test_a_link_that_could_not_be_read_comes_back(world: World) -> None:
    """Though a clean-up in between could read it and took it."""
    world.image("a", "1.0", b"layer")
    before = world.pull("a", "1.0")
    link = world.link_file("a", "_layers", digest_of(b"layer"))
    content = link.read_bytes()
    link.write_bytes(b"")
    run = remove(world, "a", "1.0").run
    link.write_bytes(content)
    clean_up(world, days=7)
    assert not link.exists()
    assert not undo(world.storage, Gate(), run).missing
    assert world.pull("a", "1.0") == before


def test_without_a_record_what_older_ones_hold_stays(world: World) -> None:
    """Such as of before gc.trashDays became 0: while they are there, they can be undone."""
    world.image("a", "1.0", b"shared")
    run = remove(world, "a", "1.0").run
    world.image("a", "2.0", b"shared", b"own")
    assert remove(world, "a", "2.0", days=0).freed > 0
    assert not world.has(digest_of(b"own"))
    assert undo(world.storage, Gate(), run).missing == []
    world.pull("a", "1.0")
