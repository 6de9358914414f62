"""Faults in the modules of `registryctl` by which images are removed and come back, which its tests are to notice.

mutmut names a fault by its path, and this package lies deep below another top than its own: so its modules are written
here one by one, in a copy of the package.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import resource
import shutil
import sys
from typing import ClassVar

from tests.mutation.subject import MUTANTS, ROOT, Subject

PACKAGE = "registryctl"
SOURCE = ROOT / "rootfs/usr/local/lib/docker-registry" / PACKAGE
TOP = MUTANTS / "storage"
MEMORY = 4 << 30
"""A fault by which more than this is taken is noticed."""

UNIT, ORACLE = "tests/registryctl/test_{}.py", "tests/storage_oracle/test_{}.py"
_CORE = ("clean_up", "removal", "verification", "clean_up_odd", "records", "command", "sweep", "command_words", "files")
_HOST = ("barrier", "writers", "generations")
"""Modules that have nothing to do with what lies in the storage."""
NEAREST: dict[str, tuple[str, ...]] = {
    "digests": ("manifests", "reading"),
    "storage": (),
    "files": ("files", "files_made"),
    "layout": ("layout",),
    "manifests": ("manifests", "clean_up"),
    "model": ("removal_plan", "clean_up"),
    "reading": ("reading", "clean_up_odd"),
    "removal": ("removal_plan", "removal", "clean_up"),
    "leftovers": ("sweep",),
    "sweep": ("sweep", "clean_up_odd"),
    "plan": ("command_words", "verification"),
    "gc": ("sweep", "records", "clean_up"),
    "journals": ("journals", "verification"),
    "verify": ("verify_plan", "verification"),
    "act": ("acting", "verification", "command"),
    "take": ("acting", "removal"),
    "record": ("undoing", "removal"),
    "trash": ("record_files", "records", "removal"),
    "undo": ("undoing", "removal"),
    "clean_up": ("command_words", "command"),
    "barrier": ("barrier", "barrier_words", "generations"),
    "writers": ("writers", "barrier", "generations"),
    "generations": ("generations", "barrier"),
}
"""Each module, and the tests that come first."""


class Registryctl(Subject):
    """See above."""

    least: ClassVar[float] = 0.9
    test_seconds: ClassVar[float] = 30

    def faults(self) -> list[str]:
        """Written anew each time, in a copy of the package."""
        from mutmut.mutation.file_mutation import mutate_file_contents  # type: ignore[import-not-found]  # noqa: PLC0415

        shutil.rmtree(TOP, ignore_errors=True)
        shutil.copytree(SOURCE, TOP / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        found: list[str] = []
        only = os.environ.get("MODULES", "").split()
        for module in only or NEAREST:
            path = TOP / PACKAGE / f"{module}.py"
            mutated = mutate_file_contents(str(path), path.read_text())
            path.write_text(mutated.code)
            found += [f"{PACKAGE}.{module}.{name}" for name in mutated.mutant_names]
        return sorted(found)

    def load(self) -> None:
        """The package itself: a fault wakes when its function is called."""
        sys.path.insert(0, str(TOP))
        for path in sorted((TOP / PACKAGE).glob("*.py")):
            module = importlib.import_module(f"{PACKAGE}.{path.stem}".removesuffix(".__init__"))
            if module.__file__ != str(path):
                raise SystemExit(f"{module.__file__} would be tried")

    def enter(self) -> None:
        """The package is loaded already."""
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def tests(self, name: str) -> list[str]:
        """The nearest; then those of the storage as a whole. Random storages are left out for time."""
        module = name.split(".")[1]
        near = NEAREST[module]
        if module in _HOST:
            return [UNIT.format(test) for test in near]
        units = dict.fromkeys((*near, *_CORE))
        return [*map(UNIT.format, units), *map(ORACLE.format, ("cases", "undo"))]

    def difference(self, name: str) -> str:
        """The lines."""
        _, module, fault = name.split(".")
        text = (TOP / PACKAGE / f"{module}.py").read_text()
        before, after = (_function(text, one) for one in (re.sub(r"\d+$", "orig", fault), fault))
        return "\n".join(line for line in difflib.ndiff(before, after) if line[0] in "-+")


def _function(text: str, name: str) -> list[str]:
    """The body of a function: what is indented deeper than it begins."""
    found = re.search(rf"^( *)(?:async )?def {re.escape(name)}\((?:.*\n)((?:\1[ )].*\n|\n)*)", text, re.MULTILINE)
    return found[0].replace(name, "").splitlines() if found else []
