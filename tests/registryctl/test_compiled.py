"""Python's own form of the tools' modules: never another than the module's, and never half of one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from registryctl import compiled
from rendering.rootfs import PACKAGE, TREE


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


@pytest.mark.parametrize("room", [0, 20, 100])
def test_a_full_disk_leaves_the_tools_as_they_are(package: Path, room: int) -> None:
    """And nothing half, whatever fits."""
    script = (
        f"import resource, signal, sys; sys.path.insert(0, {str(TREE / PACKAGE[1:].rpartition('/')[0])!r})\n"
        "from pathlib import Path; from registryctl.compiled import compile_modules\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        f"compile_modules(Path({str(package)!r}))\n"
    )
    subprocess.run([sys.executable, "-IB", "-c", script], timeout=60, check=True)
    assert [path for path in package.rglob("*") if path.is_file() and path.suffix != ".py"] == []
    assert _imported(package)[0] == "one\ntwo\n"


def test_one_has_its_name_once_it_is_on_the_disk(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run left is in nobody's way."""
    place = _compiled(package / "__init__.py")
    new, synced = Path(f"{place}.new"), []

    def fsync(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, place.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    new.parent.mkdir()
    new.write_text("half")
    (package / "inner/__init__.py").unlink()
    compiled.compile_modules(package)
    assert synced == [(new.name, False), ("__pycache__", True)]
    assert not new.exists()


def test_what_is_no_module_is_left_out(package: Path) -> None:
    """Somebody else's, which no tool imports."""
    (package / "scratch.py").write_text("no module\n")
    (package / "zero.py").write_bytes(b"\0")
    compiled.compile_modules(package)
    assert _compiled(package / "__init__.py").is_file()
    assert not _compiled(package / "scratch.py").exists()


def test_nobody_else_writes_there(package: Path) -> None:
    """Whatever the run's own mode of new files is, and what was there."""
    (package / "__pycache__").mkdir(mode=0o777)
    before = os.umask(0)
    try:
        compiled.compile_modules(package)
    finally:
        os.umask(before)
    for module in package.rglob("*.py"):
        assert _compiled(module).parent.stat().st_mode & 0o777 == 0o755
        assert _compiled(module).stat().st_mode & 0o777 == 0o644


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
