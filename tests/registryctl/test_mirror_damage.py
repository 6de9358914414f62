"""Keeping a mirror within its bounds, where a disk has lost what a manifest was: it can be fetched anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from registryctl.mirrors.choice import GRACE
from registryctl.storage import Unreadable
from tests.registryctl.mirrored import DAY, QUARTER, Mirrored
from tests.registryctl.world import digest_of

OWN, SHARED = digest_of(b"own"), digest_of(b"shared")


@pytest.fixture
def mirror(memory: Path) -> Mirrored:
    """With an image of two layers that is in use, and another one that has one of them."""
    found = Mirrored(memory / "data")
    found.an_image("a", "1", b"own", b"shared", days=40)
    found.used("a", "1", 1)
    found.an_image("a", "2", b"shared", days=2)
    return found


def _damage(mirror: Mirrored, digest: str, days: float = 20) -> None:
    mirror.blob_file(digest).write_bytes(b"?")
    mirror.aged([mirror.blob_file(digest)], days)


def test_a_damaged_manifest_goes_and_can_be_fetched_anew(mirror: Mirrored) -> None:
    """The mirror, which never writes one that is there, would ask the other registry for it for ever."""
    digest = mirror.tags("a")["1"]
    content = mirror.blob_file(digest).read_bytes()
    _damage(mirror, digest)
    dry = mirror.a_run(None, mirror.bounds(days=30), lambda _: None).dry()
    assert (dry.why, mirror.has(digest)) == ({f"a@{digest}": "damaged"}, True)
    result = mirror.trim(days=30)
    assert (result.why, result.faults, result.freed) == (dry.why, [], 1)
    assert (mirror.has(digest), set(mirror.tags("a"))) == (False, {"1", "2"})
    # Whoever pulls it within an hour finds its layers.
    mirror.now += GRACE - QUARTER
    assert mirror.trim(days=30).why == {}
    mirror.blob(content)
    assert OWN in mirror.pull("a", "1")
    mirror.trim_wholly(days=30)
    assert OWN in mirror.pull("a", "1")


def test_what_only_a_damaged_manifest_needed_goes_later(mirror: Mirrored) -> None:
    """Where nobody pulls it again. What others need stays."""
    _damage(mirror, mirror.tags("a")["1"])
    mirror.trim_wholly(days=30)
    assert OWN not in mirror.blobs()
    assert SHARED in mirror.pull("a", "2")
    mirror.now += 31 * DAY
    mirror.trim_wholly(days=30)
    assert mirror.blobs() == set()


def test_one_that_was_just_written_may_not_be_whole_yet(mirror: Mirrored) -> None:
    """It is left alone for an hour, with what it may need."""
    digest = mirror.tags("a")["1"]
    _damage(mirror, digest, 0.01)
    result = mirror.trim(days=30)
    assert (result.why, result.kept) == ({}, sum(mirror.sizes().values()))
    assert mirror.link_file("a", "_layers", OWN).exists()
    mirror.now += GRACE
    assert mirror.trim(days=30).why == {f"a@{digest}": "damaged"}


@pytest.mark.parametrize("child", [False, True], ids=["root", "child"])
def test_one_that_can_t_be_read_goes_by_its_age(child: bool, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that nothing else needs. Until then that counts, and stays: a disk may answer again."""
    mirror = Mirrored(memory / "data")
    part = mirror.an_image("a", "", b"x" * 1000, b"shared", days=40)
    root = mirror.fetched(lambda: mirror.index("a", "1", part), 40)
    mirror.used("a", "1", 20)
    # By the tag its parts are pulled by digest.
    mirror.pulls["a", part] = mirror.now - 20 * DAY
    mirror.an_image("a", "2", b"shared", days=1)
    lost, read = mirror.blob_file(part if child else root), mirror.files.read

    def failing(path: str, limit: int) -> bytes:
        if lost.match(f"*/{path}"):
            raise Unreadable(path)
        return read(path, limit)

    monkeypatch.setattr(mirror.files, "read", failing)
    first = mirror.trim(days=30)
    assert (first.why, len(first.faults), first.kept) == ({}, 1, sum(mirror.sizes().values()))
    mirror.trim_wholly(days=30)
    assert digest_of(b"x" * 1000) in mirror.blobs()
    sizes, kept = mirror.sizes(), mirror.pull("a", "2")
    mirror.trim_wholly(most=sum(sizes[digest] for digest in kept))
    assert mirror.blobs() == kept


def test_another_repository_with_the_same_manifest(mirror: Mirrored) -> None:
    """Gets it anew, too; it is said of both."""
    digest = mirror.tags("a")["1"]
    mirror.an_image("b", "1", b"own", b"shared", days=2)
    _damage(mirror, digest)
    assert set(mirror.trim(days=30).why) == {f"a@{digest}", f"b@{digest}"}
    assert mirror.link_file("b", "_layers", OWN).exists()
