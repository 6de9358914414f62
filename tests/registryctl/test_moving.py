"""Images move from files to a bucket, and back: all of them, right, once, and with their times."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from registryctl import facts, host, writers
from registryctl.hosts import joining
from registryctl.hosts.messages import Entry
from registryctl.layout import REPOSITORIES, TagLink, blob_path
from registryctl.moving import command, places, record
from registryctl.moving.places import Files, Objects
from registryctl.storage import StorageError
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.hosts_home import STORE
from tests.registryctl.running import Ran, run
from tests.registryctl.stored import DEFAULTS, FakeBarrier
from tests.registryctl.world import World

PLACE = "https://s3.example.net/acme-images/a"
LONG_AGO = 1_500_000_000 * 10**9


class KilledError(BaseException):
    """The program ends here."""


class Moving:
    """A host with files and a bucket beside; or with a bucket, once it has moved."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        home = folder / "srv/docker-registry"
        home.mkdir(parents=True)
        self.world = World(home / "data")
        self.bucket = MemoryBucket()
        self.barrier = FakeBarrier()
        monkeypatch.setattr(facts, "PATH", folder / "host.json")
        monkeypatch.setattr(host, "HostBarrier", lambda *_, **__: self.barrier)
        monkeypatch.setattr(host, "barrier_of", lambda *_: self.barrier)
        monkeypatch.setattr(host, "open_bucket", lambda _: self.bucket)
        monkeypatch.setattr(command, "open_bucket", lambda _: self.bucket)
        monkeypatch.setattr(command, "ANNOUNCED", folder / "moving")
        monkeypatch.setattr(command, "READER", folder / "reader.socket")
        monkeypatch.setattr(record, "PATH", folder / "move.json")
        monkeypatch.setattr(record, "VERIFIED", folder / "move.verified")
        monkeypatch.setattr(record, "KNOWN", folder / "move.known")
        monkeypatch.setattr(joining, "HOME", folder / "bucket.json")
        monkeypatch.setattr(places, "PIECE", 50)
        self.running = 0
        monkeypatch.setattr(writers, "container_process", lambda: self.running)
        self.serves("")

    def serves(self, place: str) -> None:
        """An `up` has ended with this."""
        its: dict[str, Any] = {**DEFAULTS, "root": str(self.folder / "srv")}
        its |= {"objects": place, "store": STORE} if place else {"beside": {"place": PLACE, "store": STORE}}
        (self.folder / "host.json").write_text(json.dumps(its))

    def move(self) -> Ran:
        """As an administrator does."""
        return run("move")

    def ready(self, place: str, *more: str) -> Ran:
        """As `up` does before it touches anything."""
        return run("move", "ready", f"--objects={place}", *more)

    def switch(self, place: str) -> Ran:
        """As `up` does between two containers."""
        return run("move", "switch", f"--objects={place}")

    def in_the_bucket(self) -> None:
        """All is there by now, and the files are moved aside."""
        assert (self.move().code, self.switch(PLACE).code) == (0, 0)
        self.serves(PLACE)
        for name in ("docker", "trash"):
            (self.world.root / name).rename(self.folder / f"old-{name}")

    def files(self) -> dict[str, bytes]:
        """The registry's own, by paths."""
        root = self.world.root
        return {
            str(path.relative_to(root)): path.read_bytes()
            for top in ("docker", "trash")
            for path in (root / top).rglob("*")
            if path.is_file()
        }

    def objects(self) -> dict[str, bytes]:
        """The same in the bucket."""
        return {key: self.bucket.get(key) for key in self.bucket.keys if key.startswith(("docker/", "trash/"))}


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moving:
    """With images of some kinds, one in the trash, and a tag of long ago."""
    found = Moving(tmp_path, monkeypatch)
    world = found.world
    first = world.image("app", "1.0", b"x" * 170, b"y" * 50)
    world.image("app/below", "1.0", b"y" * 50, algorithm="sha512")
    world.index("app", "multi", first)
    world.image("app", "_uploads", b"of an odd tag")
    os.utime(world.tag_file("app", "1.0"), ns=(LONG_AGO, LONG_AGO))
    trash = world.root / "trash"
    trash.mkdir()
    (trash / "20260101T000000Z.json").write_bytes(b"{}")
    return found


def test_there(moving: Moving) -> None:
    """All is there, right, and nothing changed where it comes from."""
    before = moving.files()
    assert moving.move().code == 0
    assert moving.files() == before == moving.objects()
    ready = moving.ready(PLACE)
    assert (ready.code, ready.out) == (0, "moved\n"), ready.err
    assert (moving.folder / "moving").exists()
    assert moving.switch(PLACE).code == 0
    assert moving.barrier.taken[-1] == "closed"
    assert moving.files() == before == moving.objects()
    # No tool of the host works on a place that the registry has left, or not taken yet.
    assert run("trash").word == "BUSY"
    moving.serves(PLACE)
    assert run("trash").code == 0
    assert "since" in run("move", "status").out


def test_back_with_times(moving: Moving) -> None:
    """A tag is as old in the bucket as it was, until it is pushed again; and so it is when it is back."""
    moving.move()
    moving.switch(PLACE)
    moving.serves(PLACE)
    link = TagLink("app", "1.0").path
    assert Objects(moving.bucket).storage.time(link) == LONG_AGO
    (moving.world.root / "docker").rename(moving.folder / "old")
    (moving.world.root / "trash").rename(moving.folder / "old-trash")
    (moving.world.root / ".registryctl.moving").unlink(missing_ok=True)
    wanted = moving.objects()
    assert moving.move().code == 0
    # The bucket has to be reached until all is over.
    assert "leave docker-registry:storage.s3" in moving.ready("").err
    assert moving.ready("", "--beside").out == "moved\n"
    moving.running = 17
    assert moving.switch("").word == "BUSY"
    moving.running = 0
    assert moving.switch("").code == 0
    assert moving.files() == wanted
    assert Files(moving.world.root).storage.time(link) == LONG_AGO
    assert moving.world.pull("app", "multi")
    moving.bucket.put(link, moving.bucket.get(link))
    assert Objects(moving.bucket).storage.time(link) > LONG_AGO


def test_the_last_difference(moving: Moving) -> None:
    """What was pushed, moved or deleted since the copy is so in the bucket too; an upload that just began goes on."""
    moving.move()
    world = moving.world
    new = world.image("new", "1.0", b"new layer")
    moved = world.image("app", "1.0", b"another layer")
    world.tag_file("app", "multi").unlink()
    upload = f"{REPOSITORIES}/new/_uploads/11111111-1111-1111-1111-111111111111"
    world.file(f"{upload.removeprefix('docker/registry/v2/')}/startedat", b"now")
    world.file(f"{upload.removeprefix('docker/registry/v2/')}/data", b"")
    cut = upload.replace("1111-1111-", "2222-2222-")
    world.file(f"{cut.removeprefix('docker/registry/v2/')}/startedat", b"now")
    world.file(f"{cut.removeprefix('docker/registry/v2/')}/data", b"half")
    assert moving.switch(PLACE).code == 0
    keys = moving.bucket.keys
    assert moving.bucket.get(TagLink("new", "1.0").path).decode() == new
    assert moving.bucket.get(TagLink("app", "1.0").path).decode() == moved
    assert TagLink("app", "multi").path not in keys
    assert {key for key in keys if "/new/_uploads/" in key} == {f"{upload}/startedat", f"{upload}/data"}


@pytest.mark.parametrize("way", ["there", "back"])
def test_killed_at_each_request(moving: Moving, way: str) -> None:
    """Wherever a run ends, the next one goes on, and all is there."""
    place = PLACE
    if way == "back":
        moving.in_the_bucket()
        place = ""
    for act in (moving.move, lambda: moving.switch(place)):
        at = 0
        while True:
            left = at

            def strike(kind: str, key: str) -> None:
                nonlocal left
                if kind != "list":
                    left -= 1
                    if left < 0:
                        raise KilledError

            moving.bucket.before = strike
            try:
                done = act()
            except KilledError:
                at += 3
                continue
            finally:
                moving.bucket.before = lambda kind, key: None
            assert done.code == 0, done.err
            break
    assert moving.files() == moving.objects()


def test_what_was_verified_is_not_copied_again(moving: Moving) -> None:
    """Nor read."""
    moving.move()
    moving.bucket.requests.clear()
    assert moving.move().code == 0
    assert set(moving.bucket.requests) <= {"list", "read"}


def test_other_images_are_not_mixed_in(moving: Moving) -> None:
    """Nor is a bucket taken to which others write."""
    moving.bucket.put(blob_path(f"sha256:{hashlib.sha256(b'1').hexdigest()}"), b"1")
    assert moving.move().word == "NOT EMPTY"
    assert len(moving.objects()) == 1
    moving.bucket.drop(*moving.objects())
    entry = Entry("0" * 32, "o/docker-registry/two")
    moving.bucket.put(entry.key, b"{}")
    assert moving.move().word == "BUSY"


def test_ready(moving: Moving) -> None:
    """An up goes on where the images are, or where they were copied; all else is refused, or left to others."""
    assert moving.ready(PLACE) == Ran(0, "", "")
    moving.bucket.before = lambda kind, key: (_ for _ in ()).throw(StorageError("away"))
    assert moving.move().word == "FAILED"
    moving.bucket.before = lambda kind, key: None
    assert moving.ready("").out == ""
    assert moving.ready(PLACE).word == "FAILED"
    assert moving.switch(PLACE).word == "FAILED"
    assert moving.switch("").code == 0
    moving.move()
    assert moving.ready("elsewhere").out == ""
    assert moving.switch("elsewhere").code == 0
    assert moving.ready(PLACE).out == "moved\n"
    moving.switch(PLACE)
    # The up was cut off after that: it goes on, and back it does not.
    assert moving.ready(PLACE).out == "moved\n"
    assert moving.ready("").word == moving.switch("").word == "BUSY"
    assert moving.switch(PLACE).code == 0
    moving.serves(PLACE)
    assert moving.ready(PLACE).out == "moved\n"
    assert moving.ready("").out == ""
    # Destroyed, and set up anew: with the bucket, not with the files that lack what came since, and in a third place.
    (moving.folder / "host.json").unlink()
    assert moving.ready(PLACE).out == "moved\n"
    done = moving.ready("")
    assert (done.word, str(moving.folder / "move.json") in done.err) == ("BUSY", True)
    assert moving.switch("").word == "BUSY"
    assert moving.switch(PLACE).code == 0
    assert moving.ready("elsewhere").out == ""
    assert record.load() is None
