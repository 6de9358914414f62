"""The host's tools follow no link that another user made, and rely on no directory that is another user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rendering.host_tools import OWNER, FakeHost, Ran

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
OTHER = 65534


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with the tools and nothing else."""
    return FakeHost(tmp_path / "host")


@needs_root
@pytest.mark.parametrize("above", [False, True], ids=["in its place", "on the way"])
def test_no_link_of_another_user_is_followed(host: FakeHost, above: bool) -> None:
    """Whose owner and mode root changes is not his to choose."""
    target, link = host.root / "target", host.root / "link"
    target.mkdir(mode=0o755)
    link.symlink_to(target)
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    done = host.run("ensure-directories", "1", stdin=f"0700 {OWNER} {link}{'/new' if above else ''}\n")
    assert done.code != 0
    assert f"it is a link that user {OTHER} made" in done.err
    assert target.stat().st_mode & 0o777 == 0o755
    assert not list(target.iterdir())


@needs_root
def test_no_directory_of_another_user_is_on_the_way(host: FakeHost) -> None:
    """Its owner could exchange what is in it at any time. One that is listed becomes root's first."""
    theirs = host.root / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    done = host.run("ensure-directories", "1", stdin=f"0700 {OWNER} {theirs}/new\n")
    assert done.code != 0
    assert f"it belongs to user {OTHER}" in done.err
    assert not (theirs / "new").exists()
    done = host.run("ensure-directories", "2", stdin=f"0700 {OWNER} {theirs}\n0700 {OWNER} {theirs}/new\n")
    assert done == Ran(0, "", "")
    assert theirs.stat().st_uid == os.geteuid()


def test_a_directory_that_all_may_write_to_is_on_no_way(host: FakeHost) -> None:
    """Unless each may there only touch what is his own."""
    for mode, code in ((0o777, 1), (0o1777, 0)):
        place = host.root / f"place-{mode:o}"
        place.mkdir()
        place.chmod(mode)
        assert host.run("ensure-directories", "1", stdin=f"0700 {OWNER} {place}/new\n").code == code


def test_root_s_own_links_are_followed(host: FakeHost) -> None:
    """As of an administrator who has moved the data to another disk; relative ones too."""
    disk = host.root / "disk"
    disk.mkdir()
    (host.root / "opt").symlink_to("disk")
    (host.root / "again").symlink_to(host.root / "opt")
    assert host.run("ensure-directories", "1", stdin=f"0750 {OWNER} {host.root}/again/x/../data\n").code == 0
    assert (disk / "data").stat().st_mode & 0o777 == 0o750


def test_links_in_a_circle_are_refused(host: FakeHost) -> None:
    (host.root / "a").symlink_to("b")
    (host.root / "b").symlink_to("a")
    done = host.run("ensure-directories", "1", stdin=f"0750 {OWNER} {host.root}/a/data\n")
    assert done.code != 0
    assert "links lead in a circle" in done.err


def test_what_is_put_follows_no_link(host: FakeHost) -> None:
    """Of the names that put-file takes for a moment, whoever could write to the directory might have made all."""
    file = host.root / "etc" / "file.conf"
    file.parent.mkdir()
    victim = host.root / "victim"
    victim.write_text("unharmed")
    for number in range(os.getpid(), os.getpid() + 3000):
        (file.parent / f".{file.name}.{number}.new~").symlink_to(victim)
    options = ("--for", "me@ssh", "--size", "4", "--mode", "0640", "--owner", OWNER)
    assert host.run("put-file", *options, str(file), stdin="new\n").code == 0
    assert file.read_text() == "new\n"
    assert not file.is_symlink()
    assert victim.read_text() == "unharmed"
