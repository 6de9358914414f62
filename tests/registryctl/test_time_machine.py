"""Single images out of the past, with all that they need, beside what is there now."""

from __future__ import annotations

import pytest

from registryctl.endings import EndError
from registryctl.selection import Request
from registryctl.time_machine import digest_in
from tests.registryctl.backed import Backed, brought, wipe

NAME = "team/app"


def test_a_deleted_image_comes_back_with_all_that_it_needs(backed: Backed) -> None:
    world = backed.world
    children = [world.image(NAME, "", part) for part in (b"amd64", b"arm64")]
    world.index(NAME, "multi", world.index(NAME, "", *children))
    signature = world.image(NAME, "", b"signature", subject=children[0])
    world.image("other", "1.0", b"not asked for")
    pulled, when = world.pull(NAME, "multi"), world.tag_file(NAME, "multi").stat().st_mtime_ns
    backed.take()
    wipe(backed)
    undone, lacks = brought(backed, f"{NAME}:multi")
    assert (undone.tags, lacks) == ([f"{NAME}:multi"], {})
    assert world.pull(NAME, "multi") == pulled
    assert world.tag_file(NAME, "multi").stat().st_mtime_ns == when
    assert world.pull(NAME, signature)
    assert world.repositories() == {NAME}


def test_a_moved_tag_stays_and_its_old_image_gets_a_name(fast: Backed) -> None:
    old = fast.world.image(NAME, "1.0", b"old")
    fast.take()
    new = fast.world.image(NAME, "1.0", b"new")
    assert brought(fast, f"{NAME}:1.0")[0].moved == [f"{NAME}:1.0"]
    assert brought(fast, f"{NAME}:1.0", name=f"{NAME}:old")[0].tags == [f"{NAME}:old"]
    assert fast.world.tags(NAME) == {"1.0": new, "old": old}


def test_patterns_and_digests(fast: Backed) -> None:
    world = fast.world
    digests = {tag: world.image(NAME, tag, tag.encode()) for tag in ("v1", "v2", "pr-1")}
    world.image("team/deep/app", "v3", b"deeper")
    world.image("other", "v1", b"other")
    fast.take()
    wipe(fast)
    assert sorted(brought(fast, "team/*:v*")[0].tags) == [f"{NAME}:v1", f"{NAME}:v2"]
    assert brought(fast, "team/**:v3")[0].tags == ["team/deep/app:v3"]
    brought(fast, f"{NAME}@{digests['pr-1']}")
    assert world.pull(NAME, digests["pr-1"])
    with pytest.raises(EndError, match="has no team/none:v1"):
        brought(fast, "team/none:v1")


def test_an_older_backup_has_what_was_then(backed: Backed) -> None:
    old = backed.world.image(NAME, "1.0", b"old")
    first = backed.take().backup
    backed.world.image(NAME, "1.0", b"new")
    backed.take()
    assert (
        digest_in(backed.restic, backed.stage(when=first.run).backup.parts["tags"], Request.parse(f"{NAME}:1.0")) == old
    )
    brought(backed, f"{NAME}:1.0", name="team/copy:then", when=first.run)
    assert backed.world.tags("team/copy") == {"then": old}


def test_what_is_not_whole_does_not_come_back(fast: Backed) -> None:
    image = fast.world.image(NAME, "1.0", b"layer")
    fast.take()
    for file in (fast.folder / "repository").rglob(f"{image.partition(':')[2]}/data"):
        file.write_bytes(b"damage")
    wipe(fast)
    undone, lacks = brought(fast, f"{NAME}:1.0")
    assert (undone.tags, list(lacks)) == ([], [f"{NAME}:1.0"])
    assert fast.world.repositories() == set()
