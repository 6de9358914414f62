"""What the host sees of the registry's processes, in a /proc of the test's own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from registryctl import writers
from registryctl.journals import BarrierError
from registryctl.writers import Inode
from tests.registryctl.descriptors import descriptors

REGISTRY = "/bin/registry"


class Proc:
    """Processes, and what they have open."""

    def __init__(self, root: Path) -> None:
        self.root = root / "proc"
        self.data = root / "data"
        for folder in (self.root / "self", self.data):
            folder.mkdir(parents=True)
        (self.root / "uptime").write_text("1 1")

    def add(self, number: int, space: str = "pid:[1]", **files: bytes) -> Path:
        """A process in a space of process numbers, with files of its directory."""
        home = self.root / str(number)
        for folder in ("ns", "fd", "fdinfo"):
            (home / folder).mkdir(parents=True)
        if space:
            (home / "ns/pid").symlink_to(space)
        for name, content in files.items():
            (home / name).write_bytes(content)
        return home

    def opens(self, number: int, descriptor: int, path: Path, information: str) -> None:
        """A process has a file open, with a lock or without."""
        home = self.root / str(number)
        (home / f"fd/{descriptor}").symlink_to(path)
        (home / f"fdinfo/{descriptor}").write_text(information)


LOCK = "pos:\t0\nlock:\t1: FLOCK  ADVISORY  READ 7 00:1:1 0 EOF\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proc:
    """None yet."""
    its = Proc(tmp_path)
    monkeypatch.setattr(writers, "_PROC", its.root)
    return its


def test_who_holds_the_lock(proc: Proc) -> None:
    """A process of the container that has the very directory open, locked; whatever else it or others have open."""
    data = Inode.of(proc.data)
    for number, space in ((7, "pid:[1]"), (8, "pid:[1]"), (9, "pid:[1]"), (10, "pid:[2]"), (11, "")):
        proc.add(number, space)
    proc.opens(7, 3, proc.data, "pos:\t0\n")
    proc.opens(8, 3, proc.root / "gone", LOCK)
    proc.opens(8, 4, proc.root, LOCK)
    proc.opens(8, 5, proc.data, LOCK)
    proc.opens(9, 3, proc.root, LOCK)
    proc.opens(10, 3, proc.data, LOCK)
    proc.opens(11, 3, proc.data, LOCK)
    assert writers.holders(7, data) == [8]
    assert writers.holders(10, data) == [10]
    # Where nobody knows in which container it is, it is not in the same as others of whom nobody knows.
    assert writers.holders(11, data) == []
    assert writers.holders(12, data) == []


def test_a_process_that_ended_holds_nothing(proc: Proc) -> None:
    """Its directory may be empty by then."""
    home = proc.add(7)
    (home / "fd").rmdir()
    assert writers.holders(7, Inode.of(proc.data)) == []


def test_who_writes_without_the_lock(proc: Proc) -> None:
    """The registry's own program in the container, unless it is the reader: that one only reads."""
    for number, space, program, words in (
        (7, "pid:[1]", REGISTRY, b"registry\0serve\0/etc/distribution/reader.yml\0"),
        (8, "pid:[1]", REGISTRY, b"registry\0serve\0/etc/distribution/config.yml\0"),
        (9, "pid:[1]", "/bin/sh", b"sh\0"),
        (10, "pid:[2]", REGISTRY, b"registry\0serve\0"),
        (11, "pid:[1]", "/registry/sh", b"registry\0"),
        (12, "pid:[1]", "registry", b""),
    ):
        home = proc.add(number, space, cmdline=words)
        (home / "exe").symlink_to(program)
    proc.add(13)
    assert sorted(writers.others_that_write(7, Inode.of(proc.data))) == [8, 12]


def test_a_second_registry_over_the_same_files_writes_too(proc: Proc) -> None:
    """In whatever container and place, also while ours does not run; none that only reads, or has other files."""
    line = "22 1 0:1 / {} {},relatime shared:1 - ext4 x rw\n"
    for number, place, way, words in (
        (20, "/var/lib/registry", "rw", b"registry\0serve\0/etc/other.yml\0"),
        (21, "/my\\040data", "rw", b"registry\0"),
        (22, "/var/lib/registry", "ro", b"registry\0"),
        (23, "/var/lib/registry", "rw", b"registry\0serve\0/etc/distribution/reader.yml\0"),
        (24, "/elsewhere", "rw", b"registry\0"),
    ):
        home = proc.add(number, f"pid:[{number}]", cmdline=words, mountinfo=line.format(place, way).encode())
        (home / "exe").symlink_to(REGISTRY)
        inside = home / "root" / place.lstrip("/").replace("\\040", " ")
        inside.parent.mkdir(parents=True)
        inside.symlink_to(proc.data if number != 24 else proc.root)
    for process in (0, 7):
        assert sorted(writers.others_that_write(process, Inode.of(proc.data))) == [20, 21]


def test_a_process_runs_until_it_has_no_space(proc: Proc) -> None:
    """One that nobody waited for yet has ended all the same."""
    proc.add(7)
    proc.add(8, "")
    assert [writers.is_running(number) for number in (7, 8, 9)] == [True, False, False]


def test_which_generations_live(proc: Proc) -> None:
    """By the address that each was started with; not by a variable that only ends so."""
    proc.add(7, environ=b"A=b\0REGISTRY_HTTP_ADDR=/run/registry/writers/1700000000-0123abcd/socket\0C=d\0")
    proc.add(8, environ=b"REGISTRY_HTTP_ADDR=/run/registry/writers/1700000001-0123abcd/socket")
    proc.add(9, environ=b"X_REGISTRY_HTTP_ADDR=/run/registry/writers/1700000002-0123abcd/socket\0")
    proc.add(10, environ=b"REGISTRY_HTTP_ADDR=/run/registry/reader\0")
    proc.add(11, environ=b"REGISTRY_HTTP_ADDR=/run/registry/writers/\xff/socket\0")
    proc.add(12)
    assert writers.living_generations() == {"1700000000-0123abcd", "1700000001-0123abcd", "\N{REPLACEMENT CHARACTER}"}


def test_what_a_container_has_at_a_path(proc: Proc) -> None:
    """What its own root has there."""
    (proc.add(7) / "root/var/lib").mkdir(parents=True)
    (proc.root / "7/root" / writers.DATA).symlink_to(proc.data)
    assert writers.mounted(7, writers.DATA) == Inode.of(proc.data)
    assert writers.mounted(7, writers.SOCKETS) is None
    assert writers.mounted(8, writers.DATA) is None


def test_a_mount_that_both_see_is_none_elsewhere(proc: Proc) -> None:
    """One beside the files is nobody's concern; of several that differ the first is named."""
    seen = proc.add(7) / "root" / writers.DATA
    lines = ["22 1 0:1 / / rw - ext4 x rw\n"]
    for name in ("same", "b\\040c", "a\\134"):
        real = name.replace("\\040", " ").replace("\\134", "\\")
        for top in (proc.data, seen):
            (top / real).mkdir(parents=True)
        lines.append(f"23 22 0:2 / {proc.data}/{name} rw - tmpfs x rw\n")
    lines.append(f"24 22 0:3 / {proc.data}2/elsewhere rw - tmpfs x rw\n")
    (proc.root / "self/mountinfo").write_text("".join(lines))
    assert writers.mounted_elsewise(7, proc.data) == "a\\"
    for name in ("same", "b c", "a\\"):
        (seen / name).rmdir()
        (seen / name).symlink_to(proc.data / name)
    assert writers.mounted_elsewise(7, proc.data) is None
    (proc.root / "7/mountinfo").write_text(f"25 1 0:4 / /{writers.DATA}/only rw - tmpfs x rw\n")
    (seen / "only").mkdir()
    assert writers.mounted_elsewise(7, proc.data) == "only"


@pytest.mark.parametrize(("at_once", "expected"), [(False, signal.SIGTERM), (True, signal.SIGKILL)])
def test_only_who_holds_the_lock_is_ended(
    proc: Proc, monkeypatch: pytest.MonkeyPatch, at_once: bool, expected: signal.Signals
) -> None:
    """A number may be another's by now; one that has ended is nobody's. No handle stays open."""
    child = subprocess.Popen(["sleep", "60"])
    try:
        proc.add(child.pid)
        before = descriptors()
        writers.end(child.pid, Inode.of(proc.data), at_once=at_once)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.2)
        proc.opens(child.pid, 3, proc.data, LOCK)
        writers.end(child.pid, Inode.of(proc.data), at_once=at_once)
        assert child.wait(10) == -expected
        writers.end(child.pid, Inode.of(proc.data), at_once=at_once)
        assert descriptors() <= before
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts something into the place of the tool that asks Docker."""
    path = tmp_path / "container-process"
    monkeypatch.setattr(writers, "_TOOL", path)

    def write(text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return write


@pytest.mark.parametrize(("text", "process"), [('[ "$*" = registry ] && echo 4711', 4711), ("echo 0", 0)])
def test_docker_says_which_process_it_is(tool: Callable[[str], None], text: str, process: int) -> None:
    """Of this stack's container; 0 where it does not run."""
    tool(text)
    assert writers.container_process() == process


@pytest.mark.parametrize("text", ["echo 4711; exit 1", "echo x", ":"])
def test_where_docker_does_not_say_it_that_is_an_error(tool: Callable[[str], None], text: str) -> None:
    """Whatever it printed."""
    tool(text)
    with pytest.raises(BarrierError, match=r"^Docker does not say whether the registry runs$"):
        writers.container_process()


def test_docker_is_not_waited_for_without_end(tool: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """That is an error too."""
    tool("exec sleep 60")
    monkeypatch.setattr(writers, "_SECONDS", 0.2)
    with pytest.raises(BarrierError, match=r"^whether the registry runs can't be found out: .*timed out"):
        writers.container_process()
