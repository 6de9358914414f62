"""The stacks of this repository, and which of them a change touches."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

EXAMPLE = "example"
PROGRAM_FOLDERS = ("components/", "config/", "rendering/", "rootfs/")
PROGRAM_FILES = ("__main__.py", "Pulumi.yaml", "requirements.txt")
"""What every stack is made from."""

NOTHING = "0" * 40
"""What a push names as its predecessor when it has none."""


def stacks(folder: Path) -> list[str]:
    """The names of the stacks that have their settings in the repository, in alphabetical order."""
    names = (path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("Pulumi.*.yaml"))
    return sorted(name for name in names if name != EXAMPLE)


def touched(known: Iterable[str], changed: Iterable[str]) -> list[str]:
    """Those of the `known` stacks that a change of these files could change: all, where the program is among them."""
    files = set(changed)
    if any(file in PROGRAM_FILES or file.startswith(PROGRAM_FOLDERS) for file in files):
        return list(known)
    return [name for name in known if f"Pulumi.{name}.yaml" in files]


def changed_files(folder: Path, base: str) -> list[str]:
    """The files that differ from where this branch left `base`.

    Raises `ValueError` when git knows no such revision.
    """
    argv = ["git", "diff", "--name-only", "--no-renames", "-z", f"{base}...HEAD", "--"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(f"git can't compare with {base}: {done.stderr.strip()}")
    return [name for name in done.stdout.split("\0") if name]


def touched_since(folder: Path, base: str) -> list[str]:
    """The stacks that the commits since `base` touch; all of them when there is nothing to compare with."""
    known = stacks(folder)
    return known if base == NOTHING else touched(known, changed_files(folder, base))
