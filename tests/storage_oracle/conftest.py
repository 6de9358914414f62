"""What the tests of the oracle share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage_oracle import running


@pytest.fixture(params=running.KINDS)
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    """What the storage of a test is to the tools."""
    running.use(request.param)
    yield request.param
    running.use("files")
