"""Every promise is checked in a preview and in an update."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest

from tests.unit.programs import VARIANTS, whole
from tests.unit.recorder import Recording

STATS = os.environ.get("MUTANT_UNDER_TEST") == "stats"
"""Whether mutation testing is finding out which tests reach which code."""


@pytest.fixture(scope="session")
def kept() -> list[Callable[[], None]]:
    """What empties the caches of these tests."""
    modules = [module for name, module in sys.modules.items() if name.startswith("tests.unit")]
    found = {id(value): value for module in modules for value in vars(module).values()}.values()
    return [value.cache_clear for value in found if hasattr(value, "cache_clear")]


if STATS:

    @pytest.fixture(autouse=True)
    def nothing_kept(kept: list[Callable[[], None]]) -> None:
        """No test lives on what another one has kept: each reaches all the code that it depends on."""
        for clear in kept:
            clear()


@pytest.fixture(params=[True, False], ids=["preview", "update"])
def preview(request: pytest.FixtureRequest) -> bool:
    """Whether the program runs for a preview or for an update."""
    return bool(request.param)


@pytest.fixture(params=list(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    """The name of a stack."""
    return str(request.param)


@pytest.fixture
def run(variant: str, preview: bool) -> Recording:
    """The whole program, run with the stack."""
    return whole(variant, preview)
