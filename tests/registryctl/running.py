"""Runs the commands of `registryctl` within this process."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from registryctl import cli


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def word(self) -> str:
        """What its error begins with."""
        return self.err.split(":")[0]


def run(*words: str, called: str = "registryctl") -> Ran:
    """Runs a command; there is no terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(cli.load(words, called))
        except SystemExit as end:
            # The help ends so.
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())
