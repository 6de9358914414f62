"""A Go module of which a tool has all but some files: `replace MODULE => ./FOLDER`, and a version that there is.

What is in the folder stands in for the module's files of the same names. All others are the module's own, of the
version in go.mod, with the sum in go.sum. `go build -overlay` puts them together, but not within Go's module cache.
"""

import json
import re
from pathlib import Path

from tests.lab.run import LabError, clean_environment, run

_LOCAL = re.compile(r"^replace (\S+) => \./(\S+)$", re.MULTILINE)
_NOWHERE = "v0.0.0-00010101000000-000000000000"
"""The version that Go writes for a module that is a folder and nothing else."""


def overlay(go: str, module: Path, log: str) -> dict[str, str]:
    """Which file is found at which path, for all modules that `module` has so. Downloads these with the command `go`.

    Raises LabError for a module that is not the one whose sum is in go.sum.
    """
    text = (module / "go.mod").read_text()
    found: dict[str, str] = {}
    for name, folder in _LOCAL.findall(text):
        version = _version(text, name)
        if version != _NOWHERE:
            found |= laid_over(module / folder, _downloaded(go, module, f"{name} {version}", log))
    return found


def laid_over(folder: Path, source: Path) -> dict[str, str]:
    """A path in `folder` for each file of `source` that it lacks."""
    files = (path for path in sorted(source.rglob("*")) if path.is_file())
    pairs = ((folder / path.relative_to(source), path) for path in files)
    return {str(target): str(path) for target, path in pairs if not target.exists()}


def _version(go_mod: str, name: str) -> str:
    found = re.search(rf"^(?:require |\t){re.escape(name)} (v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise LabError(f"a go.mod of the lab replaces {name} and requires no version of it")
    return found[1]


def _downloaded(go: str, module: Path, wanted: str, log: str) -> Path:
    """Where a module (`NAME VERSION`) lies in Go's cache."""
    argv = [go, "mod", "download", "-json", wanted.replace(" ", "@")]
    # Outside the module, where the folder is not in its place.
    environment = clean_environment() | {"GOFLAGS": "", "GOWORK": "off"}
    done = json.loads(run(argv, log=log, cwd=module.parent, env=environment).stdout)
    if f"{wanted} {done['Sum']}" not in (module / "go.sum").read_text().splitlines():
        raise LabError(f"{module.name}: go.sum has another sum of {wanted}, or none")
    return Path(done["Dir"])
