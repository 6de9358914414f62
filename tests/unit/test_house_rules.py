"""The rules of this house, as far as they can be read off the source."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.__main__ import main as lab_main

ROOT = Path(__file__).parents[2]
LONGEST = 300
LONGEST_SHELL = 40
MOST_NEEDED = 5
COMPONENTS = sorted((ROOT / "components").glob("*.py"))
PROGRAM = [
    ROOT / "__main__.py",
    *sorted(p for d in ("components", "config", "rendering") for p in (ROOT / d).glob("*.py")),
]
SOURCES = [
    *PROGRAM,
    *sorted(p for d in ("policies", "review") for p in (ROOT / d).glob("*.py")),
    *sorted((ROOT / "tests").rglob("*.py")),
]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _classes(path: Path) -> Iterator[ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            yield node


@pytest.mark.parametrize("path", COMPONENTS, ids=_name)
def test_a_file_has_one_component(path: Path) -> None:
    """At most."""
    components = [c.name for c in _classes(path) if "pulumi.ComponentResource" in map(ast.unparse, c.bases)]
    assert len(components) <= 1


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_file_is_short(path: Path) -> None:
    """Three hundred lines at most."""
    assert len(path.read_text().splitlines()) <= LONGEST


def test_programs_for_a_host_are_python_or_short_shell() -> None:
    """Below rootfs: forty lines at most, and no other language that somebody would have to know."""
    found = {path: path.read_text() for path in (ROOT / "rootfs").rglob("*") if _is_program(path)}
    kinds = {_name(path): text.partition("\n")[0] for path, text in found.items()}
    assert set(kinds.values()) == {"#!/bin/sh", "#!/usr/bin/env -S python3 -IB"}
    shell = {_name(path): len(text.splitlines()) for path, text in found.items() if kinds[_name(path)] == "#!/bin/sh"}
    assert {name: lines for name, lines in shell.items() if lines > LONGEST_SHELL} == {}


def _is_program(path: Path) -> bool:
    """By how it begins; modules and what nginx reads are no programs."""
    return path.is_file() and path.read_bytes().startswith(b"#!")


@pytest.mark.parametrize("path", COMPONENTS, ids=_name)
def test_arguments_are_frozen(path: Path) -> None:
    """A component can't change what it was given."""
    for found in _classes(path):
        if found.name.endswith("Args"):
            assert "dataclass(frozen=True)" in map(ast.unparse, found.decorator_list), found.name


def test_only_the_loader_reads_the_configuration() -> None:
    """Components get settings, never a configuration."""
    readers = {_name(path) for path in PROGRAM if re.search(r"pulumi\.Config\b|get_config\b", path.read_text())}
    assert readers == {"config/loader.py", "config/secrets.py"}


@pytest.mark.parametrize("path", PROGRAM, ids=_name)
def test_secrets_are_read_as_secrets(path: Path) -> None:
    """`Config.require` and `Config.get` give a secret away as plain text: only the secret forms are used."""
    assert not re.search(r"\b[Cc]onfig(\([^)]*\))?\.(require|get)(_object|_int|_bool|_float)?\(", path.read_text())


@pytest.mark.parametrize("path", COMPONENTS, ids=_name)
def test_components_have_no_content_of_host_files(path: Path) -> None:
    """Files of the host lie in rootfs, where they can be read as they will be there: no shebang elsewhere."""
    assert "#!/" not in path.read_text()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\$\(LAB\) ([a-z-]+)", (ROOT / "Makefile").read_text()))))
def test_what_make_asks_of_the_lab_exists(command: str) -> None:
    """A target whose command is gone is noticed here."""
    with pytest.raises(SystemExit) as ended:
        lab_main([command, "--help"])
    assert ended.value.code == 0


def test_no_link_is_kept_in_the_tree() -> None:
    """A link that lies in a checkout by chance would lead nowhere in the next."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if line.startswith("120000 ")]


def _required(arguments: ast.arguments) -> list[str]:
    """What has to be given, besides the object itself and a resource's name and options."""
    given = [*arguments.posonlyargs, *arguments.args]
    given = given[: len(given) - len(arguments.defaults)]
    given += [one for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None]
    return [one.arg for one in given if one.arg not in ("self", "name")]


def _constructors(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each class with what its constructor needs; that of a dataclass needs its fields without a default."""
    for found in _classes(path):
        written = [one for one in found.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
        for constructor in written:
            yield found.name, _required(constructor.args)
        if any("dataclass" in ast.unparse(decorator) for decorator in found.decorator_list):
            fields = [one for one in found.body if isinstance(one, ast.AnnAssign) and one.value is None]
            yield found.name, [name for one in fields if (name := ast.unparse(one.target)) != "name"]


@pytest.mark.parametrize("path", COMPONENTS, ids=_name)
def test_a_constructor_needs_five_things_at_most(path: Path) -> None:
    """Besides name and options: what needs more is two things."""
    for name, needed in _constructors(path):
        assert len(needed) <= MOST_NEEDED, f"{name} needs {', '.join(needed)}"


def test_most_components_are_seen_by_that() -> None:
    """The rule above finds what it counts."""
    found = dict(pair for path in COMPONENTS for pair in _constructors(path))
    assert found["NginxFiles"] == ["args", "host", "volumes", "adoption", "certificate"]
    assert found["HostArgs"] == ["settings", "site", "network", "storage", "private_key"]
