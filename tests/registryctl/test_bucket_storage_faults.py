"""A storage in a bucket of which something fails: what stays, and when a run ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from registryctl import trash
from registryctl.act import RefusedError
from registryctl.fetching import Ahead, each
from registryctl.journals import BarrierError
from registryctl.layout import BLOBS, REPOSITORIES, LayerLink, TagLink, blob_path
from registryctl.objects import ObjectStorage
from registryctl.storage import AwayError, NoRoom, NotThere, StorageError, Unreadable
from registryctl.undo import undo
from tests.registryctl.bucket_world import filled, tags
from tests.registryctl.buckets import FailingBucket, MemoryBucket
from tests.registryctl.world import NOW, Gate, World, clean_up, digest_of, remove


@pytest.fixture
def bucket() -> MemoryBucket:
    """An empty one, whose clock stands."""
    return MemoryBucket(lambda: NOW * 10**9)


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


def test_nothing_is_under_way_once_one_was_refused() -> None:
    """The barrier opens then: of several requests that are sent at once, none comes after that."""
    begun, over = threading.Event(), threading.Event()
    ended: list[str] = []

    def act(word: str) -> None:
        if word == "refused":
            assert begun.wait(60)
            raise BarrierError("the other host does not answer")
        begun.set()
        over.wait(0.2)
        ended.append(word)

    def words() -> Iterator[str]:
        """Of which one can't be told."""
        yield "slow"
        act("refused")

    several: Ahead[None] = Ahead(lambda *_: None, lambda _: True)
    with ThreadPoolExecutor(2) as pool:
        for does in (several.each, partial(each, pool)):
            for some in (["refused", "slow"], words()):
                begun.clear()
                with pytest.raises(BarrierError):
                    does(act, some)
                assert ended.pop() == "slow"
    assert not ended
    over.set()


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


def test_links_that_were_not_listed_once(world: World, bucket: MemoryBucket) -> None:
    """Where a listing has none at all, it is made once more before any blob goes."""
    world.image("r", "a", b"one")
    filled(world, bucket)
    hidden = {key: bucket.get(key) for key in bucket.keys if key.startswith(REPOSITORIES)}
    for key in hidden:
        bucket.drop(key)
    before = bucket.keys | hidden.keys()

    def shows() -> None:
        for key, data in hidden.items():
            bucket.put(key, data)

    gate = Gate(closing=shows)
    with pytest.raises(AwayError, match="had no links before"):
        clean_up(world, gate, storage=ObjectStorage(bucket))
    assert bucket.keys == before


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
