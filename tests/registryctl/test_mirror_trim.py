"""Keeping a mirror within its bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from registryctl.mirrors.choice import GRACE
from registryctl.storage import NoRoom
from tests.registryctl.mirrored import DAY, QUARTER, Mirrored
from tests.registryctl.world import digest_of

BIG = b"x" * 1000


@pytest.fixture
def mirror(memory: Path) -> Mirrored:
    """Which has fetched nothing yet."""
    return Mirrored(memory / "data")


def test_without_bounds_nothing_goes(mirror: Mirrored) -> None:
    """However old it is, and in an empty storage too."""
    assert mirror.trim(1, 1).why == {}
    mirror.an_image("library/a", "1", BIG, days=900)
    before = mirror.tree()
    assert mirror.trim().why == {}
    assert mirror.tree() == before


def test_what_nobody_pulls_goes_wholly(mirror: Mirrored) -> None:
    """What is pulled stays, by tag or by a digest to which it leads, and all that it needs."""
    mirror.an_image("a", "old", b"shared", b"own", days=40)
    kept = mirror.an_image("a", "new", b"shared", b"other", days=1)
    mirror.an_image("b", "tag", b"tag", days=40)
    mirror.used("b", "tag", 3)
    by_digest = mirror.an_image("c", "", b"digest", days=40)
    mirror.pulls["c", by_digest] = mirror.now - 5 * DAY
    mirror.an_image("c", "gone", b"shared", days=30.1)
    results = mirror.trim_wholly(days=30)
    assert list(results[0].why) == ["a:old", "c:gone"]
    assert mirror.tags("a") == {"new": kept}
    assert mirror.tags("c") == {}
    assert mirror.pull("a", "new")
    assert mirror.pull("b", "tag")
    assert mirror.pull("c", by_digest)
    assert digest_of(b"own") not in mirror.blobs()
    assert mirror.dangling() == set()
    assert len(mirror.blobs()) == len(
        {*mirror.pull("a", "new"), *mirror.pull("b", "tag"), *mirror.pull("c", by_digest)}
    )


def test_before_pulls_were_counted_all_was_pulled(mirror: Mirrored) -> None:
    """Until counting is as old as the bound."""
    mirror.an_image("a", "1", BIG, days=40)
    assert mirror.trim(days=30, since=mirror.now - 29 * DAY).why == {}
    assert mirror.trim(days=30, since=mirror.now - 31 * DAY).why == {"a:1": "not pulled for 30 days"}


def test_the_longest_unused_goes_until_it_fits(mirror: Mirrored) -> None:
    """And no more than that, in this run or in later ones."""
    for number in range(10):
        mirror.an_image("a", str(number), bytes([number]) * 1000, days=20 - number)
    mirror.used("a", "0", 0.5)
    total = sum(mirror.sizes().values())
    results = mirror.trim_wholly(most=total - 4000)
    assert sorted(mirror.tags("a")) == ["0", "4", "5", "6", "7", "8", "9"]
    assert [list(its.why) for its in results] == [["a:1", "a:2", "a:3"], *[[]] * 11]
    assert sum(mirror.sizes().values()) == results[-1].kept == results[-1].stored <= total - 4000
    assert sum(its.freed for its in results) == total - results[-1].kept
    for tag in mirror.tags("a"):
        assert mirror.pull("a", tag)


def test_shared_layers_count_once(mirror: Mirrored) -> None:
    """What another image has too frees nothing."""
    for repository in ("a", "b", "c"):
        mirror.an_image(repository, "1", BIG, repository.encode(), days=ord("d") - ord(repository[0]))
    assert mirror.trim_wholly(most=2700)[0].why == {}
    mirror.trim_wholly(most=1600)
    assert (mirror.tags("a"), mirror.tags("b"), set(mirror.tags("c"))) == ({}, {}, {"1"})
    assert mirror.pull("c", "1")
    assert mirror.dangling() == set()


def test_an_index_goes_before_its_platforms(mirror: Mirrored) -> None:
    """Platforms that were never fetched are no fault. One that is used by itself stays, as of an index that stays."""
    amd, arm = (mirror.an_image("a", "", name, days=40) for name in (b"amd", b"arm"))
    never = digest_of(b"never fetched")
    old = mirror.fetched(lambda: mirror.index("a", "old", amd, arm, never), 40)
    new = mirror.fetched(lambda: mirror.index("a", "new", arm, never), 1)
    first = mirror.trim(days=30)
    assert (list(first.why), first.faults) == (["a:old"], [])
    assert not mirror.link_file("a", "_manifests/revisions", old).exists()
    # Who has begun goes on, also while the other registry is away.
    assert mirror.pull("a", amd)
    assert digest_of(b"amd") in mirror.blobs()
    mirror.now += QUARTER
    assert list(mirror.trim(days=30).why) == [f"a@{amd}"]
    assert mirror.link_file("a", "_layers", digest_of(b"amd")).exists()
    mirror.trim_wholly(days=30)
    assert digest_of(b"amd") not in mirror.blobs()
    assert mirror.tags("a") == {"new": new}
    assert mirror.pull("a", arm)


def test_a_platform_with_a_tag_goes_after_its_index(mirror: Mirrored) -> None:
    """Who has begun with the index goes on."""
    amd = mirror.an_image("a", "amd", b"amd", days=40)
    mirror.fetched(lambda: mirror.index("a", "all", amd), 40)
    assert sorted(mirror.trim(days=30).why) == ["a:all", "a:amd"]
    assert mirror.tags("a") == {}
    assert mirror.pull("a", amd)
    mirror.trim_wholly(days=30)
    assert mirror.blobs() == set()


def test_a_pull_under_way_finds_its_layers(mirror: Mirrored) -> None:
    """For an hour after the image has gone; then links go, and blobs in the next run."""
    mirror.an_image("a", "1", BIG, days=40)
    layer = mirror.link_file("a", "_layers", digest_of(BIG))
    assert list(mirror.trim(days=30).why) == ["a:1"]
    for _ in range(GRACE // QUARTER - 1):
        mirror.now += QUARTER
        mirror.trim(days=30)
        assert layer.exists()
    mirror.now += QUARTER + 1
    mirror.trim(days=30)
    assert not layer.exists()
    assert digest_of(BIG) in mirror.blobs()
    mirror.now += QUARTER
    assert mirror.trim(days=30).freed > 1000
    assert mirror.blobs() == set()
    mirror.now += QUARTER
    mirror.trim(days=30)
    assert list((mirror.v2 / "repositories").iterdir()) == []


def test_what_was_used_within_the_hour_stays(mirror: Mirrored) -> None:
    """Even if it is too much: that is said."""
    mirror.an_image("a", "1", BIG, days=0.01)
    result = mirror.trim(most=10)
    assert (result.why, result.over) == ({}, True)
    mirror.now += GRACE
    assert not mirror.trim(most=10).over
    assert mirror.tags("a") == {}


def test_what_is_fetched_just_now_stays(mirror: Mirrored) -> None:
    """A layer before its manifest, and a blob before its link."""
    mirror.fetched(lambda: mirror.layer("a", BIG), 0.001)
    lone = mirror.fetched(lambda: mirror.blob(b"no link yet"), 0.001)
    mirror.an_image("b", "1", days=2)
    mirror.trim_wholly(most=1, times=3)
    assert {digest_of(BIG), lone} <= mirror.blobs()
    mirror.trim_wholly(most=1, times=8)
    assert mirror.blobs() == set()


def test_what_is_used_meanwhile_stays(mirror: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag that was asked for, and a layer of which a manifest came, between the look and the act."""
    mirror.an_image("a", "1", BIG, days=40)
    mirror.an_image("b", "1", b"b", days=40)
    touch = mirror.files.touch

    def used(path: str, time: float) -> None:
        touch(path, time)
        mirror.used("a", "1", 0)

    monkeypatch.setattr(mirror.files, "touch", used)
    result = mirror.trim(days=30)
    assert result.changed == ["a:1"]
    assert (set(mirror.tags("a")), mirror.tags("b")) == ({"1"}, {})
    assert mirror.pull("a", "1")


def test_a_blob_that_gets_a_link_meanwhile_is_put_back(mirror: Mirrored) -> None:
    """The mirror saw it a moment before it was put aside."""
    lone = mirror.fetched(lambda: mirror.blob(BIG), 2)
    mirror.an_image("a", "1", b"a", days=0)

    def links(_: float) -> None:
        assert (mirror.has(lone), mirror.aside()) == (False, [lone])
        mirror.link(f"a/_layers/{lone.replace(':', '/')}", lone)

    assert mirror.trim(most=10_000, pause=links).freed == 0
    assert mirror.has(lone)
    assert mirror.aside() == []


def test_on_a_full_disk_one_blob_makes_room(mirror: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the directory in which the others are put aside."""
    mirror.aged([mirror.blob_file(mirror.blob(content)) for content in (b"one", b"two")], 2)
    mirror.an_image("a", "1", days=0)
    move = mirror.files.move

    def full(path: str, to: str) -> None:
        if len(mirror.blobs()) == 4:
            raise NoRoom(path)
        move(path, to)

    monkeypatch.setattr(mirror.files, "move", full)
    assert mirror.trim(days=30).freed == 6
    assert mirror.pull("a", "1") == mirror.blobs()


@pytest.mark.parametrize("damage", ["tag", "directory"])
def test_what_cannot_be_read_stays(damage: str, mirror: Mirrored) -> None:
    """With all that it may need; others go."""
    child = mirror.an_image("a", "", b"layer", days=40)
    mirror.fetched(lambda: mirror.index("a", "1", child), 40)
    mirror.an_image("b", "1", b"layer", b"own", days=40)
    if damage == "tag":
        mirror.tag_file("a", "1").write_bytes(b"?")
    else:
        (mirror.v2 / "repositories/a/_layers/sha256").rename(mirror.root / "elsewhere")
        (mirror.v2 / "repositories/a/_layers/sha256").symlink_to(mirror.root / "elsewhere")
    results = mirror.trim_wholly(1, 30)
    assert results[-1].faults
    assert mirror.tags("b") == {}
    assert digest_of(b"layer") in mirror.blobs()
    assert mirror.link_file("a", "_layers", digest_of(b"layer")).exists()
    assert results[-1].over
    assert mirror.tag_file("a", "1").exists()
    assert child in mirror.blobs()


def test_links_of_a_stranger_lead_nowhere(mirror: Mirrored, memory: Path) -> None:
    """A mirror that puts links in the place of its directories loses nothing of somebody else's."""
    other = Mirrored(memory / "other")
    other.an_image("own", "1", BIG, days=40)
    before = other.tree()
    mirror.an_image("a", "1", b"a", days=40)
    (mirror.v2 / "repositories/linked").symlink_to(other.v2 / "repositories/own")
    (mirror.v2 / "repositories/a/_manifests/tags/strange").symlink_to(other.v2 / "repositories/own/_manifests/tags/1")
    (mirror.v2 / "repositories/NO NAME\n/_layers").mkdir(parents=True)
    results = mirror.trim_wholly(1, 1)
    assert results[0].faults
    assert all(text.isprintable() for text in results[0].faults)
    assert other.tree() == before
