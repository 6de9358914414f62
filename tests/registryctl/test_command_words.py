"""The very words of registry-gc, and the document that programs read."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from registryctl.act import RefusedError
from registryctl.clean_up import Options, check_share, counted, megabytes
from registryctl.gc import Limits, plan_clean_up
from registryctl.plan import Fresh, Plan, RepositoryPlan
from registryctl.storage import NoRoom
from tests.registryctl.test_command import Call
from tests.registryctl.world import NOW, Gate, World, digest_of, remove

MEGABYTES = b"x" * 2_000_000
ALL = Options(trash_days=7, max_share=100)
WHEN = datetime.fromtimestamp(NOW).astimezone().isoformat(timespec="seconds")


def test_a_run_with_a_record(world: World) -> None:
    """Says what it puts aside, how it comes back, and what status reads."""
    world.image("a", "", MEGABYTES)
    call = Call(world, ALL)
    assert (call.code, call.complaints) == (0, [])
    assert call.said == [
        "to go: 0 blobs with 0.0 MB, 1 empty repository, put aside: 2.0 MB",
        "registryctl undo 20270115T080000Z brings back what was removed",
        "removed 0.0 MB and 1 empty repository; writes waited for 0 s",
    ]
    assert call.notes == [f"unfinished {WHEN}", f"ok {WHEN} freed=0 held=0 skipped=0"]
    idle = Call(world, ALL)
    assert (idle.said, idle.gate.closed_times) == (["nothing to remove"], 0)


def test_older_records_that_had_to_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before their time, for space: that is said, and noted."""
    runs = []
    for tag in ("1.0", "2.0"):
        world.image("a", tag, tag.encode() * 1_000_000)
        runs.append(remove(world, "a", tag).run)
    full = Options(trash_days=7, max_share=100, warn_percent=0)
    call = Call(world, full)
    assert f"1 older record went ({runs[0]}): those removals can't be undone any more" in call.said
    assert call.notes[-1].endswith(" held=0 skipped=0 early=1")
    assert "freed=3000" in call.notes[-1]
    world.image("a", "", b"x")
    monkeypatch.setattr("registryctl.trash.save", _no_room)
    call = Call(world, full)
    assert "there was no room for a record: this can't be undone" in call.said
    assert f"1 older record went ({runs[1]}): those removals can't be undone any more" in call.said
    assert call.notes[-1].endswith(" skipped=0 early=1 unrecorded")


def _no_room(*_: object) -> None:
    raise NoRoom("no space left")


def test_records_that_went_in_their_time(world: World) -> None:
    """Are not early: seven days to the second."""
    world.image("a", "1.0", b"x")
    run = remove(world, "a", "1.0").run
    assert run
    old = "20270108T080000Z"
    (world.root / f"trash/{run}.json").rename(world.root / f"trash/{old}.json")
    call = Call(world, ALL)
    assert f"1 older record went ({old}): those removals can't be undone any more" in call.said
    assert "early" not in call.notes[-1]


def test_what_stays_is_said(world: World) -> None:
    """What is not known, and what changed meanwhile."""
    digest = world.image("a", "", b"x")
    world.file("blobs/note", b"x")
    gate = Gate()

    def push() -> None:
        world.put("a", world.blob_file(digest).read_bytes(), "1.0")
        gate.wrote("PUT a manifest 1.0")

    gate.closing = push
    call = Call(world, ALL, gate)
    assert call.code == 6
    assert call.said[1:3] == [
        "stays: docker/registry/v2/blobs/note is no blob",
        f"stays: a@{digest} changed meanwhile",
    ]
    dry = Call(world, Options(dry=True))
    assert (dry.code, dry.said) == (
        6,
        ["stays: docker/registry/v2/blobs/note is no blob", "would go: 0 blobs with 0.0 MB, 0 empty repositories"],
    )


@pytest.mark.parametrize(
    ("dry", "words"),
    [
        (True, "a run without --force refuses that; registry-gc --force does it"),
        (False, "registry-gc --dry-run shows what; registry-gc --force does it"),
    ],
)
def test_too_much_at_once(world: World, dry: bool, words: str) -> None:
    """And what to do about it."""
    world.image("a", "", MEGABYTES)
    call = Call(world, Options(trash_days=0, max_share=50, dry=dry))
    refused = "gc: 2.0 MB of 2.0 MB would go, more than gc.maxShare (50 %); nothing was removed."
    assert call.complaints == [f"{refused} {words}"]
    assert call.code == 3
    assert call.notes == ([] if dry else [f"unfinished {WHEN}", f"failed {WHEN} code=3"])
    assert Call(world, Options(trash_days=0, max_share=50, dry=dry, force=True)).code == 0


def test_half_is_not_more_than_half() -> None:
    """The bound itself may go."""
    check_share(Plan(leaving=50, total=100), 50, "")
    check_share(Plan(), 0, "")
    with pytest.raises(RefusedError) as error:
        check_share(Plan(leaving=51, total=100), 50, "do this")
    assert error.value.code == 3
    assert str(error.value) == "0.0 MB of 0.0 MB would go, more than gc.maxShare (50 %); do this"


def test_one_is_one(world: World) -> None:
    """Of whatever goes."""
    world.blob(b"x")
    assert Call(world, Options(max_share=100, dry=True)).said[-1] == (
        "would go: 1 blob with 0.0 MB, 0 empty repositories"
    )


def test_a_storage_that_fails_ends_the_run(world: World) -> None:
    """The next one goes on from there."""
    world.image("a", "", b"x")
    (world.v2 / "repositories").rename(world.v2 / "moved")
    call = Call(world, ALL)
    assert call.code == 1
    assert call.complaints == [
        "gc: there are blobs, but docker/registry/v2/repositories is not there; the next run goes on from there"
    ]
    assert call.notes[-1] == f"failed {WHEN} code=1"
    dry = Call(world, Options(dry=True))
    assert (dry.code, dry.notes) == (1, [])


def test_nothing_was_pushed_yet(world: World) -> None:
    """A dry run says so too."""
    for path in ("repositories", "blobs"):
        (world.v2 / path).rmdir()
    assert Call(world, Options(dry=True)).said == ["nothing was pushed yet"]


@pytest.mark.parametrize("dry", [True, False])
def test_json(world: World, dry: bool) -> None:
    """The same for programs: what goes, by repository, and what came of it."""
    digest = world.image("a", "", b"layer")
    world.image("b", "1.0", b"other")
    world.file("blobs/note", b"x")
    config = next(iter(world.pull("a", digest) - {digest, digest_of(b"layer")}))
    sizes = {one: world.blob_file(one).stat().st_size for one in (digest, config, digest_of(b"layer"))}
    total = sum(file.stat().st_size for file in world.v2.glob("blobs/sha256/*/*/data"))
    call = Call(world, Options(trash_days=7, max_share=100, as_json=True, dry=dry))
    (text,) = call.said
    expected: dict[str, Any] = {
        "repositories": {
            "a": {
                "tags": {},
                "manifests": {digest: None},
                "layers": sorted([config, digest_of(b"layer")]),
                "empty": True,
            }
        },
        "blobs": {},
        "aside": dict(sorted(sizes.items())),
        "records": [],
        "stays": ["docker/registry/v2/blobs/note is no blob"],
        "bytes": {"freed": 0, "leaving": sum(sizes.values()), "total": total},
    }
    found = json.loads(text)
    if not dry:
        assert 0 <= found.pop("held") < 60
        expected |= {
            "freed": 0,
            "run": "20270115T080000Z",
            "changed": [],
            "skipped": ["docker/registry/v2/blobs/note is no blob"],
            "recordsGone": [],
            "withoutRecord": False,
        }
    assert found == expected
    assert list(found["aside"]) == sorted(sizes)


def test_a_plan_by_line() -> None:
    """Tags with why, records, blobs: in order."""
    one, two = sorted((digest_of(b"one"), digest_of(b"two")))
    plan = Plan(
        repositories={
            "b": RepositoryPlan("b", tags={"y": two, "x": ""}, why={"y": "too old"}, revisions={two: two, one: one}),
            "a": RepositoryPlan("a", empty=True),
        },
        blobs={two: 1, one: 2},
        aside={two: 5, one: 6},
        records=["r2", "r1"],
        faults=["this"],
    )
    assert list(plan.lines()) == [
        "tag b:x - (asked for)",
        f"tag b:y {two} (too old)",
        f"manifest b@{one}",
        f"manifest b@{two}",
        "record r2",
        "record r1",
        f"blob {one}",
        f"blob {two}",
        f"put aside {one}",
        f"put aside {two}",
        "empty repository a",
        "stays: this",
    ]
    document: Any = plan.document()
    assert document["repositories"]["b"]["tags"] == {
        "x": {"digest": None, "why": None},
        "y": {"digest": two, "why": "too old"},
    }
    assert (list(document["repositories"]), document["bytes"]["freed"]) == (["a", "b"], 3)


@pytest.mark.parametrize("part", ["tags", "entries", "hollow", "revisions", "signatures", "layers", "loose", "empty"])
def test_whatever_goes_makes_a_plan(part: str) -> None:
    """Of it, what could be wanted back is recorded."""
    plan = RepositoryPlan("a")
    assert not plan
    setattr(plan, part, {"hollow": ["x"], "empty": True, "signatures": {"x": {}}}.get(part, {"x": "y"}))
    assert plan
    assert plan.recorded is (part in ("tags", "revisions", "layers"))
    assert Plan(repositories={"a": plan})


def test_numbers_are_for_people() -> None:
    """One is one."""
    assert [counted(number, "blob", "blobs") for number in (0, 1, 2)] == ["0 blobs", "1 blob", "2 blobs"]
    assert (megabytes(1_949_999), megabytes(0)) == ("1.9 MB", "0.0 MB")


@pytest.mark.parametrize(("days", "stays"), [(7, True), (0, False)])
def test_without_a_trash_all_records_go(world: World, days: int, stays: bool) -> None:
    """Those of before too."""
    world.image("a", "1.0", b"x")
    run = remove(world, "a", "1.0").run
    plan = plan_clean_up(world.storage, Fresh(), Limits(NOW, trash_days=days))
    assert plan.records == ([] if stays else [run])
    assert bool(plan.blobs) is not stays
