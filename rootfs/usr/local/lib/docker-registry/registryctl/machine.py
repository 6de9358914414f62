"""This host as the tools meet it: its commands, its files and its clock."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

STACK_LABEL = "docker-registry.stack"
"""The label that every Docker object of a stack bears; its value is the stack's full name."""

RESULTS = Path("/var/lib/docker-registry")
"""Where a command leaves in a line what came of it, for registry-status."""

RUN = Path("/run/docker-registry")
"""Where the tools meet while they run; a boot clears it."""

LOCAL_TOOLS = Path(__file__).resolve().parent.parent
"""Where the tools lie that are no part of this package."""

# What commands say is read: in one language, and times in UTC.
_PLAIN = {"LC_ALL": "C", "TZ": "UTC"}
_SECONDS = 60


@dataclass(frozen=True)
class Done:
    """How a command ended. A command that is not there, or does not end in time, ends with 127."""

    code: int
    out: str
    err: str


class Machine:
    """The host itself. Tests have one of their own."""

    def path(self, path: str | Path) -> Path:
        """Where a path of the host is found."""
        return Path(path)

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(timezone.utc)

    def stamp(self) -> str:
        """The time here, as results and logs have it."""
        return self.now().astimezone().isoformat(timespec="seconds")

    def environment(self) -> dict[str, str]:
        """What commands are given."""
        return {**os.environ, **_PLAIN}

    def run(self, *words: str, stdin: str = "", seconds: float = _SECONDS, together: bool = False) -> Done:
        """Runs a command. `together`: what it says on standard error is where it came within its output."""
        try:
            done = subprocess.run(
                words,
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if together else subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
                env=self.environment(),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Done(127, "", str(error))
        return Done(done.returncode, done.stdout, done.stderr or "")

    def answer(self, *words: str, seconds: float = _SECONDS) -> str | None:
        """What a command prints, without the end of its last line. None: it failed."""
        done = self.run(*words, seconds=seconds)
        return done.out.rstrip("\n") if done.code == 0 else None


def noted(path: Path) -> dict[str, Any]:
    """The object (JSON) in a file; nothing where that can't be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def touch(path: Path) -> None:
    """As `touch` does, for all to read, where somebody else may put what he likes: no link is followed. OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    try:
        os.utime(descriptor)
    finally:
        os.close(descriptor)
