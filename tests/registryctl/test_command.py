"""What registry-gc prints and ends with."""

from __future__ import annotations

import json

import pytest

from registryctl.clean_up import CleanUp, Means, Options
from registryctl.journals import BarrierError, BusyError
from tests.registryctl.world import NOW, Gate, World


class Call:
    """A call of the tool, and all that it said."""

    def __init__(self, world: World, options: Options, gate: Gate | None = None) -> None:
        self.said: list[str] = []
        self.complaints: list[str] = []
        self.notes: list[str] = []
        self.gate = gate or Gate()
        means = Means(
            world.storage, self.gate, self.said.append, self.complaints.append, self.notes.append, lambda: NOW
        )
        self.code = CleanUp(means, options).run()


def test_a_dry_run_tells_what_a_run_removes(world: World) -> None:
    """And changes nothing."""
    digest = world.image("a", "", b"x")
    blobs, tree = world.blobs(), world.tree()
    dry = Call(world, Options(trash_days=0, max_share=100, dry=True))
    assert (dry.code, dry.notes, dry.gate.closed_times) == (0, [], 0)
    assert world.tree() == tree
    assert {line.split()[1] for line in dry.said if line.startswith("blob ")} == blobs
    assert f"manifest a@{digest}" in dry.said
    assert "empty repository a" in dry.said
    assert dry.said[-1] == "would go: 3 blobs with 0.0 MB, 1 empty repository"
    real = Call(world, Options(trash_days=0, max_share=100))
    assert real.code == 0
    assert real.said[0] == "to go: 3 blobs with 0.0 MB, 1 empty repository"
    assert real.said[-1] == "removed 0.0 MB and 1 empty repository; writes waited for 0 s"
    assert [note.split()[0] for note in real.notes] == ["unfinished", "ok"]
    assert real.notes[-1].split()[2].startswith("freed=")
    assert Call(world, Options(trash_days=0)).said == ["nothing to remove"]


def test_too_much_at_once(world: World) -> None:
    """Is refused, unless it is wanted."""
    world.image("a", "", b"x" * 2_000_000)
    for dry in (True, False):
        refused = Call(world, Options(trash_days=0, max_share=1, dry=dry))
        assert refused.code == 3
        assert "2.0 MB of 2.0 MB would go, more than gc.maxShare (1 %)" in refused.complaints[0]
        assert refused.gate.closed_times == 0
    assert refused.notes[-1].endswith("code=3")
    assert Call(world, Options(trash_days=0, max_share=1, force=True)).code == 0
    assert world.blobs() == set()


def test_what_is_not_known_is_named(world: World) -> None:
    """The run is done all the same, and ends with a code of its own."""
    digest = world.image("a", "lost", b"x")
    world.blob_file(digest).unlink()
    world.image("b", "", b"y")
    call = Call(world, Options(trash_days=0, max_share=100))
    assert call.code == 6
    assert f"stays: a:lost {digest}: it is missing" in call.said
    assert call.notes[-1].endswith("skipped=1")
    assert world.repositories() == {"a"}


@pytest.mark.parametrize(("error", "code"), [(BarrierError, 4), (BusyError, 75)])
def test_a_barrier_that_does_not_close(world: World, error: type[BarrierError], code: int) -> None:
    """Ends the run."""
    world.image("a", "", b"x")

    def fail() -> None:
        raise error("no")

    call = Call(world, Options(max_share=100), Gate(closing=fail))
    assert (call.code, call.complaints) == (code, ["gc: no"])
    assert world.repositories() == {"a"}


def test_json(world: World) -> None:
    """One document, and nothing else."""
    digest = world.image("a", "", b"x")
    call = Call(world, Options(max_share=100, as_json=True))
    (text,) = call.said
    found = json.loads(text)
    assert digest in found["aside"]
    assert found["run"]


def test_nothing_was_pushed_yet(world: World) -> None:
    """That is no fault."""
    for path in ("repositories", "blobs"):
        (world.v2 / path).rmdir()
    call = Call(world, Options())
    assert (call.code, call.said) == (0, ["nothing was pushed yet"])
