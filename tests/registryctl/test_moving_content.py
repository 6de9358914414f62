"""Content that is moved is what it is called, has room, and is asked for many at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from registryctl.endings import EXIT
from registryctl.layout import REPOSITORIES, blob_path
from registryctl.moving import places
from tests.e2e import artifacts
from tests.registryctl.stored import StoredHost
from tests.registryctl.test_moving import PLACE, Moving, moving

__all__ = ["moving"]

LONG_AGO = 1.6e9


def test_content_is_verified(moving: Moving) -> None:
    """What arrives as something else does not count, and the next run puts it right."""
    real = moving.bucket.part
    wrong = {"times": 2}

    def part(key: str, start: int, length: int) -> bytes:
        if wrong["times"]:
            wrong["times"] -= 1
            return b"\0" * length
        return real(key, start, length)

    moving.bucket.part = part  # type: ignore[method-assign]
    assert moving.move().word == "FAILED"
    assert moving.switch(PLACE).word == "FAILED"
    assert moving.move().code == 0
    assert moving.files() == moving.objects()


def test_damaged_content_is_named(moving: Moving) -> None:
    """It can't be moved as what it is called."""
    digest = moving.world.blob(b"sound")
    moving.world.blob_file(digest).write_bytes(b"damaged")
    done = moving.move()
    assert "\nDAMAGED: damaged where it is: 1 blob" in done.err
    assert digest in done.err
    assert moving.ready(PLACE).code != 0
    moving.world.blob_file(digest).unlink()
    assert moving.move().code == 0


def test_damaged_content_is_not_put_there(moving: Moving) -> None:
    """Of one piece, or of some. Once it is gone from where it was, the move goes on."""
    for sound, damaged in ((b"sound", b"damag"), (b"s" * 170, b"d" * 170)):
        digest = moving.world.blob(sound)
        moving.world.blob_file(digest).write_bytes(damaged)
        assert moving.move().code == EXIT["DAMAGED"]
        assert blob_path(digest) not in moving.bucket.keys
        moving.world.blob_file(digest).unlink()
    assert moving.move().code == 0
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_damaged_content_goes_with_its_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the commands that the message names, in their order."""
    host = StoredHost(tmp_path, monkeypatch)
    image = artifacts.image("one")
    host.push("app", image, "1.0", days=30)
    host.push("app", artifacts.image("other"), "2.0", days=30)
    damaged = host.blob(artifacts.digest_of(image.blobs[-1]))
    damaged.write_bytes(b"damaged")
    for path in (tmp_path / "srv").rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    assert host.remove("app:1.0").code == 0
    assert host.run("trash", "empty").code == 0
    assert host.run("gc").code == 0
    assert not damaged.exists()
    assert list(host.tags("app")) == ["2.0"]


def test_half_a_layer_goes(moving: Moving) -> None:
    """What a run that was killed had not put in place."""
    moving.in_the_bucket()
    moving.move()
    left = moving.world.root / ".registryctl.new.12345"
    left.write_bytes(b"half a layer")
    assert moving.move().code == 0
    assert not left.exists()


def test_room_is_looked_for_before_the_copy(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lacking is said, and nothing was copied. What is there already needs none."""
    moving.in_the_bucket()
    with monkeypatch.context() as patch:
        patch.setattr(places.Files, "free", lambda _: 100)
        done = moving.move()
        assert (done.word, "there is not enough room: " in done.err) == ("FAILED", True)
        assert not list((moving.world.root / "docker").rglob("data"))
    assert moving.move().code == 0
    monkeypatch.setattr(places.Files, "free", lambda _: 0)
    assert moving.move().code == 0


def test_the_room_is_that_of_a_disk(moving: Moving) -> None:
    """Also where nothing is there yet."""
    for place in (moving.world.root, moving.folder / "nothing/yet"):
        free = places.Files(place).free()
        found = os.statvfs(moving.folder)
        assert free is not None
        assert free <= found.f_blocks * found.f_frsize


@pytest.mark.parametrize("way", ["there", "back"])
def test_tags_are_asked_for_many_at_once(moving: Moving, way: str) -> None:
    """Where a store's ETags don't tell their content: one by one a hundred thousand would take an hour."""
    moving.bucket.etag = lambda data: f"{len(data)}-1"
    if way == "back":
        moving.in_the_bucket()
    moving.move()
    met = threading.Barrier(2, timeout=10)
    looks = {"left": 2}

    def meet(kind: str, key: str) -> None:
        # The first two of a loop; alone each would wait in vain.
        if kind == "read" and key.endswith("/current/link") and looks["left"]:
            looks["left"] -= 1
            met.wait()

    moving.bucket.before = meet
    assert moving.move().code == 0
    assert not looks["left"]
    looks["left"] = 2
    assert moving.switch("" if way == "back" else PLACE).code == 0
    # What the bucket was told is known.
    assert looks["left"] == (0 if way == "back" else 2)
    assert not met.broken


def test_odd_uploads_are_named_before_the_switch(moving: Moving) -> None:
    """While the registry still runs."""
    upload = moving.world.root / REPOSITORIES / "app/_uploads/11111111-1111-1111-1111-111111111111"
    upload.mkdir(parents=True)
    (upload / "data").symlink_to("/dev/null")
    done = moving.move()
    assert (done.word, "neither a file nor a directory" in done.err) == ("UNSUPPORTED", True)


def test_digests_are_for_root_alone(moving: Moving) -> None:
    """They tell what private repositories have."""
    (moving.folder / "move.verified").touch(mode=0o644)
    moving.move()
    assert (moving.folder / "move.verified").stat().st_mode & 0o777 == 0o600
