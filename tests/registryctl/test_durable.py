"""Small files that are whole whenever something comes in between."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from registryctl import durable


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file that is there."""
    path = tmp_path / "place"
    path.write_text("old")
    return path


def test_a_file_comes_with_its_mode(place: Path) -> None:
    """Whatever the run's own is."""
    before = os.umask(0o077)
    try:
        durable.put(place, "new ü\n", 0o644)
    finally:
        os.umask(before)
    assert (place.read_text(encoding="utf-8"), place.stat().st_mode & 0o777) == ("new ü\n", 0o644)
    assert list(place.parent.iterdir()) == [place]


def test_a_name_counts_once_its_content_does(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is there for good."""
    said: list[tuple[str, str]] = []

    def sync(descriptor: int) -> None:
        said.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, place.read_text()))

    monkeypatch.setattr(os, "fsync", sync)
    durable.put(place, "new", 0o600)
    assert said == [("place.new", "old"), (place.parent.name, "new")]


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_a_full_disk_leaves_the_old_one_alone(place: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """And nothing that takes room."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        durable.put(place, "new", 0o600)
    assert place.read_text() == "old"
    assert list(place.parent.iterdir()) == [place]


def test_half_a_file_is_none(place: Path) -> None:
    """The system itself takes no more than some bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            durable.put(place, "longer than that", 0o600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert place.read_text() == "old"
    assert list(place.parent.iterdir()) == [place]


def test_what_a_killed_run_left_is_not_in_the_way(place: Path) -> None:
    """Longer than what comes, and for nobody to write."""
    left = place.with_name("place.new")
    left.write_text("half of something that was much longer")
    left.chmod(0)
    durable.put(place, "new", 0o600)
    assert (place.read_text(), left.exists()) == ("new", False)


def test_a_directory_in_the_way_is_said(place: Path) -> None:
    """Nobody's directory is removed."""
    place.with_name("place.new").mkdir()
    with pytest.raises(OSError, match=r"place\.new"):
        durable.put(place, "new", 0o600)
    assert place.read_text() == "old"


@pytest.mark.parametrize("name", ["place", "place.new"])
def test_no_link_is_followed(place: Path, name: str) -> None:
    """Neither one in the file's place nor one beside."""
    victim = place.with_name("victim")
    victim.write_text("precious")
    link = place.with_name(name)
    link.unlink(missing_ok=True)
    link.symlink_to(victim)
    durable.put(place, "new", 0o600)
    assert victim.read_text() == "precious"
    assert (place.is_symlink(), place.read_text()) == (False, "new")


def test_a_link_that_is_planted_in_between_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the writing."""
    victim = place.with_name("victim")
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    place.with_name("place.new").symlink_to(victim)
    with pytest.raises(FileExistsError):
        durable.put(place, "new", 0o600)
    assert (victim.exists(), place.read_text()) == (False, "old")


def test_an_owner_is_there_before_the_mode(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may read it for a moment, and a change of owner takes set-user-ID away."""
    said: list[object] = []
    monkeypatch.setattr(os, "fchown", lambda _, *owner: said.append(owner))
    monkeypatch.setattr(os, "fchmod", lambda _, mode: said.append(mode))
    durable.write(str(place), b"new", 0o640, (1, 2))
    assert said == [(1, 2), 0o640]


def test_only_a_directory_is_synced(place: Path) -> None:
    """Not what somebody put in its place."""
    with pytest.raises(NotADirectoryError):
        durable.sync(place)
