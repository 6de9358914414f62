"""Runs the host's tools on this machine, below a directory that stands for the host."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rendering.rootfs import TOOLS, TREE

OWNER = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
"""An owner that this user may give a file to."""

_PLACES = (TOOLS, "/var/lib/docker-registry", "/run/docker-registry", "/run/lock")
_SECONDS = 20


@dataclass(frozen=True)
class Ran:
    """How a tool ended."""

    code: int
    out: str
    err: str


class FakeHost:
    """A directory with the tools, whose own places on a host are moved below it, and with commands of our own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._commands = root / "bin"
        for place in (*_PLACES, "/bin"):
            (root / place.lstrip("/")).mkdir(parents=True)
        for tool in (TREE / TOOLS.lstrip("/")).iterdir():
            copy = self.path(f"{TOOLS}/{tool.name}")
            copy.write_text(self._moved(tool.read_text()))
            copy.chmod(0o755)

    def path(self, path: str) -> Path:
        """A path of the host."""
        return self.root / path.lstrip("/")

    def command(self, name: str, script: str) -> None:
        """A command on the host's PATH, by its shell script."""
        file = self._commands / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def fails_at(self, name: str, call: int) -> None:
        """A command of this machine writes but half of what it has to say, and is killed, at one of its calls."""
        calls = self.root / f"calls-{name}"
        shutil.rmtree(calls, ignore_errors=True)
        calls.mkdir()
        real, head, wc = (shutil.which(its) for its in (name, "head", "wc"))
        # Two of a pipeline may begin at once.
        self.command(
            name,
            f'set -C; n=1\nuntil {{ true >"{calls}/$n"; }} 2>/dev/null; do n=$((n + 1)); done\n'
            f'[ $n -eq {call} ] || exec {real} "$@"\n'
            f'{real} "$@" >|{calls}.out\n{head} -n $(($({wc} -l <{calls}.out) / 2)) {calls}.out\nkill -9 $$',
        )

    def called(self, name: str) -> int:
        """How often it was called since."""
        return len(list((self.root / f"calls-{name}").iterdir()))

    def run(self, tool: str, *words: str, stdin: str = "") -> Ran:
        """Runs a tool with some words, in which paths of the host are not moved."""
        done = subprocess.run(
            [str(self.path(f"{TOOLS}/{tool}")), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={"PATH": f"{self._commands}:{os.environ['PATH']}"},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def _moved(self, script: str) -> str:
        for place in _PLACES:
            script = script.replace(place, str(self.path(place)))
        return script
