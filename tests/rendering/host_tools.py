"""Runs the host's tools on this machine, below a directory that stands for the host."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from registryctl.machine import Machine
from rendering.rootfs import TOOLS, TREE

OWNER = f"{pwd.getpwuid(os.getuid()).pw_name}:{grp.getgrgid(os.getgid()).gr_name}"
"""An owner that this user may give a file to."""

_PLACES = (TOOLS, "/var/lib/docker-registry", "/run/docker-registry")
_LATER = ("/etc/docker-registry", "/usr/local/bin/registryctl")
_SECONDS = 20


@dataclass(frozen=True)
class Ran:
    """How a tool ended."""

    code: int
    out: str
    err: str


class _HostMachine(Machine):
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    def path(self, path: str | Path) -> Path:
        """Below the host's directory."""
        return Path(path) if Path(path).is_relative_to(self._host.root) else self._host.path(str(path))

    def environment(self) -> dict[str, str]:
        """Commands of the host."""
        return self._host.environment()


class FakeHost:
    """A directory with the tools, whose own places on a host are moved below it, and with commands of our own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.system = os.environ["PATH"]
        """Where the tools find what the test does not give them."""
        self._commands = root / "bin"
        for place in (*_PLACES, "/bin"):
            (root / place.lstrip("/")).mkdir(parents=True)
        for tool in (TREE / TOOLS.lstrip("/")).iterdir():
            copy = self.path(f"{TOOLS}/{tool.name}")
            if tool.is_dir():
                shutil.copytree(tool, copy, ignore=shutil.ignore_patterns("__pycache__"))
                for module in copy.rglob("*.py"):
                    module.write_text(self._moved(module.read_text()))
                continue
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

    def machine(self) -> Machine:
        """The host as modules that run within this process see it."""
        return _HostMachine(self)

    def environment(self) -> dict[str, str]:
        """What its commands are given."""
        return {"PATH": f"{self._commands}:{self.system}"}

    def run(self, tool: str, *words: str, stdin: str = "") -> Ran:
        """Runs a tool with some words, in which paths of the host are not moved."""
        done = subprocess.run(
            [str(self.path(f"{TOOLS}/{tool}")), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=self.environment(),
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def _moved(self, script: str) -> str:
        for place in (*_PLACES, *_LATER):
            script = script.replace(place, str(self.path(place)))
        return script
