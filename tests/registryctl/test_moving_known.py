"""What is known of a move's target spares the switch a look at all of it, and is believed only where it is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest

from registryctl.layout import BLOBS, REPOSITORIES, TagLink, blob_path
from registryctl.moving import command, record, times
from registryctl.moving.copying import Copying
from registryctl.moving.places import Objects
from tests.registryctl.test_moving import PLACE, Moving, moving

__all__ = ["moving"]

NEW = TagLink("new", "1.0").path


def _pushed_since(moving: Moving) -> str:
    """After the copy, while nobody looks: another image, another tag of an image, and one tag less."""
    world = moving.world
    found = world.image("new", "1.0", b"new layer")
    world.image("app", "1.0", b"another layer")
    world.tag_file("app", "multi").unlink()
    return found


def test_the_switch_asks_for_what_changed(moving: Moving) -> None:
    """However many images there are: writes wait for it."""
    moving.move()
    _pushed_since(moving)
    asked: list[tuple[str, str]] = []
    moving.bucket.before = lambda kind, key: asked.append((kind, key))
    assert moving.switch(PLACE).code == 0
    assert not [key for kind, key in asked if kind == "list" and key.startswith(("docker/", "trash"))]
    touched = {key for _, key in asked if key.startswith("docker/")}
    assert touched
    assert not [key for key in touched if "/app/below/" in key]
    moving.bucket.before = lambda kind, key: None
    assert moving.files() == moving.objects()


def test_back_no_blob_is_listed(moving: Moving) -> None:
    """Those that came lie where the new links lead."""
    moving.in_the_bucket()
    moving.move()
    digest = "sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"
    moving.bucket.put(blob_path(digest), b"abc123")
    moving.bucket.put(f"{NEW[: NEW.index('/_manifests')]}/_layers/sha256/{digest[7:]}/link", digest.encode())
    asked: list[str] = []
    moving.bucket.before = lambda kind, key: asked.append(key) if kind == "list" else None
    assert moving.switch("").code == 0
    assert not [key for key in asked if key.startswith("docker/registry/v2/blobs")]
    moving.bucket.before = lambda kind, key: None
    assert moving.files() == moving.objects()


def test_what_comes_between_two_listings_is_moved_whole(moving: Moving) -> None:
    """A bucket's blobs are listed before its links. What these lead to must come along, now or later."""
    moving.in_the_bucket()
    content = b"abc123"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    repository = NEW[: NEW.index("/_manifests")]

    def between(kind: str, key: str) -> None:
        if kind == "list" and key.startswith(REPOSITORIES):
            moving.bucket.before = lambda kind, key: None
            moving.bucket.put(blob_path(digest), content)
            moving.bucket.put(f"{repository}/_layers/sha256/{digest[7:]}/link", digest.encode())

    moving.bucket.before = between
    assert moving.move().code == 0
    assert moving.switch("").code == 0
    assert blob_path(digest) in moving.files()
    assert moving.files() == moving.objects()


def test_a_tag_that_goes_while_it_is_copied_does_not_come_back(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves to another image, is read, and is deleted before it is written: the next look removes it."""
    moving.move()
    monkeypatch.setattr(command, "_SHORT", -1.0)
    moving.world.image("other", "1.0", b"so that something is written")
    link = moving.world.tag_file("app", "1.0")

    def strike(kind: str, key: str) -> None:
        if kind == "write" and key == times.KEY:
            # The first look is over, the second one will see this.
            moving.bucket.before = strike_again
            moving.world.image("app", "1.0", b"another layer")

    def strike_again(kind: str, key: str) -> None:
        if kind == "write" and key.startswith(BLOBS):
            moving.bucket.before = lambda kind, key: None
            link.unlink()

    moving.bucket.before = strike
    assert moving.move().code == 0
    assert not link.exists()
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


@pytest.mark.parametrize("then", ["stays", "goes", "is put right"])
def test_a_tag_that_is_just_being_written(moving: Moving, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """It is empty for a moment. The look after it tells what became of it."""
    moving.move()
    link = moving.world.tag_file("app", "1.0")
    before = link.read_bytes()
    link.write_bytes(b"")
    assert moving.move().code == 0
    if then == "goes":
        link.unlink()
    elif then == "is put right":
        link.write_bytes(before)
    monkeypatch.setattr(Copying, "once", None)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def _lost(moving: Moving) -> None:
    (moving.folder / "move.known").unlink()


def _cut(moving: Moving) -> None:
    (moving.folder / "move.known").write_text('{"move": "')


def _of_another(moving: Moving) -> None:
    found = json.loads((moving.folder / "move.known").read_text())
    found["links"].clear()
    (moving.folder / "move.known").write_text(json.dumps({**found, "move": "another"}))


@pytest.mark.parametrize("spoil", [_lost, _cut, _of_another])
def test_without_it_all_is_looked_through(moving: Moving, spoil: Callable[[Moving], None]) -> None:
    """It takes longer, and is as right."""
    moving.move()
    spoil(moving)
    _pushed_since(moving)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_it_is_root_s_alone_and_used_once(moving: Moving) -> None:
    """It has the names of all repositories. After the switch it would be of before."""
    moving.move()
    assert (moving.folder / "move.known").stat().st_mode & 0o777 == 0o600
    moving.switch(PLACE)
    assert not (moving.folder / "move.known").exists()


@pytest.mark.parametrize("lies", ["other", "stays"])
def test_a_store_that_is_not_as_it_was_told(moving: Moving, lies: str) -> None:
    """Of a link that was written, or of one that was removed: the switch ends, and the next one puts it right."""
    moving.move()
    _pushed_since(moving)
    write, remove = moving.bucket.write, moving.bucket.remove
    if lies == "other":
        moving.bucket.write = lambda key, data: write(key, b"?" if key == NEW else data)  # type: ignore[method-assign]
    else:
        moving.bucket.remove = lambda keys: {}  # type: ignore[method-assign]
    assert "does somebody write there?" in moving.switch(PLACE).err
    found = record.load()
    assert found is not None
    assert not found.switched
    moving.bucket.write, moving.bucket.remove = write, remove  # type: ignore[method-assign]
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_a_link_that_leads_nowhere_is_moved_as_it_is(moving: Moving) -> None:
    """No content of it is there to be lost."""
    moving.move()
    digest = moving.world.image("half", "1.0", b"layer of half")
    moving.world.blob_file(digest).unlink()
    assert moving.switch(PLACE).code == 0
    assert TagLink("half", "1.0").path in moving.bucket.keys
    assert moving.files() == moving.objects()


def test_push_times_are_those_of_each_push(moving: Moving) -> None:
    """Also of the same image once more: what is kept lately is kept by that."""
    moving.move()
    its = moving.world.tag_file("app", "1.0")
    its.write_bytes(its.read_bytes())
    moving.switch(PLACE)
    moving.serves(PLACE)
    storage = Objects(moving.bucket).storage
    for repository, tag in (("app", "1.0"), ("app/below", "1.0")):
        assert storage.time(TagLink(repository, tag).path) == moving.world.tag_file(repository, tag).stat().st_mtime_ns


@pytest.mark.parametrize("way", ["there", "back"])
def test_what_a_link_lacked_comes_later(moving: Moving, way: str) -> None:
    """It led nowhere, and a client pushes its content again: the link is as it was."""
    back = way == "back"
    digest = moving.world.image("half", "1.0", b"layer of half")
    content = moving.world.blob_file(digest).read_bytes()
    moving.world.blob_file(digest).unlink()
    if back:
        moving.in_the_bucket()
    assert moving.move().code == 0
    if back:
        moving.bucket.put(blob_path(digest), content)
    else:
        moving.world.blob_file(digest).write_bytes(content)
    assert moving.switch("" if back else PLACE).code == 0
    assert blob_path(digest) in (moving.files() if back else moving.objects())
    assert moving.files() == moving.objects()


def test_what_the_store_does_not_remove_is_not_forgotten(moving: Moving) -> None:
    """A deleted image would come back with the switch."""
    moving.move()
    moving.world.tag_file("app", "multi").unlink()
    moving.bucket.forbidden = {TagLink("app", "multi").path}
    assert "can't be removed there: " in moving.move().err
    moving.bucket.forbidden = set()
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_a_new_tag_that_is_just_being_written(moving: Moving) -> None:
    """It is not there yet when its time is asked for."""
    moving.move()
    link = moving.world.tag_file("app", "new")
    link.parent.mkdir(parents=True)
    link.write_bytes(b"")
    done = moving.move()
    assert done.code == 0, done.err
    link.write_bytes(moving.world.tag_file("app", "1.0").read_bytes())
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_somebody_empties_the_bucket_before_the_switch(moving: Moving) -> None:
    """What is known of it is not so any more."""
    moving.move()
    for key in moving.bucket.keys:
        moving.bucket.drop(key)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()


def test_somebody_removed_what_was_verified(moving: Moving) -> None:
    """It is not among the images when all is looked through, and is pushed again afterwards."""
    digest = moving.world.layer("app", b"of an image that comes back")
    blob, link = moving.world.blob_file(digest), moving.world.link_file("app", "_layers", digest)
    moving.move()
    blob.unlink()
    link.unlink()
    moving.bucket.drop(blob_path(digest))
    moving.move()
    blob.write_bytes(b"of an image that comes back")
    link.write_text(digest)
    assert moving.switch(PLACE).code == 0
    assert moving.files() == moving.objects()
