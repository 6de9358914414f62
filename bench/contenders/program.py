"""This program, and one without a line as the least that an `up` can cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from bench.contenders.setup import Contender, Setup
from tests.lab.paths import ROOT
from tests.lab.stack import LabStack, default_config


class Program(Contender):
    """`pulumi up`."""

    name: ClassVar[str] = "pulumi up"

    def __init__(self, stack: str) -> None:
        self._stack = LabStack(stack)

    def configure(self, setup: Setup) -> None:
        """See `Contender`."""
        self._stack.init()
        acme = {"server": setup.server.directory, "serverCa": setup.server.ca}
        self._stack.configure(
            default_config(setup.host, setup.fqdn, setup.password)
            | {"certificate": {"mode": "acme", "acme": acme}, "nginx": {"readTimeout": setup.read_timeout}}
        )

    def run(self) -> None:
        """See `Contender`."""
        self._stack.up()

    def run_again(self) -> None:
        """An `up` without changes. Raises CommandError when there is one."""
        self._stack.up("--expect-no-changes")

    def forget(self) -> None:
        """The stack goes; the host stays as it is."""
        if self._stack.config_file.exists():
            self._stack.remove()


class Empty:
    """The empty program's stack, run by the same engine and in the same Python environment."""

    def __init__(self, stack: str, folder: Path) -> None:
        described = (ROOT / "Pulumi.yaml").read_text().replace("virtualenv: .venv", f"virtualenv: {sys.prefix}")
        program = folder / "empty"
        program.mkdir()
        (program / "Pulumi.yaml").write_text(described)
        (program / "__main__.py").write_text("")
        self._stack = LabStack(stack, program=program)

    def configure(self) -> None:
        """The first `up` makes the stack's own resource."""
        self._stack.init()
        self._stack.configure({})
        self._stack.up()

    def run_again(self) -> None:
        """An `up`. Raises CommandError when there is anything to change."""
        self._stack.up("--expect-no-changes")

    def forget(self) -> None:
        """The stack goes."""
        if self._stack.config_file.exists():
            self._stack.remove()
