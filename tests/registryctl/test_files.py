"""Files as a storage has them."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from registryctl.files import FileStorage
from registryctl.storage import Entry, Kind, NoRoom, NotThere, Unreadable


@pytest.fixture
def storage(memory: Path) -> FileStorage:
    """An empty one."""
    return FileStorage(memory)


def test_what_is_written_is_read(storage: FileStorage, memory: Path) -> None:
    """With its time, in directories that are made, and nothing is left beside."""
    storage.write("a/b/c", b"content", 1_700_000_000_123_456_789)
    assert storage.read("a/b/c", 7) == b"content"
    assert (storage.size("a/b/c"), storage.time("a/b/c")) == (7, 1_700_000_000_123_456_789)
    assert [path.name for path in memory.iterdir()] == ["a"]
    storage.write("a/b/c", b"other")
    assert storage.read("a/b/c", 100) == b"other"


def test_what_is_made_belongs_to_whom_it_lies_with(storage: FileStorage, memory: Path) -> None:
    """The registry must be able to write there."""
    (memory / "a").mkdir(mode=0o750)
    os.chown(memory / "a", 1234, 1235)
    storage.write("a/b/c", b"")
    for path, mode in (("a/b", 0o750), ("a/b/c", 0o640)):
        found = (memory / path).stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 1235, mode)


@pytest.mark.parametrize("path", ["", "/etc", "a//b", "../x", "a/../../x", ".", "a/.", "a/", "a\0b"])
def test_nothing_outside_has_a_path(storage: FileStorage, path: str) -> None:
    """Nor what is written in another way."""
    for act in (storage.list, storage.remove, storage.size, storage.time):
        with pytest.raises(NotThere):
            act(path)
    with pytest.raises(NotThere):
        storage.read(path, 1)
    with pytest.raises(NotThere):
        storage.write(path, b"")


def test_a_listing_says_what_is_what(storage: FileStorage, memory: Path) -> None:
    """A symbolic link is neither a file nor a directory."""
    (memory / "d").mkdir()
    (memory / "f").touch()
    (memory / "l").symlink_to("d")
    os.mkfifo(memory / "p")
    (memory / "d/sub").mkdir()
    assert set(storage.list("d")) == {Entry("sub", Kind.DIRECTORY)}
    (memory / "top").mkdir()
    for name in ("d", "f", "l", "p"):
        (memory / name).rename(memory / "top" / name)
    kinds = {"d": Kind.DIRECTORY, "f": Kind.FILE, "l": Kind.OTHER, "p": Kind.OTHER}
    assert dict(storage.list("top")) == kinds
    for path in ("top/f", "nowhere"):
        with pytest.raises(NotThere):
            storage.list(path)


def test_a_symbolic_link_leads_somewhere(storage: FileStorage, memory: Path) -> None:
    """In the storage by a path, elsewhere by none."""
    (memory / "in").symlink_to("a/b")
    (memory / "out").symlink_to("/etc")
    assert storage.alias("in") == "a/b"
    assert storage.alias("out") is None


def test_what_is_no_file_is_not_read(storage: FileStorage, memory: Path) -> None:
    """Nor what is larger than expected; a pipe is not waited for."""
    (memory / "d").mkdir()
    os.mkfifo(memory / "p")
    (memory / "f").write_bytes(b"12345")
    for path in ("d", "p"):
        with pytest.raises(Unreadable):
            storage.read(path, 100)
    with pytest.raises(Unreadable, match="larger than 4"):
        storage.read("f", 4)
    with pytest.raises(NotThere):
        storage.read("f/x", 4)


def test_only_one_file_goes(storage: FileStorage, memory: Path) -> None:
    """And of directories those that are empty, up to a top."""
    storage.write("a/b/c/d", b"")
    storage.write("a/x", b"")
    with pytest.raises(Unreadable):
        storage.remove("a/b")
    storage.remove("a/b/c/d")
    storage.prune("a/b/c", "a")
    storage.settle()
    assert [path.name for path in (memory / "a").iterdir()] == ["x"]
    storage.remove("a/x")
    storage.prune("a", "a")
    storage.prune("a/nowhere/at/all", "a")
    storage.prune("elsewhere", "a")
    assert (memory / "a").is_dir()
    with pytest.raises(NotThere):
        storage.remove("a/x")


def name_of(descriptor: int) -> str:
    """The path of what is open."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def test_what_goes_is_made_durable(storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each directory that lost something and is still there."""
    for path in ("a/b/c/d", "a/e/f", "a/e/g"):
        storage.write(path, b"")
    synced: list[str] = []
    monkeypatch.setattr("os.fsync", lambda its: synced.append(name_of(its)))
    storage.remove("a/b/c/d")
    storage.prune("a/b/c", "a")
    storage.remove("a/e/f")
    storage.settle()
    storage.settle()
    assert synced == [f"{memory}/a", f"{memory}/a/e"]


def test_a_directory_that_went_is_nothing_to_flush(storage: FileStorage) -> None:
    """Whatever lies in its place by then."""
    storage.write("a/b/c/d", b"")
    storage.remove("a/b/c/d")
    storage.prune("a/b/c", "a")
    storage.write("a/b", b"x")
    storage.settle()
    assert storage.read("a/b", 1) == b"x"


def test_a_write_is_durable_before_it_is_seen(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each directory that is made for it."""
    order: list[str] = []
    replace = os.replace

    def seen(old: str, new: str) -> None:
        order.append("seen")
        replace(old, new)

    monkeypatch.setattr("os.fsync", lambda its: order.append(name_of(its)))
    monkeypatch.setattr("os.replace", seen)
    storage.write("a/b", b"x")
    assert [name.removeprefix(str(memory)) for name in order] == ["", "/.registryctl.new", "seen", "/a"]


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, NoRoom), (errno.EDQUOT, NoRoom), (errno.EIO, Unreadable)])
def test_a_write_that_fails_leaves_nothing(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    """What was there before stays."""
    storage.write("a", b"old")

    def fail(_: int) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(error):
        storage.write("a", b"new")
    assert storage.read("a", 3) == b"old"
    assert [path.name for path in memory.iterdir()] == ["a"]


def test_a_disk_has_an_end(storage: FileStorage) -> None:
    """As df has it."""
    room = storage.room()
    assert room is not None
    assert 0 <= room.used <= room.total


def test_a_file_that_is_being_written_is_looked_at_again(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distribution 2 empties a link before it writes it."""
    link = memory / "link"
    link.touch()
    waits: list[float] = []

    def written(seconds: float) -> None:
        waits.append(seconds)
        link.write_bytes(b"sha256:ab")

    monkeypatch.setattr(time, "sleep", written)
    assert storage.read("link", 100) == b"sha256:ab"
    assert len(waits) == 1


@pytest.mark.parametrize("age", [60, -60])
def test_a_file_that_stays_empty_costs_no_waiting(
    storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    """Unless it is of just now; then the looks have an end."""
    link = memory / "link"
    link.touch()
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    assert storage.read("link", 100) == b""
    assert 0 < sum(waits) < 0.1
    waits.clear()
    then = time.time() - age
    os.utime(link, (then, then))
    assert storage.read("link", 100) == b""
    assert not waits
