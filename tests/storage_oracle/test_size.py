"""Time, memory and hold at growing sizes; `make bench PARTS=growth` goes to 100,000 tags and 1,000,000 blobs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tests.storage_oracle.size import WASTE, Cost, build, clean_up_cost, memory

pytestmark = pytest.mark.nightly

SIZES = (1_500, 6_000)
FACTOR = SIZES[1] / SIZES[0]


def test_a_storage_that_is_four_times_as_large() -> None:
    """It takes four times as long, and writes wait no longer for it."""
    small, large = (_cost(size) for size in SIZES)
    for _ in range(2):
        # Another process at work makes it longer, and nothing makes it shorter.
        if large.held >= max(small.held * 1.5, 0.5):
            large = _cost(SIZES[1])
    assert small.blobs == large.blobs == WASTE * 10
    assert large.work < small.work * FACTOR * 1.3
    assert large.held < max(small.held * 1.5, 0.5)
    assert large.mebibytes < 100


def _cost(size: int) -> Cost:
    root = Path(tempfile.mkdtemp(prefix="storage-size-", dir=memory()))
    try:
        build(root, size)
        return clean_up_cost(root)
    finally:
        shutil.rmtree(root)
