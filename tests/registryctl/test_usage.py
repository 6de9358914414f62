"""How much space each repository and tag takes: the sums are the disk's, and what a removal frees is what it frees."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.artifacts import Artifact, image, index
from tests.registryctl.stored import StoredHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> StoredHost:
    """A host of a registry into which nothing was pushed; what goes is gone at once."""
    found = StoredHost(tmp_path, monkeypatch, kind)
    found.facts["gc"]["trashDays"] = 0
    return found


def _usage(host: StoredHost, *words: str) -> dict[str, Any]:
    done = host.run("usage", "--json", *words)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def _tags(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {tag["name"]: tag for its in found["repositories"] for tag in its["tags"]}


def _size(*artifacts: Artifact) -> int:
    """Bytes of all that these need."""
    seen: set[bytes] = set()
    for one in artifacts:
        seen |= {one.content, *one.blobs}
        seen |= {blob for child in one.children for blob in (child.content, *child.blobs)}
    return sum(map(len, seen))


def test_each_holds_what_only_it_needs(host: StoredHost) -> None:
    """Alone what nothing else needs, shared the rest: with another tag, an index, another repository."""
    one, two, part = image("one"), image("two, which is longer"), image("part")
    host.push("a", one, "1", "same")
    host.push("a", two, "2")
    host.push("a", index(part, two), "multi")
    host.push("b", part, "part")
    found = _usage(host)
    tags = _tags(found)
    assert {name: (its["alone"], its["shared"]) for name, its in tags.items()} == {
        "a:1": (0, _size(one)),
        "a:same": (0, _size(one)),
        "a:2": (0, _size(two)),
        "a:multi": (len(index(part, two).content), _size(part) + _size(two)),
        "b:part": (0, _size(part)),
    }
    by_name = {its["name"]: its for its in found["repositories"]}
    assert by_name["a"]["alone"] == _size(one, two) + len(index(part, two).content)
    assert (by_name["b"]["alone"], by_name["b"]["shared"]) == (0, _size(part))
    assert found["shared"] == _size(part)


def test_the_sum_is_the_disk_s(host: StoredHost) -> None:
    """With what nothing needs, and what only the trash holds."""
    host.facts["gc"]["trashDays"] = 7
    host.push("a", image("gone"), "gone")
    host.remove("a:gone")
    host.push("a", image("one"), "1")
    host.push("b", image("one"), "1")
    untagged = host.push("b", image("untagged"))
    loose = host.blob("sha256:" + "ab" * 32)
    loose.parent.mkdir(parents=True)
    loose.write_bytes(b"x" * 1000)
    found = _usage(host)
    assert found["trash"] == _size(image("gone"))
    assert found["unneeded"] == 1000
    assert found["shared"] == _size(image("one"))
    assert {its["name"]: its["alone"] for its in found["repositories"]} == {"a": 0, "b": _size(untagged)}
    parts = found["shared"] + found["trash"] + found["unneeded"] + _size(untagged)
    assert parts == found["total"] == host.size()


def test_a_removal_frees_what_was_said(host: StoredHost) -> None:
    """Of each tag, tried one after the other; attached artifacts go along."""
    signed = host.push("r", image("signed"), "signed")
    signature = host.push("r", image("signature"), signed.attached_tag(".sig"))
    host.push("r", image("countersigned"), signature.attached_tag(".sig"))
    host.push("r", image("twice"), "x", "y")
    host.push("r", index(image("p"), image("q")), "multi")
    host.push("r", image("p"), "p")
    host.push("other", image("q"), "q")
    told = {name: its["frees"] for name, its in _tags(_usage(host)).items()}
    assert told["r:signed"] == _size(signed, signature, image("countersigned"))
    for name in ("r:x", "r:y", "r:multi", "r:signed", "r:p", "other:q"):
        before, said = host.size(), _tags(_usage(host))[name]["frees"]
        assert host.remove(name).code == 0
        assert host.run("gc").code == 0
        assert before - host.size() == said, name
    assert host.size() == 0


def test_names_that_chase_each_other_end(host: StoredHost) -> None:
    """A pusher chooses the names of tags."""
    one, two = image("one"), image("two")
    host.push("r", one, two.attached_tag(".sig"))
    host.push("r", two, one.attached_tag(".sig"))
    assert sum(its["alone"] for its in _tags(_usage(host)).values()) == host.size()


def test_many_tags_that_need_as_much_take_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may push to one repository makes both many at no cost: what each tag needs is never there at a time."""
    host, number = StoredHost(tmp_path, monkeypatch), 300
    one = host.push("r", image("one"), *(f"tag-{count}" for count in range(number)))
    for count in range(number):
        host.push("r", image(f"about {count}", subject=one))
    tracemalloc.start()
    try:
        tags = _tags(_usage(host))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert len(tags) == number
    assert {its["shared"] for its in tags.values()} == {host.size()}


def test_some_repositories_can_be_asked_for(host: StoredHost) -> None:
    """By name or pattern; people get a table with the sum."""
    for name in ("team/a", "team/b", "else"):
        host.push(name, image(name), "1")
    assert [its["name"] for its in _usage(host, "team/*")["repositories"]] == ["team/a", "team/b"]
    done = host.run("usage", "else")
    assert [line.split()[-1] for line in done.out.splitlines()[:-1]] == ["else", "else:1"]
    assert done.out.splitlines()[-1].startswith("0.0 MB: ")
    assert host.run("usage", "nope").code == 6


def test_what_can_t_be_read_is_counted_all_the_same(host: StoredHost) -> None:
    """A part that is lost takes no space."""
    host.push("r", index(image("x"), image("y")), "multi")
    host.blob(image("y").digest).unlink()
    found = _usage(host)
    assert found["total"] == host.size()
    assert _tags(found)["r:multi"]["alone"] > 0
