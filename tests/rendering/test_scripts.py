"""The host's scripts: POSIX sh, as Debian's dash reads them, and Python that begins the same everywhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rendering.rootfs import TREE

PROGRAMS = sorted(path for path in TREE.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!"))
PYTHON = "#!/usr/bin/env -S python3 -IB"
BEGINNINGS = [path for path in PROGRAMS if path.read_text().startswith(f"{PYTHON}\n")]
SCRIPTS = [
    *(path for path in PROGRAMS if path not in BEGINNINGS),
    # They go to a host by standard input only.
    TREE.parent / "review" / "inspect-host.sh",
    *sorted((TREE.parent / "rendering" / "check-host").glob("*.sh")),
]

LONG = {
    # It trusts nothing that lies on the host.
    "inspect-host.sh",
}


def _name(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_sh_can_parse_it(path: Path) -> None:
    """The very shell that will run it."""
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_it_stops_at_the_first_fault(path: Path) -> None:
    """And at a variable that nobody set; the shell is the one that every host has."""
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/bin/sh"
    assert "set -eu" in lines


@pytest.mark.parametrize("path", [path for path in SCRIPTS if path.name not in LONG], ids=_name)
def test_it_is_short(path: Path) -> None:
    """What decides or parses is Python, which is typed and tested by itself."""
    assert len(path.read_text().splitlines()) <= 40


@pytest.mark.parametrize("path", BEGINNINGS, ids=_name)
def test_python_can_parse_it(path: Path) -> None:
    """What is in a module is linted and typed; here it only begins."""
    compile(path.read_text(), str(path), "exec")
    assert len(path.read_text().splitlines()) < 30


@pytest.mark.parametrize("path", [*SCRIPTS, *BEGINNINGS], ids=_name)
def test_it_says_what_it_is_for(path: Path) -> None:
    """In its second line: an administrator finds it on the host without this repository."""
    assert path.read_text().splitlines()[1].startswith("# ")


@pytest.mark.e2e
def test_shellcheck_finds_nothing() -> None:
    """In no script."""
    from tests.lab.machine import ensure_commands  # noqa: PLC0415 - the lab is not needed by the others

    ensure_commands("shellcheck")
    argv = ["shellcheck", "--shell=sh", *map(str, SCRIPTS)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
