"""The order in which things go, and what a run that is cut short leaves."""

from __future__ import annotations

import pytest

from registryctl import trash
from registryctl.act import Outcome, RefusedError, Rules, carry_out
from registryctl.files import FileStorage
from registryctl.layout import TRASH
from registryctl.plan import Fresh, Plan, RepositoryPlan
from registryctl.storage import NoRoom, Unreadable
from registryctl.take import Taker
from registryctl.trash import Contents
from tests.registryctl.world import NOW, Gate, Notes, World, clean_up, digest_of, remove

ONE, TWO, THREE = (digest_of(name) for name in (b"one", b"two", b"three"))
TOP = "docker/registry/v2/repositories/"


class Watched(FileStorage):
    """Notes what is done, and fails at one path."""

    def __init__(self, world: World, fails: str = "", error: Exception | None = None) -> None:
        super().__init__(world.root)
        self.done: list[str] = []
        self._fails = fails
        self._error = error or Unreadable("it is kept")

    def remove(self, path: str) -> None:
        if self._fails and self._fails in path:
            raise self._error
        super().remove(path)
        self.done.append(path.removeprefix(TOP))

    def settle(self) -> dict[str, str]:
        self.done.append("settled")
        return super().settle()

    def write(self, path: str, data: bytes, time: int | None = None) -> None:
        if self._fails and self._fails in path:
            raise self._error
        super().write(path, data, time)
        self.done.append("recorded" if path.startswith(TRASH) else path)


def part(digest: str) -> str:
    """As it lies."""
    return digest.replace(":", "/")


def filled(world: World) -> RepositoryPlan:
    """A repository with one link of each kind, and a plan for all."""
    for path in (
        f"_manifests/tags/1.0/index/{part(ONE)}",
        "_manifests/tags/1.0/current",
        f"_manifests/revisions/{part(ONE)}/signatures/{part(TWO)}",
        f"_manifests/revisions/{part(ONE)}",
        f"_layers/{part(TWO)}",
        f"_layers/{part(THREE)}",
    ):
        world.link(f"a/{path}", ONE)
    its = RepositoryPlan("a", tags={"1.0": ONE}, entries={"1.0": [ONE]}, revisions={ONE: ONE}, empty=True)
    its.signatures, its.layers, its.loose = {ONE: {TWO: ONE}}, {TWO: TWO}, {THREE: THREE}
    return its


STAGES = [
    [f"a/_manifests/tags/1.0/index/{part(ONE)}/link", "a/_manifests/tags/1.0/current/link"],
    [f"a/_manifests/revisions/{part(ONE)}/signatures/{part(TWO)}/link", f"a/_manifests/revisions/{part(ONE)}/link"],
    [f"a/_layers/{part(TWO)}/link", f"a/_layers/{part(THREE)}/link"],
]


def test_links_go_in_their_order(world: World) -> None:
    """Each kind durably before the next; nothing is left of the repository."""
    its = filled(world)
    storage = Watched(world)
    taker = Taker(storage, Plan({"a": its}))
    taker.links()
    assert storage.done == [*STAGES[0], "settled", *STAGES[1], "settled", *STAGES[2], "settled"]
    (world.v2 / "repositories/a/_uploads/x").mkdir(parents=True)
    taker.directories()
    assert (list((world.v2 / "repositories").iterdir()), taker.failed) == ([], [])


@pytest.mark.parametrize("at", range(6))
def test_what_follows_one_that_stays_stays(world: World, at: int) -> None:
    """In its repository, with the blobs that its links lead to; others go on."""
    its = filled(world)
    paths = [path for stage in STAGES for path in stage]
    for digest in (ONE, TWO, THREE):
        world.file(f"blobs/sha256/{digest[7:9]}/{digest[7:]}/data", b"x")
    free = world.blob(b"free")
    world.link(f"b/_layers/{part(ONE)}", ONE)
    storage = Watched(world, paths[at])
    taker = Taker(storage, Plan({"a": its, "b": RepositoryPlan("b", loose={ONE: ONE})}))
    taker.links()
    gone = [path for path in storage.done if path.startswith("a/")]
    assert gone == paths[:at]
    assert f"b/_layers/{part(ONE)}/link" in storage.done
    assert taker.failed == ["it is kept"]
    assert taker.blobs({ONE: 10, TWO: 100, THREE: 1000, free: 4}) == 4
    assert [world.has(digest) for digest in (ONE, TWO, THREE, free)] == [True, True, True, False]
    taker.directories()
    assert (world.v2 / "repositories/a").is_dir()


def test_a_blob_that_stays_is_not_freed(world: World) -> None:
    """The others are; one that is gone already is no failure."""
    one, two = world.blob(b"one"), world.blob(b"two")
    taker = Taker(Watched(world, one[7:]), Plan())
    assert taker.blobs({one: 3, two: 5, THREE: 7}) == 12
    assert taker.failed == ["it is kept"]
    assert world.blobs() == {one}
    assert not world.blob_file(two).parent.exists()


def test_while_a_record_stays_so_do_all_blobs(world: World) -> None:
    """Any may be its own."""
    names = ["20260101T000000Z", "20260102T000000Z"]
    for name in names:
        trash.save(world.storage, Contents(name, "rm"))
    plan = Plan(records=names, blobs={ONE: 1})
    storage = Watched(world, names[0])
    assert Taker(storage, plan).records() == names[1:]
    assert (plan.blobs, storage.done) == ({}, [f"trash/{names[1]}.json", "settled"])
    plan = Plan(records=names[:1], blobs={ONE: 1})
    assert Taker(world.storage, plan).records() == names[:1]
    assert plan.blobs == {ONE: 1}
    storage = Watched(world)
    assert Taker(storage, Plan()).records() == []
    assert storage.done == []


def test_the_record_is_there_before_anything_goes(world: World) -> None:
    """And older ones have gone by then; blobs come last."""
    world.image("a", "1.0", b"old")
    remove(world, "a", "1.0")
    world.image("b", "", b"new")
    storage = Watched(world)
    outcome = clean_up(world, days=7, now=NOW + 7 * 86400, storage=storage)
    kinds = [
        "record" if path.startswith("trash") else "blob" if "/blobs/" in path else path
        for path in storage.done
        if path in ("recorded", "settled") or "/blobs/" in path or path.startswith("trash")
    ]
    # What the older one held goes; what this one holds is put aside.
    assert kinds == ["record", "settled", "recorded", "settled", "settled", "settled", "blob", "blob", "blob"]
    assert outcome.run == "20270122T080000Z"
    assert outcome.records == ["20270115T080000Z"]
    assert (outcome.acted, outcome.without_record, outcome.failed, outcome.changed) == (True, False, [], [])


@pytest.mark.parametrize("needs", [True, False])
def test_without_room_for_a_record(world: World, needs: bool) -> None:
    """Others refuse, and all records stay. For a clean-up older ones make some, the oldest first; then it goes on."""
    older = ["20260101T000000Z", "20260102T000000Z"]
    for name in older:
        trash.save(world.storage, Contents(name, "rm"))
    world.link("a/_manifests/tags/1.0/current", ONE)
    plan = Plan({"a": RepositoryPlan("a", tags={"1.0": ONE})}, aside={ONE: 1})
    storage = Watched(world, "2027", NoRoom("full"))
    rules = Rules("rm", needs_record=needs, now=lambda: NOW)
    if needs:
        with pytest.raises(RefusedError) as error:
            carry_out(storage, Gate(), lambda _: plan, rules)
        assert str(error.value) == "there is no room to note what would go; registry-gc frees space"
        assert error.value.code == 1
        assert world.tags("a") == {"1.0": ONE}
        assert trash.runs(world.storage) == older
    else:
        outcome = carry_out(storage, Gate(), lambda _: plan, rules)
        assert outcome.records == older
        assert (outcome.run, outcome.without_record) == (None, True)
        assert world.tags("a") == {}
        assert trash.runs(world.storage) == []


def test_no_more_records_go_than_it_takes(world: World) -> None:
    """The newest stays where that is enough."""

    class Once(Watched):
        """Has room once a record went."""

        def write(self, path: str, data: bytes, time: int | None = None) -> None:
            if len(trash.runs(self)) > 1:
                raise NoRoom("full")
            super().write(path, data, time)

    for name in ("20260101T000000Z", "20260102T000000Z"):
        trash.save(world.storage, Contents(name, "rm"))
    world.link("a/_manifests/tags/1.0/current", ONE)
    plan = Plan({"a": RepositoryPlan("a", tags={"1.0": ONE})})
    outcome = carry_out(Once(world), Gate(), lambda _: plan, Rules("rm", now=lambda: NOW))
    assert (outcome.records, outcome.run) == (["20260101T000000Z"], "20270115T080000Z")
    assert trash.load(world.storage, "20270115T080000Z").reason == "rm"


def test_each_step_knows_the_plan(world: World) -> None:
    """It is checked, told, and checked again behind the barrier; nothing to do closes nothing."""
    plan, gate, seen = Plan(blobs={ONE: 1}), Gate(), list[tuple[str, int]]()

    def note(what: str, its: Plan) -> None:
        assert its is plan
        seen.append((what, gate.closed_times))

    rules = Rules("gc", check=lambda its: note("check", its), announce=lambda its: note("told", its), now=lambda: NOW)
    outcome = carry_out(world.storage, gate, lambda _: plan, rules)
    assert seen == [("check", 0), ("told", 0), ("check", 1)]
    assert outcome.plan is plan
    assert 0 < outcome.held < 60
    assert outcome.run is None
    idle = carry_out(world.storage, gate, lambda _: Plan(faults=["x"]), rules)
    assert (idle.acted, idle.skipped, gate.closed_times) == (False, ["x"], 1)
    assert Outcome(Plan(faults=["x"]), failed=["y"]).skipped == ["x", "y"]


def test_the_plan_is_made_anew_by_what_is_known_then(world: World) -> None:
    """Once more behind the barrier, where a journal is not whole."""
    asked: list[Fresh] = []
    gate = Gate([Notes("1", whole=False, text=[f"{NOW} PUT a blob {ONE}"])])

    def make(fresh: Fresh) -> Plan:
        asked.append(fresh)
        return Plan(blobs={ONE: 1})

    carry_out(world.storage, gate, make, Rules("gc", now=lambda: NOW + 5))
    assert asked == [Fresh({"a": frozenset({ONE})}, unknown=True)] * 2
    # One that misses lines and lives is ended, though nothing is to go: the next one misses none.
    gate = Gate([Notes("1", whole=False)])
    assert carry_out(world.storage, gate, lambda _: Plan(), Rules("gc", now=lambda: NOW)).acted
    assert gate.closed_times == 1


def test_journals_of_the_last_day_are_kept(world: World) -> None:
    """To the second; one that came since then is too."""
    for seconds, forgotten in ((86399, []), (86400, ["1"])):
        gate = Gate([Notes("1", text=[f"{NOW - seconds} PUT a manifest x"])])
        carry_out(world.storage, gate, lambda _: Plan(blobs={ONE: 1}), Rules("gc", now=lambda: NOW))
        assert gate.forgotten == forgotten
