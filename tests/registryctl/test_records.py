"""Records of removals: what they hold, and when they go."""

from __future__ import annotations

import json

import pytest

from registryctl import trash
from registryctl.storage import NotThere, Unreadable
from registryctl.undo import undo
from tests.registryctl.world import NOW, Gate, World, clean_up, digest_of, remove


def test_records_hold_their_blobs_until_they_go(world: World) -> None:
    """For as many days as they are kept; the next run after that takes them."""
    world.image("a", "1.0", b"x" * 1000)
    remove(world, "a", "1.0")
    assert clean_up(world, days=7).freed == 0
    assert clean_up(world, days=7, now=NOW + 6 * 86400).freed == 0
    outcome = clean_up(world, days=7, now=NOW + 7 * 86400)
    assert outcome.freed > 1000
    assert len(outcome.records) == 1
    assert world.blobs() == set()
    with pytest.raises(NotThere):
        undo(world.storage, Gate())


def test_records_come_in_order_though_the_clock_steps_back(world: World) -> None:
    """The last one is the last."""
    names = []
    for number, now in enumerate((NOW, NOW - 5000, NOW - 5000, NOW)):
        world.image("a", "", str(number).encode())
        names.append(clean_up(world, days=7, now=now).run)
    assert trash.runs(world.storage) == names


def test_a_record_that_is_not_understood_holds_everything(world: World) -> None:
    """Until it goes."""
    world.image("a", "1.0", b"x")
    run = remove(world, "a", "1.0").run
    assert run
    file = world.root / f"trash/{run}.json"
    file.write_bytes(file.read_bytes()[:-10])
    blob = world.blob(b"nothing needs it")
    with pytest.raises(Unreadable):
        undo(world.storage, Gate())
    assert clean_up(world, days=7).skipped
    assert world.has(blob)
    trash.empty(world.storage, run)
    clean_up(world, days=7)
    assert world.blobs() == set()


@pytest.mark.parametrize("name", ["../../etc/passwd", "20260101T000000Z/../x", "", "x"])
def test_no_other_file_is_a_record(world: World, name: str) -> None:
    """Whatever somebody asks for."""
    for act in (trash.load, trash.empty):
        with pytest.raises(NotThere):
            act(world.storage, name)


def test_a_full_disk_gives_up_older_records(world: World) -> None:
    """The oldest first, never the one that this run makes."""
    for tag in ("1.0", "2.0"):
        world.image("a", tag, tag.encode() * 1000)
        remove(world, "a", tag)
    world.image("a", "", b"3.0" * 1000)
    outcome = clean_up(world, days=7, warn=0)
    assert len(outcome.records) == 2
    assert trash.runs(world.storage) == [outcome.run]
    assert not world.has(digest_of(b"1.0" * 1000))
    assert world.has(digest_of(b"3.0" * 1000))
    # Now it is the newest, and no other is made.
    assert clean_up(world, days=7, warn=0).records == []


@pytest.mark.parametrize("how", ["lost", "hostile"])
def test_the_record_of_a_tag_holds_what_it_may_need(world: World, how: str) -> None:
    """Where that is not known, all that the repository has; a clean-up in between takes nothing of it."""
    child = world.image("a", "", b"child")
    if how == "lost":
        digest = world.index("a", "1.0", child)
        content = world.blob_file(digest).read_bytes()
        world.blob_file(digest).unlink()
    else:
        content = json.dumps({"schemaVersion": 2, "Manifests": [{"digest": child}]}).encode()
        digest = world.put("a", content, "1.0")
    run = remove(world, "a", "1.0", despite=True).run
    clean_up(world, days=7)
    assert not undo(world.storage, Gate(), run).missing
    assert world.tags("a") == {"1.0": digest}
    assert world.link_file("a", "_manifests/revisions", digest).read_text() == digest
    world.pull("a", child)
