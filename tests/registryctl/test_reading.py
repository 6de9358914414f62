"""How links are read: what is there, and of what can't be read, what it may lead to."""

from __future__ import annotations

import pytest

from registryctl.model import Repository
from registryctl.reading import read_catalogue, read_repository, shown
from registryctl.storage import NotThere, Unreadable
from tests.registryctl.faults import FaultyStorage
from tests.registryctl.world import World, digest_of

ONE, TWO, LONG = digest_of(b"one"), digest_of(b"two"), digest_of(b"one", "sha512")
TOP = "docker/registry/v2/repositories"


def directory(digest: str) -> str:
    """As it lies."""
    return digest.replace(":", "/")


def test_all_that_is_there(world: World) -> None:
    """Each kind in its place, with its target."""
    world.link(f"a/b/_manifests/revisions/{directory(ONE)}", TWO)
    world.link(f"a/b/_manifests/revisions/{directory(ONE)}/signatures/{directory(TWO)}", TWO)
    world.link(f"a/b/_manifests/tags/v1/index/{directory(ONE)}", ONE)
    world.link("a/b/_manifests/tags/v1/current", ONE)
    world.link("a/b/_manifests/tags/v2/current", "x")
    world.link(f"a/b/_manifests/tags/v3/index/{directory(TWO)}", TWO)
    world.file("repositories/a/b/_manifests/tags/v4/current/link", b"\xff")
    world.link(f"a/b/_layers/{directory(LONG)}", ONE)
    found = read_repository(world.storage, "a/b")
    assert found == Repository(
        "a/b",
        tags={"v1": ONE},
        broken={"v2": "it has no digest", "v4": found.broken["v4"]},
        entries={"v1": [ONE], "v3": [TWO]},
        hollow=["v3"],
        revisions={ONE: TWO},
        signatures={ONE: {TWO: TWO}},
        layers={LONG: ONE},
    )
    assert "can't decode byte 0xff" in found.broken["v4"]
    assert read_repository(world.storage, "none") == Repository("none")


@pytest.mark.parametrize("there", [True, False])
def test_an_upload_is_seen(world: World, there: bool) -> None:
    """An empty directory is none; where nobody can look, there may be one."""
    (world.v2 / "repositories/a/_uploads").mkdir(parents=True)
    if there:
        world.file("repositories/a/_uploads/1-2/data", b"")
    assert read_repository(world.storage, "a").uploads is there
    assert read_repository(FaultyStorage(world.storage, 3, Unreadable("no")), "a").uploads


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (b"", {ONE}),
        (f" {TWO}\n".encode(), {ONE, TWO}),
        (TWO.upper().encode(), {ONE, TWO}),
        (b"\xff" + TWO.encode(), {ONE, TWO}),
        (TWO.encode() + b"x" * 2000, {ONE}),
    ],
)
def test_a_link_that_cannot_be_read(world: World, text: bytes, held: set[str]) -> None:
    """It holds what it is called and what is in it; a revision's keeps its repository."""
    for part in ("_layers", "_manifests/revisions"):
        world.file(f"repositories/a/{part}/{directory(ONE)}/link", text)
    found = read_repository(world.storage, "a")
    assert (found.layers, found.revisions, found.held, found.blind) == ({}, {}, held, set())
    assert found.odd == [
        f"{TOP}/a/{part}/{directory(ONE)}/link can't be read" for part in ("_manifests/revisions", "_layers")
    ]
    assert found.faults == [f"a@{ONE}: its link can't be read"]


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        (b"", ""),
        (b"sha256", "sha256"),
        (b"sha256:", "sha256:"),
        (ONE[:20].encode(), ONE[:20]),
        (b"sha384:0a", "sha384:0a"),
        (b"sha512:0", "sha512:0"),
        (b"sha", ""),
        (b"sha256:X", ""),
        (b"\xff", ""),
    ],
)
def test_a_long_name_may_lead_to_whatever_begins_so(world: World, text: bytes, beginning: str) -> None:
    """It is not the content's own. A layer's is served by the link of its sha256 name, which holds the blob."""
    for place, held in (("_manifests/revisions", {LONG, beginning}), ("_layers", {LONG})):
        name = place.rpartition("/")[2].strip("_")
        world.file(f"repositories/{name}/{place}/{directory(LONG)}/link", text)
        found = read_repository(world.storage, name)
        assert (found.held, found.blind) == (held, {LONG})


def test_a_link_that_is_gone_holds_nothing(world: World) -> None:
    """Only its directory is left."""
    (world.v2 / f"repositories/a/_layers/{directory(LONG)}").mkdir(parents=True)
    (world.v2 / f"repositories/a/_manifests/revisions/{directory(ONE)}").mkdir(parents=True)
    assert read_repository(world.storage, "a") == Repository("a")


def test_directories_that_nobody_knows(world: World) -> None:
    """Are named, and hold the digests in their links, however deep; other files hold nothing."""
    for place in (
        "_manifests/other",
        f"_manifests/revisions/sha256/{ONE[7:17]}",
        "_manifests/tags/.odd",
        f"_layers/sha256/{ONE[7:].upper()}",
        "_manifests/tags/v1/index/md5/5",
    ):
        world.link(f"a/{place}/deeper/still", TWO)
        world.file(f"repositories/a/{place}/deeper/note", LONG.encode())
    world.link("a/_manifests/tags/v1/current", ONE)
    found = read_repository(world.storage, "a")
    assert found.held == {TWO}
    assert sorted(found.odd) == sorted(
        [
            f"{TOP}/a/_manifests/other is not known",
            f"{TOP}/a/_manifests/revisions/sha256/{ONE[7:17]} is not known",
            f"{TOP}/a/_manifests/tags/.odd is not known",
            f"{TOP}/a/_layers/sha256/{ONE[7:].upper()} is not known",
            f"{TOP}/a/_manifests/tags/v1/index/md5/5 is not known",
        ]
    )
    assert (found.faults, found.tags) == ([], {"v1": ONE})


def test_of_directories_that_nobody_knows_one_cannot_be_listed(world: World) -> None:
    """The others hold what is in them all the same."""
    for number, digest in enumerate((ONE, TWO)):
        world.link(f"a/_manifests/other/{number}", digest)
    found = read_repository(FaultyStorage(world.storage, 3, Unreadable("no")), "a")
    assert found.held in ({ONE}, {TWO})


def test_a_signature_whose_link_cannot_be_read(world: World) -> None:
    """It holds what it is called; its manifest is read."""
    world.link(f"a/_manifests/revisions/{directory(ONE)}", ONE)
    world.file(f"repositories/a/_manifests/revisions/{directory(ONE)}/signatures/{directory(TWO)}/link", b"x")
    found = read_repository(world.storage, "a")
    assert (found.revisions, found.signatures, found.held) == ({ONE: ONE}, {}, {TWO})


def test_a_directory_that_cannot_be_listed(world: World) -> None:
    """Is a fault, and holds everything."""
    world.link(f"a/_layers/{directory(ONE)}", ONE)
    for at, path in ((1, "a/_manifests"), (2, "a/_layers"), (3, "a/_layers/sha256")):
        found = read_repository(FaultyStorage(world.storage, at, Unreadable("no")), "a")
        assert found.faults == [f"{TOP}/{path} can't be listed: no"]
        assert found.held == {""}


def test_symbolic_links(world: World) -> None:
    """Within the repositories they are followed and named; one to elsewhere in the storage may mean any blob."""
    world.link(f"a/_layers/{directory(ONE)}", ONE)
    (world.v2 / "repositories/b").mkdir()
    (world.v2 / "repositories/b/_layers").mkdir()
    (world.v2 / "repositories/b/_layers/sha256").symlink_to(world.v2 / "repositories/a/_layers/sha256")
    found = read_repository(world.storage, "b")
    assert found.layers == {ONE: ONE}
    assert found.faults == [f"{TOP}/b/_layers/sha256 is no directory of its own"]
    assert (found.aliases, found.held) == ({f"{TOP}/a/_layers/sha256"}, set())
    (world.v2 / "repositories/b/_layers/sha512").symlink_to(world.v2 / "blobs")
    assert read_repository(world.storage, "b").held == {""}
    (world.v2 / "repositories/b/_layers/sha512").unlink()
    (world.root.parent / "elsewhere").mkdir()
    (world.v2 / "repositories/b/_layers/sha512").symlink_to(world.root.parent / "elsewhere")
    found = read_repository(world.storage, "b")
    assert (found.aliases, found.held) == ({f"{TOP}/a/_layers/sha256"}, set())


def test_the_catalogue(world: World) -> None:
    """In order, whatever is of a repository; files are none, and directories that nobody knows are named."""
    world.link("b/_manifests/tags/v1/current", ONE)
    world.link(f"a/c/_layers/{directory(ONE)}", ONE)
    world.file("repositories/a/_uploads/1/data", b"")
    world.file("repositories/a/note", b"")
    world.link("a/_other/x", TWO)
    world.link("_layers/x", TWO)
    (world.v2 / "repositories/empty/deeper").mkdir(parents=True)
    found = read_catalogue(world.storage)
    assert (found.names, found.through) == (["a", "a/c", "b"], set())
    assert sorted(found.beside.odd) == [f"{TOP}/_layers is not known", f"{TOP}/a/_other is not known"]
    assert (found.beside.held, found.beside.faults) == ({TWO}, [])


def test_repositories_elsewhere(world: World) -> None:
    """Out of the storage a symbolic link is followed, once; within it, what it leads to is found there."""
    elsewhere = world.root.parent / "elsewhere"
    world.link("far/x/_manifests/tags/v1/current", ONE)
    (world.v2 / "repositories/far").rename(elsewhere)
    (world.v2 / "repositories/far").symlink_to(elsewhere)
    world.link("near/_manifests/tags/v1/current", ONE)
    (world.v2 / "repositories/again").symlink_to("near")
    found = read_catalogue(world.storage)
    assert (found.names, found.through) == (["far/x", "near"], {"far/x"})
    assert (found.beside.aliases, found.beside.held) == ({f"{TOP}/near"}, set())
    assert sorted(found.beside.faults) == [f"{TOP}/{name} is no directory of its own" for name in ("again", "far")]
    (elsewhere / "x/back").symlink_to(elsewhere)
    found = read_catalogue(world.storage)
    assert (found.names, found.beside.held) == (["far/x", "near"], {""})
    world.link("own/_manifests/tags/v1/current", ONE)
    (elsewhere / "layers").mkdir()
    (world.v2 / "repositories/own/_layers").symlink_to(elsewhere / "layers")
    assert read_catalogue(world.storage).through == {"far/x", "own"}


def test_a_symbolic_link_of_which_nothing_is_known(world: World) -> None:
    """May lead anywhere here."""
    (world.v2 / "repositories/a").symlink_to("b")
    found = read_catalogue(FaultyStorage(world.storage, 2, Unreadable("no")))
    assert found.beside.aliases == {f"{TOP}/a"}


def test_without_repositories(world: World) -> None:
    """It is not even known whether there are any."""
    (world.v2 / "repositories").rmdir()
    with pytest.raises(NotThere):
        read_catalogue(world.storage)


def test_what_is_printed_can_be(world: World) -> None:
    """Whatever a directory is called."""
    assert [shown(text) for text in ("a/b", "a\nb", "é")] == ["a/b", "'a\\nb'", "'\\xe9'"]
