"""Python's own form of the tools' modules: never another than the module's, and never half of one."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from registryctl import compiled, durable
from rendering.rootfs import TREE


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that says one, with one inside that says two."""
    package = tmp_path / "said"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("print('one')\n")
    (package / "inner/__init__.py").write_text("print('two')\n")
    return package


def _imported(package: Path, *options: str) -> tuple[str, str]:
    """What it says, and what Python tells of it."""
    script = f"import sys; sys.path.insert(0, {str(package.parent)!r}); import said.inner"
    argv = [sys.executable, "-IB", *options, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, done.stderr


def _compiled(module: Path) -> Path:
    return Path(cache_from_source(str(module)))


def test_each_module_is_taken_from_it(package: Path) -> None:
    """Also those of packages within, and all can read it as they can the module."""
    compiled.compile_modules(package)
    said, told = _imported(package, "-v")
    assert said == "one\ntwo\n"
    for module in package.rglob("*.py"):
        assert f"matches {module}" in told
        assert _compiled(module).stat().st_mode == module.stat().st_mode
        assert list(_compiled(module).parent.iterdir()) == [_compiled(module)]


def test_a_module_that_changed_counts(package: Path) -> None:
    """Of the same size, at the same time: its hash tells."""
    compiled.compile_modules(package)
    module = package / "__init__.py"
    times = module.stat()
    module.write_text("print('six')\n")
    os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert _imported(package)[0] == "six\ntwo\n"
    compiled.compile_modules(package)
    assert _imported(package)[0] == "six\ntwo\n"


def test_a_full_disk_leaves_the_tools_as_they_are(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing half."""

    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable, "settle", fail)
    compiled.compile_modules(package)
    assert [path for path in package.rglob("*") if path.is_file() and path.suffix != ".py"] == []
    assert _imported(package)[0] == "one\ntwo\n"


def test_one_has_its_name_once_it_is_whole(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the disk, not in memory alone; what a killed run left is in nobody's way."""
    settled: list[Path] = []

    def settle(path: Path) -> None:
        assert not _compiled(package / "__init__.py").exists()
        settled.append(path)

    monkeypatch.setattr(durable, "settle", settle)
    new = Path(f"{_compiled(package / '__init__.py')}.new")
    new.parent.mkdir()
    new.write_text("half")
    (package / "inner/__init__.py").unlink()
    compiled.compile_modules(package)
    assert settled == [new]
    assert not new.exists()


def test_all_tools_can_be_compiled(tmp_path: Path) -> None:
    """A tool starts from them."""
    tools = tmp_path / "local"
    shutil.copytree(TREE / "usr/local", tools, ignore=shutil.ignore_patterns("__pycache__"))
    package = tools / "lib/docker-registry/registryctl"
    compiled.compile_modules(package)
    assert all(_compiled(module).is_file() for module in package.rglob("*.py"))
    argv = [sys.executable, "-IBv", str(tools / "bin/registryctl"), "status", "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    taken = re.findall(rf"^# code object from '?({package}/.+?)'?$", done.stderr, re.MULTILINE)
    assert any(path.endswith(f"/status/__pycache__/{_compiled(Path('command.py')).name}") for path in taken)
    assert all(path.endswith(".pyc") for path in taken)
