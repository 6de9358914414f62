"""How a tool gets all of a Go module but some files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import gotools, overlay
from tests.lab.run import LabError

GO_MOD = """module example.net/tool

require example.net/far v1.2.3

require example.net/near v0.0.0-00010101000000-000000000000 // indirect

replace example.net/far => ./far

replace example.net/near => ./near
"""
SUM = "h1:0="


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A tool with one module of which it has one file, and one that is its own."""
    _write(tmp_path / "tool/go.mod", GO_MOD)
    _write(tmp_path / "tool/go.sum", f"example.net/far v1.2.3 {SUM}\n")
    _write(tmp_path / "tool/far/a/ours.go", "package a")
    _write(tmp_path / "tool/near/go.mod", "module example.net/near")
    _write(tmp_path / "cache/a/ours.go", "package a // theirs")
    _write(tmp_path / "cache/go.mod", "module example.net/far")
    return tmp_path / "tool"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _go(module: Path, checksum: str) -> str:
    """A command that says where the cache has the module."""
    command = module.parent / "go"
    answer = f'{{"Dir": "{module.parent / "cache"}", "Sum": "{checksum}"}}'
    _write(command, f"#!/bin/sh\n[ \"$*\" = 'mod download -json example.net/far@v1.2.3' ] && echo '{answer}'\n")
    command.chmod(0o700)
    return str(command)


def test_what_a_folder_lacks_is_the_modules_own(module: Path) -> None:
    """And nothing else: its own file stays, and so does a module that is all its own."""
    found = overlay.overlay(_go(module, SUM), module, "test-overlay")
    assert found == {str(module / "far/go.mod"): str(module.parent / "cache/go.mod")}


def test_a_module_with_another_sum_is_refused(module: Path) -> None:
    """Go itself does not look at the sum of a module that is replaced."""
    with pytest.raises(LabError, match="another sum"):
        overlay.overlay(_go(module, "h1:1="), module, "test-overlay")


def test_a_tool_is_built_anew_for_its_own_files(module: Path) -> None:
    """Not only for go.mod and go.sum."""
    before = gotools._key(module)
    (module / "far/a/ours.go").write_text("package a // changed")
    assert gotools._key(module) != before
