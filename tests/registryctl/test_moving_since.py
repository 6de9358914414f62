"""What has gone on since a move began, or goes on beside it: nothing of that is lost, nothing old is taken for new."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from registryctl.endings import EXIT
from registryctl.hosts.messages import Entry
from registryctl.layout import REPOSITORIES, TagLink
from registryctl.moving import command, record
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.test_moving import PLACE, Moving, moving

__all__ = ["moving"]

NEW = TagLink("live", "1.0").path
OTHER_PLACE = "https://s3.example.net/other"


def _switched(moving: Moving) -> None:
    """By an `up`, to the bucket; and somebody pushes there."""
    assert moving.ready(PLACE).out == "moved\n"
    assert moving.switch(PLACE).code == 0
    moving.bucket.put(NEW, b"sha256:" + b"a" * 64)


def _full(_: record.Record) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _is_switched() -> bool:
    its = record.load()
    return its is not None and its.target == PLACE and bool(its.switched)


def test_a_move_after_the_switch(moving: Moving) -> None:
    """The `up` was cut off: what came to the bucket meanwhile stays, and the way back is refused as before."""
    moving.move()
    _switched(moving)
    assert moving.move().word == "BUSY"
    assert moving.ready("").word == moving.switch("").word == "BUSY"
    assert moving.ready(PLACE).out == "moved\n"
    assert NEW in moving.bucket.keys
    assert _is_switched()


@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("ended", [False, True])
def test_an_up_switches_beside_a_move(
    moving: Moving, monkeypatch: pytest.MonkeyPatch, turn: int, *, ended: bool
) -> None:
    """Whenever the move waits for its turn: from then on it leaves the bucket alone, and says nothing else of it."""
    moving.move()
    monkeypatch.setattr(command, "_SHORT", -1.0)
    left = turn

    def before() -> None:
        nonlocal left
        left -= 1
        if not left:
            moving.barrier.before_turn = lambda: None
            monkeypatch.setattr(command, "_SHORT", 3.0)
            _switched(moving)
            if ended:
                moving.serves(PLACE)

    moving.barrier.before_turn = before
    assert moving.move().code == EXIT["BUSY"]
    assert NEW in moving.bucket.keys
    assert _is_switched()


def test_what_is_known_of_a_move_is_written_within_its_turn(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind it an `up` may have switched, and would not be known to have."""
    inside = False
    save, turn = record.Record.save, moving.barrier.turn

    @contextmanager
    def watched() -> Iterator[None]:
        nonlocal inside
        with turn():
            inside = True
            yield
            inside = False

    def saved(its: record.Record) -> None:
        assert inside
        save(its)

    monkeypatch.setattr(moving.barrier, "turn", watched)
    monkeypatch.setattr(record.Record, "save", saved)
    assert moving.move().code == 0
    assert moving.switch(PLACE).code == 0


def test_another_bucket_since(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was copied to one bucket is not switched to while the host knows of another."""
    moving.move()
    moving.world.image("since", "1.0", b"later")
    known = json.loads((moving.folder / "host.json").read_text())
    known["beside"]["place"] = OTHER_PLACE
    (moving.folder / "host.json").write_text(json.dumps(known))
    other = MemoryBucket()
    monkeypatch.setattr(command, "open_bucket", lambda _: other)
    assert "knows of another bucket" in moving.ready(PLACE).err
    assert moving.switch(PLACE).word == "FAILED"
    assert not other.keys
    assert not _is_switched()


def test_destroyed_before_the_switch(moving: Moving) -> None:
    """To the bucket, and back: the images are where they were."""
    moving.move()
    facts = moving.folder / "host.json"
    facts.unlink()
    assert moving.ready("").out == "moved\n"
    assert "the images are in files of this host" in moving.ready(PLACE).err
    assert moving.switch(PLACE).word == "FAILED"
    moving.serves("")
    moving.in_the_bucket()
    moving.move()
    facts.unlink()
    assert moving.ready(PLACE).out == "moved\n"
    assert f"the images are in {PLACE}" in moving.ready("", "--beside").err
    assert moving.switch("").word == "FAILED"


def test_an_older_disk(moving: Moving) -> None:
    """A snapshot of before the switch does not know of it. The bucket does."""
    moving.move()
    older = (moving.folder / "move.json").read_text()
    _switched(moving)
    (moving.folder / "move.json").write_text(older)
    assert moving.move().word == moving.switch(PLACE).word == "NOT EMPTY"
    assert NEW in moving.bucket.keys


def test_another_host_since(moving: Moving) -> None:
    """Images don't leave a bucket to which another host has begun to write after the copy."""
    moving.in_the_bucket()
    moving.move()
    moving.barrier.others = lambda: ["o/docker-registry/two"]  # type: ignore[method-assign]
    assert moving.move().word == moving.switch("").word == "BUSY"
    assert not record.load().switched  # type: ignore[union-attr]


def test_another_host_joins_meanwhile(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket to which images are being copied: what that one pushes is not taken for what is gone here."""
    monkeypatch.setattr(command, "_SHORT", -1.0)
    left = 3

    def before() -> None:
        nonlocal left
        left -= 1
        if not left:
            moving.bucket.put(Entry("0" * 32, "o/docker-registry/two").key, b"{}")
            moving.bucket.put(NEW, b"sha256:" + b"a" * 64)

    moving.barrier.before_turn = before
    assert moving.move().code == EXIT["BUSY"]
    assert NEW in moving.bucket.keys


@pytest.mark.parametrize(
    ("content", "again"),
    [
        (b"", "never"),
        (b"", "before"),
        (b"", "between"),
        (b"sha256:0", "between"),
        (b"\0" * 71, "before"),
        (b"\0" * 71, "between"),
    ],
)
def test_a_damaged_link(moving: Moving, monkeypatch: pytest.MonkeyPatch, content: bytes, again: str) -> None:
    """It comes as it is; but for one that was just being written, or was pushed again: also between two switches."""
    digest = moving.world.blob(b"y" * 50)
    link = moving.world.link_file("app", "_layers", digest)
    link.write_bytes(content)
    assert moving.move().code == 0
    if again == "between":
        with monkeypatch.context() as patch:
            patch.setattr(record.Record, "save", _full)
            assert moving.switch(PLACE).word == "FAILED"
    if again != "never":
        link.write_text(digest)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_links_that_are_away(moving: Moving) -> None:
    """They may have a disk of their own. However often it is tried."""
    moving.move()
    home = moving.world.root / REPOSITORIES
    home.rename(moving.folder / "unmounted")
    for done in (moving.ready(PLACE), moving.switch(PLACE), moving.switch(PLACE), moving.move()):
        assert "is the disk mounted?" in done.err
    assert not _is_switched()
    (moving.folder / "unmounted").rename(home)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_images_that_are_away(moving: Moving) -> None:
    """Their disk is not mounted: that they are gone is not taken for what somebody wants."""
    moving.move()
    for name in ("docker", "trash"):
        (moving.world.root / name).rename(moving.folder / f"unmounted-{name}")
    for done in (moving.ready(PLACE), moving.switch(PLACE), moving.move()):
        assert "is the disk mounted?" in done.err
    assert not _is_switched()
    for name in ("docker", "trash"):
        (moving.folder / f"unmounted-{name}").rename(moving.world.root / name)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_no_room_for_what_is_known_of_it(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so, and the next run goes on."""
    moving.move()
    with monkeypatch.context() as patch:
        patch.setattr(record.Record, "save", _full)
        done = moving.switch(PLACE)
    assert (done.word, "No space left on device; again" in done.err) == ("FAILED", True)
    assert moving.switch(PLACE).code == 0


def test_the_announcement_follows_no_link(moving: Moving) -> None:
    """The registry's container may write where it lies."""
    moving.move()
    (moving.folder / "moving").symlink_to(moving.folder / "elsewhere")
    assert moving.ready(PLACE).out == "moved\n"
    assert not (moving.folder / "elsewhere").exists()


def test_the_socket_of_a_killed_registry_goes(moving: Moving) -> None:
    """The proxy would take it for a reader."""
    moving.move()
    (moving.folder / "reader.socket").touch()
    moving.running = 17
    assert moving.switch(PLACE).word == "BUSY"
    assert (moving.folder / "reader.socket").exists()
    moving.running = 0
    assert moving.switch(PLACE).code == 0
    assert not (moving.folder / "reader.socket").exists()
