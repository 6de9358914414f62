"""The how-to's commands, as one script over SSH."""

from __future__ import annotations

import shlex
from typing import ClassVar

from bench.contenders.setup import FILES, Contender, Setup

SCRIPT = FILES / "setup.sh"


class Shell(Contender):
    """The script goes to the host by standard input, with the settings before it."""

    name: ClassVar[str] = "shell script"

    def configure(self, setup: Setup) -> None:
        """See `Contender`."""
        self._host = setup.host
        settings = "".join(f"{key}={shlex.quote(value)}\n" for key, value in setup.values().items())
        self._script = settings + SCRIPT.read_text()

    def forget(self) -> None:
        """It knows nothing of a host but what the host itself says."""

    def run(self) -> None:
        """See `Contender`."""
        self._host.ssh("sh -s", stdin=self._script)
