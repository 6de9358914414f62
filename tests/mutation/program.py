"""Faults in `components/` and `config/`, which the unit tests are to notice. mutmut itself writes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from tests.mutation.subject import MUTANTS, ROOT, Subject

UNIT = "tests/unit"
WIDE = ("test_program.py", "test_outputs.py", "test_secrets_stay_secret.py")
"""Tests of the whole program, which the snapshot of the example comes before."""


class Program(Subject):
    """See above."""

    least: ClassVar[float] = 0.8
    test_seconds: ClassVar[float] = 120

    def faults(self) -> list[str]:
        """Written by mutmut. The tests it runs besides are few."""
        argv = [str(Path(sys.executable).with_name("mutmut")), "run", "none of them"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        found: set[str] = set()
        for path in MUTANTS.rglob("*.meta"):
            found |= json.loads(path.read_text())["exit_code_by_key"].keys()
        if not found:
            raise SystemExit(f"mutmut made nothing:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return sorted(found)

    def load(self) -> None:
        """What is not changed."""
        import pulumi_command  # noqa: F401, PLC0415
        import pulumi_docker  # noqa: F401, PLC0415

    def enter(self) -> None:
        """The tests and what they test are those beside the faults."""
        os.chdir(MUTANTS)
        sys.path[:] = [str(MUTANTS), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        for module in [
            module for module in sys.modules if module.partition(".")[0] in ("tests", "config", "components")
        ]:
            del sys.modules[module]

    def tests(self, name: str) -> list[str]:
        """Of the module, then of all."""
        package, module, *_ = name.split(".")
        if package == "config":
            near = [path for path in sorted((ROOT / UNIT / "config").glob("test_*.py")) if module in path.stem]
            return [*(f"{UNIT}/config/{path.name}" for path in near), f"{UNIT}/config", f"{UNIT}/test_snapshot.py"]
        own = sorted(path.name for path in (ROOT / UNIT).glob(f"test_{module}*.py"))
        wide = [test for test in WIDE if test not in own]
        return [f"{UNIT}/{test}" for test in ["test_snapshot.py", *own, *wide]]

    def difference(self, name: str) -> str:
        """As mutmut shows it."""
        argv = [str(Path(sys.executable).with_name("mutmut")), "show", name]
        shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout
        return "\n".join(line for line in shown.splitlines() if re.match(r"[-+](?![-+]{2} )", line))
