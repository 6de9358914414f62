"""Every promise is checked in a preview and in an update."""

from __future__ import annotations

import pytest

from tests.unit.programs import VARIANTS, whole
from tests.unit.recorder import Recording


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
