"""Backups of two hosts under one name, and of a host whose registry has other files than it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from registryctl import backup, backups, restoring, writers
from registryctl.journals import BarrierError
from tests.registryctl.backed import Backed, during
from tests.registryctl.backed_host import NAME, BackedHost, host

__all__ = ["host"]


@pytest.fixture(autouse=True)
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one it is a file says."""
    monkeypatch.setattr(backup, "_MACHINE", tmp_path / "machine-id")


def _becomes(host: BackedHost, name: str) -> None:
    (host.root / "machine-id").write_text(f"{name}\n")


def test_of_two_hosts_under_one_name_one_backs_up(host: BackedHost) -> None:
    """A host that took a lost one's place goes on with its backups; the lost one that comes back is told of it."""
    _becomes(host, "lost")
    assert host.run("backup").code == 0
    _becomes(host, "in its place")
    assert [host.run("backup").code for _ in range(2)] == [0, 0]
    _becomes(host, "lost")
    failed = host.run("backup")
    assert (failed.code, len(failed.err.splitlines())) == (1, 1)
    assert "another host has made the backup" in failed.err
    assert len(host.run("backup", "list").out.splitlines()) == 3
    assert host.known()["failed"]["what"] == "backup"
    assert [host.run("backup", *words).code for words in (("--force",), ())] == [0, 0]
    _becomes(host, "in its place")
    assert "another host has made" in host.run("backup").err


def test_a_host_without_a_name_backs_up(host: BackedHost) -> None:
    """As before hosts had one."""
    assert host.run("backup").code == 0
    _becomes(host, "named")
    assert host.run("backup").code == 0
    (host.root / "machine-id").unlink()
    assert host.run("backup").code == 0


def test_no_backup_tells_the_machine_s_own_name(host: BackedHost) -> None:
    """Other software knows the machine by it."""
    _becomes(host, "0123456789abcdef0123456789abcdef")
    host.run("backup")
    said = "".join(path.read_text() for path in (host.root / "repository/snapshots").iterdir())
    assert "by=" in said and "0123456789abcdef" not in said


def test_a_registry_that_has_other_files_is_not_backed_up(host: BackedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where its disk was mounted after it had started: what is pushed lies below. Docker may be down."""
    monkeypatch.setattr(writers, "container_process", os.getpid)
    failed = host.run("backup")
    assert (failed.code, failed.word) == (1, "FAILED")
    assert f"the container registry has other files than {host.world.root}" in failed.err
    assert host.run("backup", "--force").code == 0

    def silent() -> int:
        raise BarrierError("Docker does not say whether the registry runs")

    for process in (silent, lambda: 0):
        monkeypatch.setattr(writers, "container_process", process)
        assert host.run("backup").code == 0


def test_a_container_that_ends_meanwhile_has_no_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has none any more."""
    monkeypatch.setattr(writers, "container_process", lambda: 1 << 22)
    assert writers.writes_elsewhere(tmp_path) == ""


def test_adding_another_backup_ends_no_restoring(host: BackedHost) -> None:
    """What was cut off still lacks something, and is not backed up as it is."""
    host.run("backup")
    host.world.image(NAME, "2.0", b"another layer")
    host.run("backup")
    first, second = (line.split()[0] for line in host.run("backup", "list").out.splitlines())
    (host.world.root / "restoring").write_text(f"{second}\n")
    assert host.run("restore", "--merge", "--from", first).code == 0
    assert restoring.begun(host.root / "srv") == second
    assert host.run("restore").code == 0
    assert restoring.begun(host.root / "srv") is None


def test_of_files_that_change_while_they_are_read_the_last_ones_count(
    fast: Backed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate may be renewed just then. Where they never rest, that is said."""
    accounts, number = fast.root / "nginx/etc/auth/registry.htpasswd", 0

    def change() -> None:
        nonlocal number
        number += 1
        accounts.write_text(f"change {number}\n")

    during(monkeypatch, backups.HOST, change)
    taken = fast.take()
    assert number > 1
    assert [(Path(fault.path).name, fault.why) for fault in taken.faults] == [
        (accounts.name, "it changed each time while it was read")
    ]
    snapshots = fast.restic.json("snapshots")
    own = [one for one in snapshots if f"part={backups.HOST}" in one["tags"]]
    assert fast.backups()[-1].parts[backups.HOST] == max(own, key=lambda one: str(one["time"]))["id"]
    assert len({one["time"] for one in own}) == len(own) == number
