"""Deletion beside pushes and other tools: what changed meanwhile stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.artifacts import image
from tests.registryctl.stored import StoredHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> StoredHost:
    """A host of a registry into which nothing was pushed."""
    return StoredHost(tmp_path, monkeypatch, kind)


def test_another_tool_is_waited_for_and_told_apart(host: StoredHost) -> None:
    """A dry run waits for nobody."""
    host.push("r", image("one"), "a")
    host.barrier.busy = True
    done = host.remove("r:a")
    assert (done.code, done.word) == (16, "BUSY")
    assert host.remove("--dry-run", "r:a").code == 0
    host.barrier.busy, host.barrier.refuses = False, True
    done = host.remove("r:a")
    assert (done.code, done.word) == (16, "BUSY")
    assert "nothing was deleted" in done.err
    assert set(host.tags("r")) == {"a"}


def test_nobody_is_kept_out_for_a_look(host: StoredHost) -> None:
    """Neither for one that ends in a refusal."""
    host.push("r", image("one"), "a")
    for words in (["--dry-run", "r:a"], ["r:nope"]):
        host.remove(*words)
    assert host.barrier.taken == []
    host.remove("r:a")
    assert host.barrier.taken == ["turn", "closed"]


@pytest.mark.parametrize("when", ["before_turn", "within"])
def test_a_tag_that_moves_meanwhile_is_kept(host: StoredHost, when: str) -> None:
    """It was another image that was to go; the rest goes."""
    host.push("r", image("one"), "a")
    host.push("r", image("other"), "b")

    def move() -> None:
        host.push("r", image("two"), "a")
        host.barrier.written += [
            b"1 PUT r manifest a",
            f"1 DONE r manifest {image('two').digest}".encode(),
        ]

    setattr(host.barrier, when, move)
    done = host.remove("r:a", "r:b")
    assert (done.code, done.word) == (15, "CHANGED")
    assert done.out.count("keep   r:a ") == 1
    assert host.tags("r") == {"a": image("two").digest}
    assert host.has("r", image("two"))


@pytest.mark.parametrize("when", ["before_turn", "within"])
def test_an_image_that_gets_a_tag_meanwhile_is_kept(host: StoredHost, when: str) -> None:
    """Somebody promoted it between the look and the deletion; the tag that was to go goes."""
    one = host.push("r", image("one"), "a")

    def promote() -> None:
        host.push("r", one, "promoted")
        host.barrier.written += [b"1 PUT r manifest promoted", f"1 DONE r manifest {one.digest}".encode()]

    setattr(host.barrier, when, promote)
    host.remove("r:a")
    assert host.tags("r") == {"promoted": one.digest}
    assert host.has("r", one)


def test_a_pattern_is_bounded_where_nobody_is_asked(host: StoredHost) -> None:
    """Names that were written down are not, nor what is said to be meant."""
    for number in range(4):
        host.push("r", image(f"number {number}"), f"t{number}")
    host.facts["gc"]["maxShare"] = 50
    before = host.tree()
    done = host.remove("r:*")
    assert (done.code, done.word, host.tree()) == (17, "TOO_MUCH", before)
    assert "more than gc.maxShare (50 %)" in done.err
    assert host.remove("r:t0", "r:t1", "r:t2").code == 0
    assert host.remove("--force", "r:*").code == 0
    assert host.tags("r") == {}
