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
