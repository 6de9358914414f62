"""What comes back of a backup of which restic can't list all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from registryctl.restic import ResticError
from tests.registryctl.backed import Backed
from tests.registryctl.fake_restic import FakeRestic

NAME = "team/app"


def test_a_damaged_directory_costs_only_what_is_in_it(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restic lists nothing behind it."""
    broken = fast.world.image(NAME, "1.0", b"layer")
    fast.world.image(NAME, "2.0", b"another")
    fast.take()
    for file in (fast.folder / "repository/trees").rglob(f"blobs/sha256/*/{broken.partition(':')[2]}/data"):
        shutil.rmtree(file.parents[1])
    lines = FakeRestic.lines

    def broken_off(self: FakeRestic, *words: str) -> Iterator[dict[str, Any]]:
        yield next(lines(self, *words))
        raise ResticError("DAMAGED", "a tree could not be loaded")

    monkeypatch.setattr(FakeRestic, "lines", broken_off)
    world, restored = fast.restored()
    assert (list(restored.placed.broken), restored.damage) == ([f"{NAME}:1.0"], "a tree could not be loaded")
    world.pull(NAME, "2.0")


def test_a_listing_that_does_not_come_is_no_damage(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run has it."""
    fast.world.image(NAME, "1.0", b"layer")
    fast.take()

    def away(*_: object) -> Iterator[dict[str, Any]]:
        raise ResticError("UNREACHABLE", "the repository is not reached")

    with monkeypatch.context() as patch:
        patch.setattr(FakeRestic, "lines", away)
        with pytest.raises(ResticError):
            fast.restored()
    assert not fast.restored()[1].damage
