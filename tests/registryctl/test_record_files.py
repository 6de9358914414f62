"""The file that a record is: what is written is read, and nothing else is taken for a record."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from registryctl import trash
from registryctl.files import FileStorage
from registryctl.storage import NotThere, Unreadable
from registryctl.trash import Contents, Part
from tests.registryctl.world import NOW, digest_of

RUN = "20260102T030405Z"
ONE, TWO, LONG = digest_of(b"one"), digest_of(b"two"), digest_of(b"one", "sha512")


def record() -> Contents:
    """One with everything."""
    part = Part(
        tags={"1.0": (ONE, 1_700_000_000_123_456_789), "latest": (TWO, 0)},
        revisions={ONE: ONE, TWO: ONE},
        signatures={ONE: {TWO: TWO, ONE: TWO}},
        layers={LONG: ONE, TWO: TWO},
        named=[LONG],
        times={ONE: 17},
    )
    return Contents(RUN, "rm", {"a/b": part, "c": Part()}, {ONE: 3, TWO: 0})


@pytest.fixture
def storage(memory: Path) -> FileStorage:
    """One with that record."""
    its = FileStorage(memory)
    trash.save(its, record())
    return its


def test_what_is_written_is_read(storage: FileStorage, memory: Path) -> None:
    """All of it, as short as can be; a link that leads where it is called is one text."""
    assert trash.load(storage, RUN) == record()
    assert b" " not in (memory / f"trash/{RUN}.json").read_bytes()
    document = json.loads((memory / f"trash/{RUN}.json").read_text())
    assert document == {
        "format": 1,
        "reason": "rm",
        "repositories": {
            "a/b": {
                "tags": {"1.0": [ONE, 1_700_000_000_123_456_789], "latest": [TWO, 0]},
                "revisions": [[TWO, ONE], ONE] if TWO < ONE else [ONE, [TWO, ONE]],
                "signatures": {ONE: [TWO, [ONE, TWO]] if TWO < ONE else [[ONE, TWO], TWO]},
                "layers": [TWO, [LONG, ONE]],
                "named": [LONG],
                "times": {ONE: 17},
            },
            "c": {"tags": {}, "revisions": [], "signatures": {}, "layers": [], "named": [], "times": {}},
        },
        "sizes": {ONE: 3, TWO: 0},
    }


def test_an_empty_record(storage: FileStorage) -> None:
    """Is one."""
    trash.save(storage, Contents(f"{RUN}-1", "gc"))
    assert trash.load(storage, f"{RUN}-1") == Contents(f"{RUN}-1", "gc")


def test_what_it_holds() -> None:
    """What its links lead to, and what manifests name without one."""
    assert record().blobs() == {ONE, TWO, LONG}
    assert Contents(RUN, "rm", {"a": Part(layers={LONG: ONE})}).blobs() == {ONE}
    assert Contents(RUN, "rm", {"a": Part(signatures={ONE: {LONG: TWO}})}).blobs() == {TWO}


def spoil(document: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Puts something into a place of the document; KeyError: takes away what is there."""
    its: Any = document
    for step in path[:-1]:
        its = its[step]
    if value is KeyError:
        del its[path[-1]]
    else:
        its[path[-1]] = value


PART = ("repositories", "a/b")
SPOILED: list[tuple[tuple[str, ...], object]] = [
    *(((key,), KeyError) for key in ("format", "reason", "repositories", "sizes")),
    (("format",), 2),
    (("format",), "1"),
    (("repositories",), []),
    (("sizes",), []),
    (("sizes", ONE), -1),
    (("sizes", ONE), "3"),
    (("sizes", "x"), 3),
    (("repositories", "Upper"), {key: {} for key in ("tags", "signatures", "times")}),
    *(((*PART, key), KeyError) for key in ("tags", "revisions", "signatures", "layers", "named", "times")),
    ((*PART, "tags", "no/tag"), [ONE, 1]),
    ((*PART, "tags", "1.0"), ["x", 1]),
    ((*PART, "tags", "1.0"), [ONE, -1]),
    ((*PART, "tags", "1.0"), [ONE, "1"]),
    ((*PART, "tags", "1.0"), [ONE]),
    ((*PART, "revisions"), ["x"]),
    ((*PART, "revisions"), [[ONE, "x"]]),
    ((*PART, "revisions"), [["x", ONE]]),
    ((*PART, "revisions"), [5]),
    ((*PART, "layers"), [[ONE, TWO, ONE]]),
    ((*PART, "layers"), ["../../x"]),
    ((*PART, "signatures", "x"), []),
    ((*PART, "signatures", ONE), ["x"]),
    ((*PART, "named"), ["x"]),
    ((*PART, "named"), [None]),
    ((*PART, "times", ONE), -1),
    ((*PART, "times", ONE), None),
]


@pytest.mark.parametrize(("where", "value"), SPOILED)
def test_what_is_not_whole_is_no_record(
    storage: FileStorage, memory: Path, where: tuple[str, ...], value: object
) -> None:
    """Its error names it, and is one."""
    file = memory / f"trash/{RUN}.json"
    document = json.loads(file.read_text())
    spoil(document, where, value)
    file.write_text(json.dumps(document))
    with pytest.raises(Unreadable, match=rf"^the record {RUN} is not understood: "):
        trash.load(storage, RUN)


@pytest.mark.parametrize("name", ["Upper", "a//b", "../x"])
@pytest.mark.parametrize(
    "part",
    [
        Part(tags={"1.0": (ONE, 1)}),
        Part(revisions={ONE: ONE}),
        Part(signatures={ONE: {TWO: TWO}}),
        Part(layers={ONE: ONE}),
    ],
)
def test_a_repository_that_there_cannot_be(storage: FileStorage, name: str, part: Part) -> None:
    """Nothing is written there."""
    trash.save(storage, Contents(RUN, "rm", {name: part}))
    with pytest.raises(Unreadable, match=f"no repository is called {name!r}"):
        trash.load(storage, RUN)


@pytest.mark.parametrize("text", [b"", b"[]", b"5", b"{", b"\xff", b"[" * 100_000])
def test_another_document_is_no_record(storage: FileStorage, memory: Path, text: bytes) -> None:
    """Whatever it is."""
    (memory / f"trash/{RUN}.json").write_bytes(text)
    with pytest.raises(Unreadable, match=rf"^the record {RUN} is not understood: "):
        trash.load(storage, RUN)


def test_records_come_by_time_and_number(storage: FileStorage, memory: Path) -> None:
    """Other files are none."""
    for name in (f"{RUN}-10.json", f"{RUN}-9.json", "20250102T030405Z-3.json", "x.json", f"{RUN}-11", f"{RUN}.json.x"):
        (memory / "trash" / name).touch()
    assert trash.runs(storage) == ["20250102T030405Z-3", RUN, f"{RUN}-9", f"{RUN}-10"]
    assert trash.new_run(storage, 0) == f"{RUN}-11"
    assert trash.new_run(storage, NOW) == "20270115T080000Z"


def test_names_of_new_records(memory: Path) -> None:
    """By the second; a second one of it has a number, and so has one of a clock that stepped back."""
    storage = FileStorage(memory)
    assert trash.runs(storage) == []
    for now, name in (
        (NOW + 0.9, "20270115T080000Z"),
        (NOW, "20270115T080000Z-1"),
        (NOW - 5, "20270115T080000Z-2"),
        (NOW + 1, "20270115T080001Z"),
        (NOW + 1, "20270115T080001Z-1"),
    ):
        assert trash.new_run(storage, now) == name
        trash.save(storage, Contents(name, "gc"))


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("20270115T080000Z", NOW), ("20270115T080001Z-17", NOW + 1), ("20279915T080000Z", 0)],
)
def test_when_a_record_was_made(name: str, seconds: int) -> None:
    """Its name says it, also where no calendar has that."""
    assert trash.made(name) == seconds


@pytest.mark.parametrize(("seconds", "old"), [(-1, True), (0, True), (1, False)])
def test_a_record_is_old_to_the_second(storage: FileStorage, memory: Path, seconds: int, old: bool) -> None:
    """By its file; by its name it is exactly as old as it has to be."""
    now, days = trash.made(RUN) + 100, 100
    os.utime(memory / f"trash/{RUN}.json", (now - days + seconds,) * 2)
    assert trash.is_old(storage, RUN, now, days) is old


def test_a_record_goes_durably(storage: FileStorage, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only one that there is; the error of another says what it is."""
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    for act in (trash.load, trash.empty):
        with pytest.raises(NotThere, match=r"^no record is called '\.\./x'$"):
            act(storage, "../x")
    assert not synced
    trash.empty(storage, RUN)
    assert (trash.runs(storage), len(synced)) == ([], 1)
    with pytest.raises(NotThere):
        trash.empty(storage, RUN)
    assert list(memory.iterdir()) == [memory / "trash"]
