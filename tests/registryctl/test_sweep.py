"""Which blobs go, by who holds them."""

from __future__ import annotations

import pytest

from registryctl.gc import Limits, plan_clean_up, plan_removal
from registryctl.layout import REPOSITORIES
from registryctl.leftovers import clear, is_all
from registryctl.plan import Fresh, Plan, Wish
from registryctl.removal import AFTER, BEFORE
from registryctl.storage import Entry, Room, StorageError, Unreadable
from registryctl.sweep import Sweep, Waiting, blobs
from tests.registryctl.faults import FaultyStorage
from tests.registryctl.world import NOW, World, clean_up, digest_of, remove


def held(world: World, *parts: tuple[str, int]) -> dict[str, str]:
    """Blobs of these sizes, by what a test calls them."""
    return {name: world.blob(name.encode().ljust(size, b".")) for name, size in parts}


def test_who_holds_what(world: World) -> None:
    """Registry, this run's record, older records by their number: each in its place, and the bytes that leave."""
    its = held(
        world, ("stays", 1), ("went", 10), ("both", 100), ("aside", 1000), ("old", 10_000), ("new", 20_000), ("none", 7)
    )
    sweep = Sweep({its["stays"]: AFTER, its["went"]: BEFORE, its["both"]: BEFORE | AFTER, its["aside"]: BEFORE})
    sweep.aside([its["aside"], its["both"]])
    sweep.record(0, [its["old"], its["new"], its["both"]])
    sweep.record(2, [its["new"], its["stays"]])
    for old, goes, waits in (
        (0, ["went", "none"], {0: ["old"], 2: ["new"]}),
        (1, ["went", "none", "old"], {2: ["new"]}),
        (2, ["went", "none", "old"], {2: ["new"]}),
        (3, ["went", "none", "old", "new"], {}),
    ):
        plan = Plan()
        waiting = sweep.choose(world.storage, plan, old)
        sizes = {digest: world.blob_file(digest).stat().st_size for digest in its.values()}
        assert plan.blobs == {its[name]: sizes[its[name]] for name in goes}
        assert waiting == {
            number: [Waiting(its[name], sizes[its[name]]) for name in names] for number, names in waits.items()
        }
        assert plan.aside == {its["aside"]: 1000}
        # What nothing ever held leaves too; what only a record holds has left before.
        assert (plan.leaving, plan.total) == (10 + 1000 + 7, sum(sizes.values()))
    plan = Plan()
    sweep.choose(world.storage, plan, 0, garbage=False)
    assert plan.leaving == 10 + 1000


def test_what_an_older_record_has_too_stays(world: World) -> None:
    """It is not this run's alone; once that record goes, it is."""
    its = held(world, ("shared", 10))
    sweep = Sweep({its["shared"]: BEFORE})
    sweep.record(0, its.values())
    sweep.aside(its.values())
    for old, aside in ((0, {}), (1, {its["shared"]: 10})):
        plan = Plan()
        assert sweep.choose(world.storage, plan, old) == {}
        assert (plan.aside, plan.blobs, plan.leaving) == (aside, {}, 10)


def test_what_nothing_else_held_is_put_aside_all_the_same(world: World) -> None:
    """Such as what only a link names that can't be read just now."""
    digest = world.blob(b"x")
    sweep, plan = Sweep(), Plan()
    sweep.aside([digest])
    sweep.choose(world.storage, plan, 0)
    assert (plan.aside, plan.blobs) == ({digest: 1}, {})


@pytest.mark.parametrize("beginning", ["", "sha256:", "whole"])
def test_what_an_unreadable_link_may_mean_stays(world: World, beginning: str) -> None:
    """By how it begins."""
    digest = world.blob(b"x")
    sweep = Sweep(held={digest if beginning == "whole" else beginning, "sha512:"})
    plan = Plan()
    sweep.choose(world.storage, plan, 0)
    assert (plan.blobs, plan.total) == ({}, 1)


def test_what_is_no_blob_is_named(world: World) -> None:
    """Where it lies, in letters that can be printed; a disk may have been put into a directory's place."""
    digest = world.blob(b"x")
    two = world.blob_file(digest).parent.parent
    elsewhere = world.root.parent / "elsewhere"
    two.rename(elsewhere)
    two.symlink_to(elsewhere)
    name = digest.partition(":")[2]
    (elsewhere / name[:-1]).mkdir()
    (elsewhere / ("f" * 64)).symlink_to(elsewhere / name)
    (world.v2 / "blobs/sha256/zz").mkdir()
    world.file(f"blobs/sha256/zz/{name}/data", b"x")
    world.file("blobs/\n", b"")
    faults: list[str] = []
    assert list(blobs(world.storage, faults)) == [(digest, 1)]
    top = "docker/registry/v2/blobs"
    assert sorted(faults) == sorted(
        [
            f"'{top}/\\n' is no blob",
            f"{top}/sha256/{name[:2]}/{name[:-1]} is no blob",
            f"{top}/sha256/{name[:2]}/{'f' * 64} is no blob",
            f"{top}/sha256/zz/{name} is no blob",
        ]
    )


def test_all_blobs_may_lie_on_another_disk(world: World) -> None:
    """Put there by a link."""
    digest = world.blob(b"x")
    (world.v2 / "blobs/sha256").rename(world.root.parent / "elsewhere")
    (world.v2 / "blobs/sha256").symlink_to(world.root.parent / "elsewhere")
    faults: list[str] = []
    assert (list(blobs(world.storage, faults)), faults) == ([(digest, 1)], [])


def test_blobs_that_cannot_be_asked_for(world: World) -> None:
    """Are named, or gone; the others are found all the same."""
    one, two = sorted((world.blob(b"one"), world.blob(b"three")))
    world.blob_file(one).unlink()
    assert [digest for digest, _ in blobs(world.storage, [])] == [two]
    world.blob(b"one")
    world.blob(b"three")
    found = []
    for at in range(1, 9):
        faults: list[str] = []
        names = {name for name, _ in blobs(FaultyStorage(world.storage, at, Unreadable("input/output")), faults)}
        assert (names == {one, two}) is not bool(faults)
        found += faults
    top = "docker/registry/v2/blobs"
    for text in (f"{top} can't be listed: input/output", f"blob {one} can't be read: input/output"):
        assert text in found
    (world.v2 / "blobs").rename(world.v2 / "moved")
    assert list(blobs(world.storage, [])) == []


def test_whether_that_is_all(world: World) -> None:
    """As many links, and nothing else: no other file, no symbolic link, nothing that can't be listed."""
    for number in range(2):
        world.file(f"x/{number}/link", b"")
    top = "docker/registry/v2/x"
    assert [is_all(world.storage, [top], count) for count in (1, 2, 3)] == [False, True, True]
    assert is_all(world.storage, [f"{top}/0", f"{top}/1", f"{top}/none"], 2)
    assert not is_all(FaultyStorage(world.storage, 2, Unreadable("no")), [top], 2)
    (world.v2 / "x/2").mkdir()
    assert is_all(world.storage, [top], 2)
    (world.v2 / "x/2/link").symlink_to("nowhere")
    assert not is_all(world.storage, [top], 9)
    (world.v2 / "x/2/link").unlink()
    world.file("x/2/data", b"")
    assert not is_all(world.storage, [top], 9)


def test_empty_directories_go(world: World) -> None:
    """Downwards all, upwards as far as they are empty; what has something in it stays, and what fails is no error."""
    for path in ("a/b/c/d", "a/b/c/e", "a/b/f"):
        (world.v2 / path).mkdir(parents=True)
    top = "docker/registry/v2/a"
    clear(FaultyStorage(world.storage, 2, Unreadable("no")), f"{top}/b/c", top)
    assert (world.v2 / "a/b/f").is_dir()
    world.file("a/b/f/x", b"")
    (world.v2 / "a/b/c/d").mkdir(parents=True, exist_ok=True)
    clear(world.storage, f"{top}/b", top)
    assert [path.name for path in (world.v2 / "a/b").iterdir()] == ["f"]
    (world.v2 / "a/b/f/x").unlink()
    clear(world.storage, f"{top}/b", top)
    assert list((world.v2 / "a").iterdir()) == []
    clear(world.storage, f"{top}/none", top)


class Full:
    """A storage on a disk that is as full as a test says."""

    def __init__(self, world: World, room: Room | StorageError | None) -> None:
        self._storage = world.storage
        self._room = room

    def room(self) -> Room | None:
        if isinstance(self._room, StorageError):
            raise self._room
        return self._room

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def list(self, path: str) -> list[Entry]:
        return self._storage.list(path)


@pytest.mark.parametrize(
    ("room", "gone"),
    [
        (None, 0),
        (Unreadable("no"), 0),
        (Room(7999, 10_000), 0),
        (Room(8000, 10_000), 1),
        (Room(8999, 10_000), 1),
        (Room(9000, 10_000), 1),
        (Room(9600, 10_000), 2),
        (Room(10_000, 10_000), 2),
    ],
)
def test_a_disk_that_is_full_gives_up_as_many_records_as_that_takes(
    world: World, room: Room | StorageError | None, gone: int
) -> None:
    """The oldest first, until it is less full than status warns of; the newest never, where this run makes none."""
    for tag in "123":
        world.image("a", tag, tag.encode() * 1000)
        remove(world, "a", tag)
    plan = plan_clean_up(Full(world, room), Fresh(), Limits(NOW, warn_percent=80))  # type: ignore[arg-type]
    names = ["20270115T080000Z", "20270115T080000Z-1", "20270115T080000Z-2"]
    assert plan.records == names[:gone]
    assert {digest_of(tag.encode() * 1000) for tag in "123"[:gone]} <= set(plan.blobs)
    assert not plan.blobs.keys() & {digest_of(tag.encode() * 1000) for tag in "123"[gone:]}


def test_what_goes_anyway_makes_room_too(world: World) -> None:
    """No record is given up for that."""
    world.image("a", "1", b"1" * 1000)
    remove(world, "a", "1")
    world.image("b", "", b"2")
    world.blob(b"3" * 1001)
    limits = Limits(NOW, warn_percent=80)
    for used, count in ((9000, 0), (9001, 1)):
        plan = plan_clean_up(Full(world, Room(used, 10_000)), Fresh(), limits)  # type: ignore[arg-type]
        assert len(plan.records) == count


def test_what_a_removal_counts(world: World) -> None:
    """The bytes that leave the images, not what nothing held; no blob goes by it, and other repositories stay."""
    layer = b"x" * 1000
    digest = world.image("a", "1.0", layer)
    world.image("b", "1.0", layer, b"own")
    world.image("c", "", b"untagged")
    world.blob(b"garbage")
    world.file("blobs/note", b"")
    world.file("repositories/c/_manifests/note", b"")
    plan = plan_removal(world.storage, {"a": Wish({"1.0": "asked for"})}, Fresh())
    own = world.pull("a", "1.0") - {digest_of(layer)}
    assert plan.leaving == sum(world.blob_file(one).stat().st_size for one in own)
    assert plan.total == sum(file.stat().st_size for file in world.v2.glob("blobs/sha256/*/*/data"))
    assert (list(plan.repositories), plan.blobs, digest in plan.aside) == (["a"], {}, True)
    assert plan.faults == ["docker/registry/v2/blobs/note is no blob"]
    assert plan_removal(world.storage, {}, Fresh()).repositories == {}


def test_a_record_that_cannot_be_read_is_named_until_it_goes(world: World) -> None:
    """One that goes by its age needs no reading."""
    name = "20270115T080000Z"
    world.file(f"../../../trash/{name}.json", b"x")
    garbage = world.blob(b"x")
    outcome = clean_up(world, days=7)
    assert [text.partition(": ")[0] for text in outcome.skipped] == [f"record {name}"]
    assert world.has(garbage)
    outcome = clean_up(world, days=7, now=NOW + 7 * 86400)
    assert (outcome.skipped, outcome.records, world.has(garbage)) == ([], [name], False)


def test_a_directory_in_which_something_else_lies_is_not_tried(world: World) -> None:
    """Neither a tag's, nor a repository's: each run would find it again."""
    world.file("repositories/a/_manifests/tags/cut/current/note", b"mine")
    world.file("repositories/b/_layers/sha256/note", b"mine")
    world.image("b", "", b"x")
    plan = plan_clean_up(world.storage, Fresh(), Limits(NOW))
    assert "a" not in plan.repositories
    assert plan.empty == []
    assert (world.root / REPOSITORIES / "b/_layers/sha256/note").exists()
