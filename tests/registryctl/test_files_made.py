"""What a storage makes on its disk, and the words of its errors."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from registryctl.files import FileStorage
from registryctl.storage import NoFile, NoRoom, NotThere, Room, StorageError, Unreadable
from tests.registryctl.descriptors import descriptors


@pytest.fixture
def storage(memory: Path) -> FileStorage:
    """An empty one."""
    return FileStorage(memory)


def test_errors_name_the_path(storage: FileStorage, memory: Path) -> None:
    """And the reason."""
    (memory / "d").mkdir()
    (memory / "f").write_bytes(b"12345")
    for act, error, text in (
        (lambda: storage.read("none", 1), NotThere, "none"),
        (lambda: storage.read("f/x", 1), NotThere, "f/x"),
        (lambda: storage.read("a//b", 1), NotThere, "'a//b' is no path"),
        (lambda: storage.read("a\0b", 1), NotThere, "'a\\x00b'"),
        (lambda: storage.read("d", 1), NoFile, "d: no file"),
        (lambda: storage.read("f", 4), NoFile, "f: larger than 4 bytes"),
        (lambda: storage.remove("d"), Unreadable, "d: Is a directory"),
    ):
        with pytest.raises(StorageError) as raised:
            act()
        assert (type(raised.value), str(raised.value)) == (error, text)


@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, NoRoom), (errno.EDQUOT, NoRoom), (errno.EIO, Unreadable)])
def test_what_the_system_says(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StorageError]
) -> None:
    """Where it says something; of what has no words, all there is."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code)) if code else OSError("odd")

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", fail)
        with pytest.raises(kind, match=rf"^x: {os.strerror(code)}$"):
            storage.list("x")
        code = 0
        with pytest.raises(Unreadable, match=r"^x: odd$"):
            storage.list("x")


def test_a_file_is_read_to_its_end(storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little one call brings, and never more at once than is wanted; nothing stays open."""
    (memory / "f").write_bytes(bytes(range(10)))
    real, asked = os.read, list[int]()

    def read(descriptor: int, count: int) -> bytes:
        asked.append(count)
        return real(descriptor, min(count, 3))

    monkeypatch.setattr(os, "read", read)
    before = descriptors()
    assert storage.read("f", 10) == bytes(range(10))
    assert asked == [11, 8, 5, 2, 1]
    with pytest.raises(Unreadable):
        storage.read("f", 9)
    assert storage.read("f", 1 << 21) == bytes(range(10))
    assert max(asked) == 1 << 20
    with pytest.raises(Unreadable):
        storage.read("f", 0)
    (memory / "e").touch()
    assert storage.read("e", 0) == b""
    assert descriptors() <= before


def test_a_file_is_written_where_no_link_leads_elsewhere(storage: FileStorage, memory: Path) -> None:
    """Neither that beside the tree, nor in its place; what a crash left there is written over."""
    (memory / "other").write_bytes(b"mine")
    (memory / ".registryctl.new").symlink_to("other")
    with pytest.raises(Unreadable):
        storage.write("a", b"x")
    assert (memory / "other").read_bytes() == b"mine"
    (memory / ".registryctl.new").unlink()
    (memory / ".registryctl.new").write_bytes(b"longer than that")
    (memory / "a").symlink_to("other")
    storage.write("a", b"x")
    assert ((memory / "a").is_symlink(), (memory / "a").read_bytes()) == (False, b"x")
    assert (memory / "other").read_bytes() == b"mine"
    assert not (memory / ".registryctl.new").exists()


def test_who_may_read_a_directory_may_read_what_is_made_in_it(storage: FileStorage, memory: Path) -> None:
    """And nobody may run it; its owner always may write."""
    for mode, expected in ((0o777, 0o666), (0o500, 0o600), (0o2755, 0o644), (0o711, 0o600)):
        top = memory / f"{mode:o}"
        top.mkdir()
        top.chmod(mode)
        os.chown(top, 1000 + mode, 2000 + mode)
        top.chmod(mode)
        storage.write(f"{top.name}/x/f", b"")
        found = (top / "x").stat()
        assert (stat.S_IMODE(found.st_mode) & 0o777, found.st_uid, found.st_gid) == (
            mode & 0o777,
            1000 + mode,
            2000 + mode,
        )
        found = (top / "x/f").stat()
        assert found.st_mode & 0o777 == mode & 0o666 | 0o600
        storage.write(f"{top.name}/f", b"")
        found = (top / "f").stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (expected, 1000 + mode)


def test_on_another_disk_a_file_is_written_beside_its_place(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be put in place from here."""
    (memory / "far").mkdir()
    real, moved = os.stat, list[str]()
    replace = os.replace

    def far(path: str, **more: bool) -> object:
        found = real(path, **more)
        if str(path) != f"{memory}/far":
            return found
        return SimpleNamespace(st_dev=found.st_dev + 1, st_uid=found.st_uid, st_gid=found.st_gid, st_mode=found.st_mode)

    def seen(old: str, new: str) -> None:
        moved.append(old)
        replace(old, new)

    monkeypatch.setattr(os, "stat", far)
    monkeypatch.setattr(os, "replace", seen)
    storage.write("far/f", b"x")
    storage.write("f", b"x")
    assert moved == [f"{memory}/far/.registryctl.new", f"{memory}/.registryctl.new"]


def test_each_new_directory_is_made_durable(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the one in which it lies, from above."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda its: synced.append(str(Path(f"/proc/self/fd/{its}").readlink())))
    storage.write("a/b/c/f", b"x")
    top = str(memory)
    assert [path.removeprefix(top) for path in synced] == ["", "/a", "/a/b", "/.registryctl.new", "/a/b/c"]


def test_a_directory_that_went_after_all_needs_no_flush(storage: FileStorage, memory: Path) -> None:
    """The others are flushed; what can't be is an error, and is tried again."""
    for path in ("a/b/f", "c/f"):
        storage.write(path, b"")
        storage.remove(path)
    (memory / "a/b").rmdir()
    synced: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda its: synced.append(str(Path(f"/proc/self/fd/{its}").readlink())))
        storage.settle()
        storage.settle()
    assert synced == [f"{memory}/c"]


def test_pruning_ends_at_what_is_not_empty(storage: FileStorage, memory: Path) -> None:
    """Goes on above what is gone already, and beside the top nothing is touched."""
    (memory / "a/b/c").mkdir(parents=True)
    (memory / "ab/c").mkdir(parents=True)
    storage.prune("a/b/c/d/e", "a/b")
    assert (memory / "a/b").is_dir()
    assert not (memory / "a/b/c").exists()
    storage.prune("ab/c", "a")
    assert (memory / "ab/c").is_dir()
    (memory / "a/b/f").touch()
    (memory / "a/b/c/d").mkdir(parents=True)
    storage.prune("a/b/c/d", "a")
    assert [path.name for path in (memory / "a/b").iterdir()] == ["f"]
    storage.prune("a/b/f", "a")
    assert (memory / "a/b/f").exists()


def test_the_room_is_what_others_than_root_have(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As df counts: 100 blocks of 4096, 30 free, 20 of these for all."""
    asked: list[str] = []

    def answer(path: str) -> object:
        asked.append(path)
        return SimpleNamespace(f_blocks=100, f_bfree=30, f_bavail=20, f_frsize=4096, f_bsize=7)

    monkeypatch.setattr(os, "statvfs", answer)
    assert storage.room() == Room(70 * 4096, 90 * 4096)
    assert asked == [str(memory)]


def test_a_link_to_the_storage_itself_leads_nowhere_in_it(storage: FileStorage, memory: Path) -> None:
    """Nor one to what is only called alike."""
    (memory / "top").symlink_to(memory)
    (memory / "alike").symlink_to(f"{memory}2/x")
    (memory / "in").symlink_to(memory / "a")
    assert [storage.alias(name) for name in ("top", "alike", "in")] == [None, None, "a"]
