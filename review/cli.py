"""Pulumi's command line, run for one stack with its secrets masked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from review.masking import Mask, mask_of

QUIET = ("--non-interactive", "--color", "never")
SLIPPED = 3
"""Exit code when a secret was about to be shown."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `output` has all it said, on both streams, without secrets."""

    code: int
    output: str


class Stack:
    """A stack of the program in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    @cached_property
    def mask(self) -> Mask:
        """The mask of the stack's secrets, which this process alone reads."""
        return mask_of(self.ask("config", "--show-secrets", "--json"))

    def ask(self, *words: str, stdin: str | None = None) -> str:
        """What `pulumi` answers on standard output. Raises `RuntimeError` with its own words."""
        done = subprocess.run(
            self._line(words), cwd=self.folder, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"pulumi {words[0]}, stack {self.name}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def run(self, *words: str, show: Callable[[str], object] = sys.stdout.write) -> Outcome:
        """Runs `pulumi` and shows each line as it comes. A secret in it is masked, and then counts as a failure."""
        mask = self.mask
        process = subprocess.Popen(
            self._line([*words, *QUIET]),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines: list[str] = []
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            lines.append(mask(line))
            show(lines[-1])
        code = process.wait()
        return Outcome(SLIPPED if mask.slipped else code, "".join(lines))

    def _line(self, words: Sequence[str]) -> list[str]:
        return ["pulumi", *words, "--stack", self.name]


def policy_options(folder: Path) -> list[str]:
    """The options that hold a preview or an update against the policies."""
    policies = folder / "policies"
    return ["--policy-pack", str(policies), "--policy-pack-config", str(policies / "config.json")]
