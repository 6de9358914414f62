"""What tests of more than one tool stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A storage into which nothing was pushed yet."""
    return Storage(tmp_path / "v2")
