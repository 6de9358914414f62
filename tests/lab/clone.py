"""A clean clone of this checkout, as a workflow has one: what is committed, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab.engine import engine
from tests.lab.lab import default_name
from tests.lab.locks import locked
from tests.lab.paths import ROOT
from tests.lab.run import run
from tests.lab.stack import LabStack

ENVIRONMENTS = {".venv": "requirements-dev.txt", "policies/.venv": "policies/requirements.txt"}
"""Virtual environments, and the locked requirements that they are made from."""

Result = subprocess.CompletedProcess[str]


class Clone:
    """A repository in `folder` in which commands of this program run as a workflow runs them.

    Its virtual environments have the packages of this checkout's, which the same locked requirements made. They are no
    links: what creates an environment anew refuses these.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder), cwd=ROOT)
        for key, value in {"user.name": "Lab", "user.email": "lab@example.net", "commit.gpgsign": "false"}.items():
            self._run("git", "config", key, value)
        with locked(f"environments-{default_name()}"):
            run(["make", "venv", "policies"], log="clone", cwd=ROOT, timeout=900)
        for place, requirements in ENVIRONMENTS.items():
            _make_environment(folder / place, ROOT / place)
            # Older than what was made from it, as far as make can see.
            os.utime(folder / requirements, (0, 0))

    def head(self) -> str:
        """The last commit."""
        return self._run("git", "rev-parse", "HEAD").stdout.strip()

    def commit(self, files: Mapping[str, str]) -> None:
        """Write and commit these files."""
        for name, content in files.items():
            (self.folder / name).write_text(content)
        self._run("git", "add", "--all", ".")
        self._run("git", "commit", "--quiet", "--message", "A change", "--allow-empty")

    def adopt(self, stack: LabStack) -> None:
        """Have the settings of a stack, as a repository of a team has them."""
        name = f"Pulumi.{stack.name}.yaml"
        self.commit({name: stack.config_file.read_text()})

    def make(self, target: str, **variables: str) -> Result:
        """Run a target of the Makefile, whatever its exit code."""
        words = [f"{name}={value}" for name, value in variables.items()]
        return self._run("make", target, *words, check=False, timeout=900)

    def _run(self, *argv: str, cwd: Path | None = None, check: bool = True, timeout: float = 60) -> Result:
        # A make that runs the tests is none of the clone's business; its own would say where it goes, on and on.
        outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
        environment = {name: value for name, value in engine().environment.items() if name not in outer}
        return run(argv, log="clone", cwd=cwd or self.folder, env=environment, check=check, timeout=timeout)


def _make_environment(folder: Path, original: Path) -> None:
    """A virtual environment with the packages of `original`, of which it writes none."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], log="clone")
    (packages,) = original.glob("lib/python*/site-packages")
    (folder / packages.relative_to(original) / "original.pth").write_text(f"{packages}\n")
    (folder / ".locked").touch()
