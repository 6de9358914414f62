"""A run that keeps a mirror within its bounds, cut off at every call."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from registryctl.mirrors.choice import GRACE
from registryctl.storage import StorageError
from tests.registryctl.faults import KilledError
from tests.registryctl.mirror_faults import FaultyMirror
from tests.registryctl.mirrored import QUARTER, Mirrored


def _storage(root: Path) -> Mirrored:
    """Something of everything, about to go."""
    mirror = Mirrored(root)
    amd, arm = (mirror.an_image("a", "", name, b"shared", days=40) for name in (b"amd", b"arm"))
    mirror.fetched(lambda: mirror.index("a", "old", amd, arm), 40)
    mirror.fetched(lambda: mirror.index("a", "new", arm), 2)
    mirror.an_image("b", "1", b"shared", b"b", days=40)
    mirror.fetched(lambda: mirror.layer("b", b"loose"), 40)
    mirror.fetched(lambda: mirror.blob(b"lone"), 40)
    return mirror


@pytest.mark.parametrize(("error", "step"), [(KilledError(), 1), (StorageError("no"), 4)], ids=["killed", "failing"])
def test_cut_off_anywhere_what_is_left_serves(error: BaseException, step: int, memory: Path) -> None:
    """And later runs do the rest. What stays can be pulled all the time, and what has a link is there."""
    calls = 0
    while True:
        calls += step
        mirror = _storage(memory / str(calls))
        faulty = FaultyMirror(mirror.files, calls, error)
        with contextlib.suppress(KilledError, StorageError):
            mirror.trim(days=30, storage=faulty)
        assert mirror.pull("a", "new")
        mirror.now += QUARTER
        mirror.trim(days=30)
        assert mirror.aside() == []
        assert mirror.dangling() == set()
        for _ in range(4):
            mirror.now += GRACE
            mirror.trim(days=30)
        assert mirror.pull("a", "new") == mirror.blobs()
        assert mirror.repositories() == {"a"}
        if faulty.calls < calls:
            break
    assert calls > 20
