"""By which times a mirror is kept within its bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.registryctl.mirrored import DAY, Mirrored

BIG = b"x" * 1000


@pytest.fixture
def mirror(memory: Path) -> Mirrored:
    """Which has fetched nothing yet."""
    return Mirrored(memory / "data")


def test_what_a_tag_had_until_just_now_stays(mirror: Mirrored) -> None:
    """It was used when the tag was last asked for, before it moved there."""
    old = mirror.an_image("a", "1", BIG, days=40)
    entry = mirror.link_file("a", "_manifests/tags/1/index", old)
    mirror.an_image("a", "1", b"new", days=0)
    mirror.aged([entry], 0.01)
    assert (mirror.trim(most=10).why, mirror.trim(days=30).why) == ({}, {})
    mirror.aged([entry], 31)
    assert list(mirror.trim(days=30).why) == [f"a@{old}"]


def test_a_leap_of_the_clock_is_no_age(mirror: Mirrored) -> None:
    """What has a time to come is of now; it gets that time, so that it grows old again."""
    mirror.an_image("a", "1", BIG, days=-400)
    mirror.fetched(lambda: mirror.layer("a", b"loose"), -400)
    mirror.fetched(lambda: mirror.blob(b"lone"), -400)
    assert mirror.trim(1, 30).why == {}
    mirror.now += 31 * DAY
    assert list(mirror.trim(days=30).why) == ["a:1"]
    mirror.now += DAY
    mirror.trim_wholly(days=30)
    assert mirror.blobs() == set()


def test_times_are_kept_to_the_nanosecond(mirror: Mirrored) -> None:
    """Otherwise each image would count as changed."""
    mirror.an_image("a", "1", BIG, days=40)
    when = 1_700_000_000_123_456_789
    os.utime(mirror.tag_file("a", "1"), ns=(when, when))
    assert mirror.trim(days=30).changed == []
    assert mirror.tags("a") == {}
