"""A storage in a bucket: what is asked of the store, when, and how often; what it never takes for granted."""

from __future__ import annotations

from pathlib import Path

import pytest

from registryctl import trash
from registryctl.act import RefusedError
from registryctl.bucket import Object
from registryctl.journals import BarrierError
from registryctl.layout import BLOBS, REPOSITORIES, LayerLink, TagLink, blob_path
from registryctl.listing import Listing
from registryctl.objects import ObjectStorage
from registryctl.reading import read_repository
from registryctl.storage import AwayError, Entry, Kind, NoRoom, NotThere, StorageError, Unreadable
from registryctl.undo import undo
from tests.registryctl.buckets import FailingBucket, MemoryBucket
from tests.registryctl.world import NOW, Gate, World, clean_up, digest_of, remove

LONG_AGO = 1_600_000_000 * 10**9


def filled(world: World, bucket: MemoryBucket) -> ObjectStorage:
    """The same as the world's files, all written long ago."""
    for path in world.root.rglob("*"):
        if path.is_file():
            bucket.put(str(path.relative_to(world.root)), path.read_bytes(), LONG_AGO)
    return ObjectStorage(bucket)


@pytest.fixture
def bucket() -> MemoryBucket:
    """An empty one, whose clock stands."""
    return MemoryBucket(lambda: NOW * 10**9)


def tags(bucket: MemoryBucket, name: str) -> set[str]:
    """Those of a repository."""
    top = f"{REPOSITORIES}/{name}/_manifests/tags/"
    return {key.removeprefix(top).partition("/")[0] for key in bucket.keys if key.startswith(top)}


# Paths


def test_keys_are_paths(bucket: MemoryBucket) -> None:
    """A key may be a file and the directory of others; what no path can name is something else."""
    for key in ("trash/a", "trash/a/b", "trash/a-b/c", "trash/a.b", "trash//x", "trash/./y", "trash/d/", "trash/e/f/"):
        bucket.put(key, b"" if key == "trash/d/" else b"x")
    storage = ObjectStorage(bucket)
    assert sorted(storage.list("trash"), key=str) == sorted(
        [
            *(Entry("a", Kind.FILE), Entry("a", Kind.DIRECTORY), Entry("a-b", Kind.DIRECTORY), Entry("a.b", Kind.FILE)),
            *(Entry("", Kind.OTHER), Entry(".", Kind.OTHER), Entry("d", Kind.DIRECTORY), Entry("e", Kind.DIRECTORY)),
        ],
        key=str,
    )
    assert storage.list("trash/a") == [Entry("b", Kind.FILE)]
    for path in ("trash/none", "trash/d", "trash/a.b", "trash//x", "trash/./y"):
        with pytest.raises(NotThere):
            storage.list(path)
    assert (storage.alias("trash/a"), storage.room()) == (None, None)


def test_a_listing_in_another_order() -> None:
    """Some stores list by directories; of what is listed twice the later counts."""
    keys = ["b/c", "b-c", "a", "b/a", "a"]
    listing = Listing("", [Object(key, size, "e", size) for size, key in enumerate(keys)])
    found = listing.get("a")
    assert (len(listing), found and found.size) == (4, 4)
    assert [entry.name for entry in listing.children("")] == ["a", "b-c", "b"]
    assert [entry.name for entry in listing.children("b/")] == ["a", "c"]
    assert (listing.latest("b/"), listing.latest("x")) == (3, 0)


def test_a_strange_key_keeps_its_repository(world: World, bucket: MemoryBucket) -> None:
    """Nobody knows what it is for; it stays too. Others are cleaned."""
    for name in ("odd", "plain"):
        world.image(name, "", name.encode())
    storage = filled(world, bucket)
    bucket.put(f"{REPOSITORIES}/odd/_manifests//link", b"x")
    outcome = clean_up(world, storage=storage)
    assert any("odd" in fault for fault in outcome.plan.faults)
    left = {key.split("/")[4] for key in bucket.keys if key.startswith(REPOSITORIES)}
    assert left == {"odd"}


# What is asked, and how often


def test_links_are_known_by_their_etags(world: World, bucket: MemoryBucket) -> None:
    """Of a hundred images a clean-up reads the manifests, once each, and not one link."""
    for number in range(100):
        world.image("team/app", f"t{number}", b"%d" % number)
    world.image("team/app", "", b"nobody's")
    storage = filled(world, bucket)
    clean_up(world, storage=storage)
    assert bucket.requests["read"] == 101
    assert bucket.requests["list"] < 15
    assert bucket.requests["remove"] < 6


@pytest.mark.parametrize("act", ["clean-up", "deletion", "undoing"])
def test_requests_grow_with_what_there_is(act: str, memory: Path) -> None:
    """Three times the tags take three times the requests, whatever is done. Pages have ten keys, not a thousand."""
    cost = {}
    for many in (30, 90):
        world, bucket = World(memory / f"of-{many}"), MemoryBucket(lambda: NOW * 10**9, page=10)
        for number in range(many):
            world.image("r", f"t{number}", b"%d" % number)
            world.image("r", "", b"untagged %d" % number)
        storage = filled(world, bucket)
        if act == "undoing":
            remove(world, "r", *(f"t{number}" for number in range(many)), storage=storage)
        bucket.requests.clear()
        if act == "clean-up":
            clean_up(world, storage=storage)
        elif act == "deletion":
            remove(world, "r", *(f"t{number}" for number in range(many)), storage=storage)
        else:
            assert len(undo(storage, Gate()).tags) == many
        cost[many] = bucket.requests.total()
    assert cost[90] < 3.3 * cost[30]


def test_under_the_barrier_only_what_goes_is_asked_for(world: World, bucket: MemoryBucket) -> None:
    """Pushes don't wait until a large repository is listed, of which one tag goes."""
    bucket.page = 20
    for number in range(100):
        world.image("large", f"t{number}", b"%d" % number)
    storage = filled(world, bucket)
    seen = []
    gate = Gate(closing=lambda: seen.append(bucket.requests["list"]))
    remove(world, "large", "t1", gate=gate, storage=storage)
    assert "t1" not in tags(bucket, "large")
    assert bucket.requests["list"] - seen[0] < 30
    assert seen[0] > 30


# What changes meanwhile


def test_a_tag_that_is_pushed_while_it_is_listed(world: World, bucket: MemoryBucket) -> None:
    """Its manifest comes before it in a listing: the repository is listed once more, and nothing seems to be lost."""
    world.image("team/app", "old", b"old")
    world.image("team/app", "", b"nobody's")
    storage = filled(world, bucket)
    new = World(world.root.parent / "new")
    new.image("team/app", "new", b"new")
    pushed = {str(path.relative_to(new.root)): path.read_bytes() for path in new.root.rglob("*") if path.is_file()}
    bucket.page = 3

    def before(kind: str, key: str) -> None:
        # In the middle of the listing of links.
        if kind == "list" and key == f"{REPOSITORIES}/" and bucket.requests["list"] > 5 and pushed:
            for path, content in sorted(pushed.items()):
                bucket.put(path, content, 2 * NOW * 10**9)
            pushed.clear()

    bucket.before = before
    outcome = clean_up(world, storage=storage)
    assert (pushed, outcome.plan.faults) == ({}, [])
    assert tags(bucket, "team/app") == {"old", "new"}


def test_a_tag_that_moves_after_the_listing(world: World, bucket: MemoryBucket) -> None:
    """Its content is another than was listed: what it needs is looked for anew."""
    old = world.image("team/app", "latest", b"old")
    storage = filled(world, bucket)
    # As with a store whose ETags tell nothing.
    link = TagLink("team/app", "latest").path
    bucket.put(link, old.encode() + b" ", LONG_AGO)
    storage.list(REPOSITORIES)
    new = World(world.root.parent / "new")
    digest = new.image("team/app", "latest", b"new")
    for path in new.root.rglob("*"):
        if path.is_file():
            bucket.put(str(path.relative_to(new.root)), path.read_bytes(), LONG_AGO)
    found = read_repository(storage, "team/app")
    assert found.tags == {"latest": digest}
    assert found.revisions.keys() == {old, digest}


def test_a_link_that_somebody_wrote_past_the_proxy(world: World, bucket: MemoryBucket) -> None:
    """Between plan and barrier: what is removed is looked at again by then."""
    world.image("r", "a", b"one")
    other = world.image("r", "b", b"two")
    storage = filled(world, bucket)
    link = TagLink("r", "a").path
    gate = Gate(closing=lambda: bucket.put(link, other.encode()))
    outcome = remove(world, "r", "a", gate=gate, storage=storage)
    assert outcome.changed == ["r"]
    assert bucket.get(link).decode() == other


# What fails


def test_nobody_may_read_one_key(world: World, bucket: MemoryBucket) -> None:
    """Its repository stays; others are cleaned."""
    digest = world.image("closed", "a", b"one")
    for name in ("closed", "open"):
        world.image(name, "", b"nobody's " + name.encode())
    storage = filled(world, bucket)
    bucket.forbidden.add(blob_path(digest))
    before = {key for key in bucket.keys if "/closed/" in key}
    outcome = clean_up(world, storage=storage)
    assert any("closed:a" in fault for fault in outcome.plan.faults)
    assert {key for key in bucket.keys if "/closed/" in key} == before
    assert not [key for key in bucket.keys if "/open/" in key]


def test_what_can_not_be_removed_stays_with_all_it_leads_to(world: World, bucket: MemoryBucket) -> None:
    """And is named; the other repository goes, and its bytes count."""
    stays, goes = world.image("stays", "", b"one"), world.image("goes", "", b"two")
    storage = filled(world, bucket)
    link = f"{REPOSITORIES}/stays/_manifests/revisions/{stays.replace(':', '/')}/link"
    bucket.forbidden.add(link)
    bucket.requests.clear()
    outcome = clean_up(world, storage=storage)
    assert outcome.failed == [f"{link}: AccessDenied"]
    assert {blob_path(stays), LayerLink("stays", digest_of(b"one")).path} <= bucket.keys
    assert blob_path(goes) not in bucket.keys
    assert outcome.freed == sum(
        size for digest, size in outcome.plan.blobs.items() if blob_path(digest) not in bucket.keys
    )
    bucket.forbidden.clear()
    assert clean_up(world, storage=storage).failed == []
    assert not bucket.keys


@pytest.mark.parametrize("kind", ["list", "read"])
def test_a_store_that_goes_away_ends_the_run(world: World, bucket: MemoryBucket, kind: str) -> None:
    """At once, with nothing removed: it is not asked again for each of thousands."""
    for number in range(20):
        world.image("r", f"t{number}", b"%d" % number)
    world.image("r", "", b"nobody's")
    storage = filled(world, bucket)
    before = bucket.keys

    def away(what: str, _: str) -> None:
        if what == kind:
            raise StorageError("no route to host")

    bucket.before = away
    with pytest.raises(AwayError, match="no route to host"):
        clean_up(world, storage=storage)
    assert bucket.keys == before
    assert bucket.requests["read"] <= 40


def test_a_listing_that_is_cut_off(world: World, bucket: MemoryBucket) -> None:
    """Half of the links is not taken for all."""
    for number in range(5):
        world.image("r", f"t{number}", b"%d" % number)
    filled(world, bucket)
    before = bucket.keys
    for at in range(2):
        storage = ObjectStorage(FailingBucket(bucket, at, lambda _: StorageError("cut off")))
        with pytest.raises(AwayError):
            clean_up(world, storage=storage)
    assert bucket.keys == before


def test_the_guard_is_asked_before_each_removal(world: World, bucket: MemoryBucket) -> None:
    """What it refuses stays; records are no links, and nobody else writes those."""
    world.image("r", "a", b"one")
    world.image("r", "", b"nobody's")
    filled(world, bucket)
    asked: list[int] = []

    def guard() -> None:
        asked.append(bucket.requests["remove"])
        if len(asked) > 1:
            raise BarrierError("the other host does not answer")

    storage = ObjectStorage(bucket, guard)
    with pytest.raises(BarrierError):
        clean_up(world, storage=storage, days=7)
    assert asked == [0, 1]
    assert tags(bucket, "r") == {"a"}
    storage.write(TagLink("r", "b").path, b"x")
    with pytest.raises(BarrierError):
        storage.settle()
    assert tags(bucket, "r") == {"a"}
    trash.empty(storage, trash.runs(storage)[0])
    assert trash.runs(storage) == []


def test_links_that_can_not_be_written(world: World, bucket: MemoryBucket) -> None:
    """Layers come before manifests, and these before tags: of each only once all of the others are there."""
    world.image("r", "a", b"one")
    storage = filled(world, bucket)
    whole = bucket.keys
    remove(world, "r", "a", storage=storage)
    for part in ("_layers", "_manifests/revisions", "_manifests/tags"):

        def before(kind: str, key: str, part: str = part) -> None:
            if kind == "write" and f"/{part}/" in key:
                raise StorageError("cut off")

        bucket.before = before
        with pytest.raises(AwayError):
            undo(ObjectStorage(bucket), Gate())
        there = {key for key in whole & bucket.keys if key.startswith(f"{REPOSITORIES}/r/")}
        wanted = {"_layers": (), "_manifests/revisions": ("_layers",), "_manifests/tags": ("_layers", "revisions")}[
            part
        ]
        assert there == {key for key in whole if any(f"/{one}/" in key for one in wanted)}
        assert len(trash.runs(ObjectStorage(bucket))) == 1
    bucket.before = lambda *_: None
    assert undo(ObjectStorage(bucket), Gate()).tags == ["r:a"]
    assert bucket.keys == whole


def test_no_links_at_all_and_blobs(world: World, bucket: MemoryBucket) -> None:
    """The last image was deleted: what only its record held goes with that. A wrong prefix has no blobs either."""
    storage = filled(world, bucket)
    with pytest.raises(NotThere):
        storage.list(REPOSITORIES)
    world.image("r", "a", b"one")
    storage = filled(world, bucket)
    remove(world, "r", "a", storage=storage)
    assert storage.list(REPOSITORIES) == []
    assert storage.list(BLOBS)
    assert clean_up(world, storage=storage, now=NOW + 8 * 86400, days=7).freed > 0
    assert not bucket.keys


def test_too_much_is_not_read(bucket: MemoryBucket) -> None:
    """Neither where its size is known, nor else."""
    bucket.put("trash/a", b"12345")
    storage = ObjectStorage(bucket)
    for prepare in (lambda: None, lambda: storage.list("trash")):
        prepare()
        with pytest.raises(Unreadable):
            storage.read("trash/a", 4)
        assert storage.read("trash/a", 5) == b"12345"
        assert (storage.size("trash/a"), storage.time("trash/a")) == (5, NOW * 10**9)


def test_refused_runs_remove_nothing(world: World, bucket: MemoryBucket) -> None:
    """No room for a record: a deletion refuses."""
    world.image("r", "a", b"one")
    storage = filled(world, bucket)
    before = bucket.keys

    def full(kind: str, _: str) -> None:
        if kind == "write":
            raise NoRoom("QuotaExceeded")

    bucket.before = full
    with pytest.raises(RefusedError):
        remove(world, "r", "a", storage=storage)
    assert bucket.keys == before
