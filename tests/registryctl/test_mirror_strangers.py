"""Keeping a mirror within its bounds, whatever strangers publish for it to fetch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.registryctl.mirrored import Mirrored
from tests.registryctl.world import IMAGE, digest_of, index

BIG = b"x" * 1000


@pytest.fixture
def mirror(memory: Path) -> Mirrored:
    """Which has fetched nothing yet."""
    return Mirrored(memory / "data")


def test_an_index_about_its_own_platform_goes_too(mirror: Mirrored) -> None:
    """Each of the two leads to the other: whoever makes such would fill the disk."""
    amd = mirror.an_image("a", "", BIG, days=40)
    about = {**index([amd]), "subject": {"mediaType": IMAGE, "digest": amd, "size": 1}}
    mirror.fetched(lambda: mirror.put("a", about), 40)
    assert len(mirror.trim(days=30).why) == 1
    mirror.trim_wholly(days=30)
    assert mirror.blobs() == set()


def test_what_was_never_fetched_is_not_looked_for(mirror: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest may name ten thousands of things, and a mirror may have thousands of such."""
    mirror.fetched(lambda: mirror.index("a", "1", *(digest_of(b"%d" % number) for number in range(1000))), 40)
    read, paths = mirror.files.read, []

    def reading(path: str, limit: int) -> bytes:
        paths.append(path)
        return read(path, limit)

    monkeypatch.setattr(mirror.files, "read", reading)
    assert list(mirror.trim(days=30).why) == ["a:1"]
    assert len(paths) < 100


def test_what_is_not_understood_counts_and_goes_as_others_do(mirror: Mirrored) -> None:
    """With all that it may need: who publishes such could else fill the disk for ever."""
    twice = b'{"schemaVersion": 2, "layers": [], "Layers": [{"digest": "%s"}]}' % digest_of(BIG).encode()
    mirror.fetched(lambda: mirror.layer("a", BIG), 40)
    mirror.fetched(lambda: mirror.put("a", twice, "odd"), 40)
    mirror.an_image("b", "1", b"own", days=2)
    assert mirror.trim(most=10_000).kept > len(BIG)
    results = mirror.trim_wholly(most=1000)
    assert (list(results[0].why), [its.faults for its in results if its.faults]) == (["a:odd"], [])
    assert mirror.blobs() == mirror.pull("b", "1")
