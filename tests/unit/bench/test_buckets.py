"""What the benchmark of buckets makes of its samples."""

from __future__ import annotations

from collections import Counter
from typing import cast

import pytest

from bench.buckets import CLEAN_UP, COLLECTOR, SIZES, TAGS, Cost, promised, tables
from bench.store import Asked, counted
from tests.e2e.object_store import ObjectStore


class _Store:
    """One that counts."""

    def __init__(self) -> None:
        self.found = Counter({"GET": 5, "LIST": 2})

    def requests(self) -> Counter[str]:
        return self.found


def test_what_is_asked_meanwhile() -> None:
    """By kinds, also those that were not there before; what was before does not count."""
    store = _Store()

    def act() -> float:
        store.found = Counter({"GET": 7, "HEAD": 1, "LIST": 5, "PUT": 1, "POST": 2, "COPY": 1, "DELETE": 1})
        return 1.5

    assert counted(cast("ObjectStore", store), act) == (1.5, Asked(reads=3, writes=5, lists=3))


@pytest.mark.parametrize(("power", "kept"), [(1, True), (2, False)])
def test_only_linear_growth_is_kept(power: int, kept: bool) -> None:
    """In time as in requests."""
    costs = {size: [Cost(1e-3 * size**power, size**power)] for size in SIZES}
    assert {one.kept for one in promised({CLEAN_UP: costs, TAGS: costs})} == {kept}


def test_what_did_not_end_has_no_figure() -> None:
    """And what did at a smaller size has one."""
    found = {CLEAN_UP: {size: [Cost(1, 2)] for size in SIZES}, COLLECTOR: {SIZES[0]: [Cost(3, 4)]}}
    for table in tables(found):
        assert [cell is None for cell in table.rows[COLLECTOR]] == [False, True, True, True]
        assert None not in table.rows[CLEAN_UP]
