"""The locked requirements agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETS = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-mutation.txt",
    "requirements-bench.txt",
    "policies/requirements.txt",
]


def pins(name: str) -> dict[str, str]:
    """Package → version."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", SETS)
def test_every_package_has_hashes_and_comes_from_the_usual_place(name: str) -> None:
    """No address is locked: everybody's own index serves it."""
    text = (ROOT / name).read_text()
    assert pins(name)
    with_hashes = re.findall(r"^([a-z0-9-]+)==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert with_hashes == re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)
    assert "://" not in text


def test_larger_sets_have_what_smaller_ones_have() -> None:
    """In the same versions: what is tested is what is used. `make lock` sees to it."""
    for small, large in (SETS[:2], SETS[1:3]):
        assert pins(small).items() <= pins(large).items()
