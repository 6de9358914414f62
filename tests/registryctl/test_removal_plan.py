"""The plan for one repository, link by link, and which blobs it holds before and after."""

from __future__ import annotations

import pytest

from registryctl.model import Contents, Repository, UnknownError
from registryctl.plan import Fresh, Wish
from registryctl.reading import read_repository
from registryctl.removal import AFTER, BEFORE, Removal
from tests.registryctl.world import World, digest_of

ONE, TWO, THREE, LONG = digest_of(b"one"), digest_of(b"two"), digest_of(b"three"), digest_of(b"one", "sha512")
BOTH = BEFORE | AFTER


def removal(world: World, wish: Wish | None = None, fresh: Fresh | None = None, *, untagged: bool = True) -> Removal:
    """Of the repository `a`."""
    return Removal(world.storage, read_repository(world.storage, "a"), fresh or Fresh(), wish, untagged=untagged)


def config_of(*layers: bytes) -> str:
    """The configuration of an image of these layers."""
    return digest_of(f"config of {digest_of(repr(layers).encode())}".encode())


@pytest.mark.parametrize("known", [0, BEFORE, AFTER, BOTH])
def test_a_link_that_leads_elsewhere_holds_both(world: World, known: int) -> None:
    """Of a sha256 name, as somebody may put it right; of another the target alone. Others hold what they held."""
    for faults, flags in (["x"], BOTH), (list[str](), BEFORE):
        for name, own in ((ONE, flags), (LONG, 0)):
            its = Removal(world.storage, Repository("a", layers={name: TWO}, faults=faults), Fresh())
            holders = {ONE: known, TWO: known}
            its.hold(holders)
            assert holders == {ONE: known | own, TWO: known | flags}
            assert its.plan.faults == faults


def test_what_goes_is_held_before_only(world: World) -> None:
    """Manifests, their layers, signatures, and layers that nothing names; what stays is held after it too."""
    stays, goes = world.image("a", "1.0", b"kept"), world.image("a", "", b"gone", b"kept")
    loose = world.layer("a", b"loose")
    for digest in (stays, goes):
        part = f"a/_manifests/revisions/{digest.replace(':', '/')}/signatures/"
        world.link(part + digest_of(digest.encode()).replace(":", "/"), digest_of(digest.encode()))
    its = removal(world)
    holders: dict[str, int] = {}
    its.hold(holders)
    assert holders == {
        stays: BOTH,
        digest_of(stays.encode()): BOTH,
        config_of(b"kept"): BOTH,
        digest_of(b"kept"): BOTH,
        goes: BEFORE,
        digest_of(goes.encode()): BEFORE,
        config_of(b"gone", b"kept"): BEFORE,
        digest_of(b"gone"): BEFORE,
        loose: BEFORE,
    }
    assert its.plan.loose == {loose: loose}
    assert its.plan.layers.keys() == {config_of(b"gone", b"kept"), digest_of(b"gone")}
    assert its.plan.signatures == {goes: {digest_of(goes.encode()): digest_of(goes.encode())}}


def test_what_is_named_without_a_link_is_held(world: World) -> None:
    """By what stays, also afterwards; where not all is known, all the same of what would go, and of what tags were."""
    goes = world.put("a", {"schemaVersion": 2, "layers": [{"digest": ONE}]})
    world.put("a", {"schemaVersion": 2, "layers": [{"digest": TWO}]}, "1.0")
    world.link(f"a/_manifests/tags/1.0/index/{THREE.replace(':', '/')}", THREE)
    holders: dict[str, int] = {}
    its = removal(world)
    its.hold(holders)
    assert (holders[ONE], holders[TWO], THREE in holders) == (BEFORE, BOTH, False)
    assert its.plan.named == {ONE}
    world.tag_file("a", "2.0").parent.mkdir(parents=True)
    world.tag_file("a", "2.0").write_text("x")
    its, holders = removal(world), {}
    its.hold(holders)
    assert (holders[ONE], holders[TWO], holders[THREE], holders[goes]) == (BOTH, BOTH, BOTH, BOTH)


def test_a_plan_names_what_goes_and_what_that_needs(world: World) -> None:
    """So that its record is whole: the shared layer, which stays."""
    goes = world.image("a", "1.0", b"own", b"shared")
    child = world.image("a", "", b"child")
    index = world.index("a", "both", child)
    world.index("a", "other", child, goes)
    world.index("a", "again", child)
    note = world.image("a", "", b"note", subject=index)
    its = removal(world, Wish({"both": "too old", "none": "x"}, {note: "asked for", THREE: "asked for"})).plan
    assert its.tags == {"both": index}
    assert its.why == {"both": "too old"}
    assert (its.revisions, its.faults) == ({}, [])
    its = removal(world, Wish({"both": "too old", "again": "y"}, {note: "asked for"})).plan
    assert its.tags == {"both": index, "again": index}
    assert its.why == {"both": "too old", "again": "y", note: "asked for"}
    assert its.asked == {note, index}
    assert its.revisions == {index: index, note: note}
    assert its.kept_revisions == {child: child}
    assert its.layers.keys() == {digest_of(b"note"), config_of(b"note")}
    assert its.kept_layers.keys() == {digest_of(b"child"), config_of(b"child")}
    assert its.subjects == {index: [note]}
    assert its.entries == {"both": [index], "again": [index]}
    assert not its.empty


def test_a_manifest_under_two_names_has_to_be_what_both_say(world: World) -> None:
    """Then it is followed; content in another's place is not."""
    image = world.image("a", "", b"layer")
    content = world.blob_file(image).read_bytes()
    long = digest_of(content, "sha512")
    found = Contents(world.storage, {long: image}, {}).of(long)
    assert found == Contents(world.storage, {}, {}).of(image)
    world.blob_file(ONE).parent.mkdir(parents=True)
    world.blob_file(ONE).write_bytes(content)
    with pytest.raises(UnknownError, match=r"^its content is not what its digest says$"):
        Contents(world.storage, {long: ONE}, {}).of(long)


def test_what_was_pushed_lately_stays(world: World) -> None:
    """With what it needs; what a removal asks for goes all the same."""
    image = world.image("a", "", b"layer")
    other = world.image("a", "", b"other")
    loose = world.layer("a", b"loose")
    fresh = Fresh({"a": frozenset({image, loose})})
    its = removal(world, fresh=fresh).plan
    assert (set(its.revisions), its.loose) == ({other}, {})
    assert its.layers.keys() == {config_of(b"other"), digest_of(b"other")}
    assert removal(world, Wish(manifests={image: "x"}), fresh).plan.revisions.keys() == {image}
    for wish in (None, Wish(manifests={image: "x"})):
        its = removal(world, wish, Fresh(unknown=True)).plan
        assert (its.layers, its.loose) == ({}, {})
        assert its.revisions.keys() == ({image} if wish else set())


def test_untagged_manifests_stay_where_that_is_wanted(world: World) -> None:
    """With their layers; one whose content is missing is a fault then, and nothing otherwise."""
    image = world.image("a", "", b"layer")
    loose = world.layer("a", b"loose")
    its = removal(world, untagged=False).plan
    assert (its.revisions, its.layers, its.loose) == ({}, {}, {loose: loose})
    world.blob_file(image).unlink()
    assert removal(world, untagged=False).plan.faults == [f"a {image}: it is missing"]
    assert removal(world).plan.revisions == {image: image}


def test_why_all_stays_is_said(world: World) -> None:
    """Each reason with its tags."""
    lost = world.image("a", "1.0", b"lost")
    world.put("a", world.blob_file(lost).read_bytes(), "also")
    world.image("a", "2.0", b"kept")
    rotten = world.image("a", "", b"rotten")
    world.blob_file(lost).unlink()
    world.blob_file(rotten).write_bytes(b"{}")
    world.tag_file("a", "3.0").parent.mkdir(parents=True)
    world.tag_file("a", "3.0").write_text("x")
    texts = [
        "a:3.0 can't be read: it has no digest",
        *sorted(
            [f"a:1.0 a:also {lost}: it is missing", f"a {rotten}: its content is not what its digest says"],
            key=lambda text: text.partition("sha256")[2],
        ),
    ]
    assert removal(world).plan.faults == texts
    its = removal(world, Wish({"2.0": "x", "3.0": "y"}, despite_faults=True)).plan
    assert its.faults == texts[1:]
    assert its.tags.keys() == {"2.0", "3.0"}
    assert its.tags["3.0"] == ""
    assert (its.revisions, its.layers) == ({}, {})
    assert its.damaged == {lost, rotten}
    assert Removal(world.storage, Repository("É"), Fresh()).plan.faults == [
        "'\\xc9' is no name that the registry knows"
    ]


def test_a_layer_under_two_names_keeps_both_links(world: World) -> None:
    """The one that is pulled, and the one it leads to, and so on; of what goes, both go."""
    world.image("a", "1.0", b"kept", algorithm="sha512")
    world.image("a", "", b"gone", algorithm="sha512")
    its = removal(world).plan
    assert its.layers == {
        digest_of(b"gone", "sha512"): digest_of(b"gone"),
        digest_of(b"gone"): digest_of(b"gone"),
        config_of(b"gone"): config_of(b"gone"),
    }
    assert its.loose == {}


def test_what_tags_were_goes_by_what_it_was(world: World) -> None:
    """Of a tag that stays, what is gone; of one that is gone all; a removal leaves what it was not asked for."""
    old, new = world.image("a", "1.0", b"old"), world.image("a", "1.0", b"new")
    world.image("a", "old", b"old")
    for digest in (ONE, old):
        world.link(f"a/_manifests/tags/lost/index/{digest.replace(':', '/')}", digest)
    world.link(f"a/_manifests/tags/1.0/index/{TWO.replace(':', '/')}", TWO)
    its = removal(world).plan
    assert {tag: sorted(found) for tag, found in its.entries.items()} == {"lost": sorted([ONE, old]), "1.0": [TWO]}
    assert its.hollow == ["lost"]
    its = removal(world, Wish({"old": "x"})).plan
    assert its.entries == {"old": [old], "1.0": [old], "lost": [old]}
    assert (its.hollow, its.empty) == ([], False)
    assert new not in its.revisions


@pytest.mark.parametrize("left", ["", "tag", "upload", "odd", "layer", "revision"])
def test_a_repository_is_empty_once_nothing_is_left(world: World, left: str) -> None:
    """Nothing at all."""
    digest = world.image("a", "1.0" if left == "tag" else "", b"x")
    fresh = Fresh()
    if left == "upload":
        world.file("repositories/a/_uploads/1-2/startedat", b"")
    elif left == "odd":
        world.file("repositories/a/_layers/sha256/abc/link", b"")
    elif left == "layer":
        fresh = Fresh({"a": frozenset({digest_of(b"x")})})
    elif left == "revision":
        fresh = Fresh({"a": frozenset({digest})})
    assert removal(world, fresh=fresh).plan.empty is (not left)
    if not left:
        assert not removal(world, Wish(manifests={digest: "x"})).plan.empty
