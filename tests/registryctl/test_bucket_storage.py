"""A storage in a bucket: what is asked of the store, when, and how often; what it never takes for granted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registryctl.bucket import Object
from registryctl.layout import REPOSITORIES, TagLink, blob_path
from registryctl.listing import Listing
from registryctl.objects import ObjectStorage
from registryctl.reading import read_repository
from registryctl.storage import Entry, Kind, NotThere
from registryctl.undo import undo
from tests.registryctl.bucket_world import LONG_AGO, filled, tags
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.world import NOW, Gate, World, clean_up, remove


@pytest.fixture
def bucket() -> MemoryBucket:
    """An empty one, whose clock stands."""
    return MemoryBucket(lambda: NOW * 10**9)


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


@pytest.mark.parametrize("etag", [lambda data: f"{len(data)}-1", lambda _: "f" * 32, lambda _: ""])
def test_etags_that_tell_nothing(world: World, bucket: MemoryBucket, etag: Callable[[bytes], str]) -> None:
    """As of what is encrypted with a key of KMS: links are read, and the same goes and stays."""
    bucket.etag = etag
    for number in range(20):
        world.image("team/app", f"t{number}", b"%d" % number)
    nobodys = world.image("team/app", "", b"nobody's")
    storage = filled(world, bucket)
    assert clean_up(world, storage=storage).plan.faults == []
    assert blob_path(nobodys) not in bucket.keys
    assert len(tags(bucket, "team/app")) == 20
    assert bucket.requests["read"] > 60


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
