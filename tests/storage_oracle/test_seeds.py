"""Random storages: nothing needed goes, nothing unneeded and readable stays. `make oracle` tries all 20,000."""

from __future__ import annotations

import pytest

from tests.examples import examples
from tests.storage_oracle import running
from tests.storage_oracle.trials import try_all

COUNTS = {"files": examples(80, 300), "objects": examples(25, 100)}
"""A bucket takes six times as long, and who plans and removes is the same code."""


@pytest.mark.parametrize("kind", running.KINDS)
def test_random_storages(kind: str) -> None:
    """`make oracle FIRST=SEED COUNT=1` tries one of them again, as files; `KIND=objects` in a bucket."""
    wrong = {seed: found for seed, found in try_all(range(COUNTS[kind]), kind=kind) if found}
    shown = [f"seed {seed}: {found[0]}" for seed, found in list(wrong.items())[:10]]
    assert not wrong, f"{len(wrong)} of {COUNTS[kind]} storages:\n" + "\n".join(shown)
