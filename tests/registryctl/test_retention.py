"""Retention: what the policies keep and drop, and what holds it back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from registryctl.endings import EXIT
from registryctl.gc import plan_removal
from registryctl.plan import Fresh, Plan, Wish
from registryctl.storage import Storage
from tests.e2e.artifacts import image, index
from tests.e2e.retention_cases import CASES, PROTECTED, policies
from tests.registryctl.stored import StoredHost

NOTHING = "0 tags and 0 manifests of 0 repositories\n"
OLD = 90


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> StoredHost:
    """A host of a registry into which nothing was pushed, and whose retention is on."""
    return StoredHost(tmp_path, monkeypatch, kind)


def _result(host: StoredHost) -> str:
    return (host.results / "retention").read_text()


def test_what_remains_is_what_the_policies_keep(host: StoredHost) -> None:
    """The dry run says what the real one does; a second run finds nothing to do."""
    for case in CASES:
        for tag, (days, text) in case.pushes.items():
            host.push(case.repository, image(f"{case.name} {text}"), tag, days=days)
    host.facts["retention"]["protected"] = PROTECTED
    host.policies(*policies())
    dry = host.retention("--dry-run")
    assert dry.code == 0, dry.err
    assert {case.name: set(host.tags(case.repository)) for case in CASES} == {c.name: set(c.pushes) for c in CASES}
    done = host.retention()
    assert (done.code, dry.out) == (0, done.out + "nothing was deleted, because of --dry-run\n")
    for case in CASES:
        assert set(host.tags(case.repository)) == set(case.remains), case.name
        kept = {case.pushes[tag][1] for tag in case.remains}
        for _, text in case.pushes.values():
            assert host.has(case.repository, image(f"{case.name} {text}")) == (text in kept), (case.name, text)
    assert host.retention().out == NOTHING


def test_attached_artifacts_follow_their_image(host: StoredHost) -> None:
    """They have no age of their own and don't count; what an index needs stays."""
    platform, lonely = image("platform"), image("lonely")
    whole = host.push("r", index(platform, image("other")), "multi", days=80)
    host.push("r", platform, "linux", days=OLD)
    host.push("r", lonely, "old", days=OLD)
    gone = host.push("r", image("signature of old"), lonely.attached_tag(".sig"), days=OLD)
    kept = host.push("r", image("signature of multi"), whole.attached_tag(".sig"), days=OLD)
    done = host.retention("--force", keepLast=1)
    assert done.code == 0, done.err
    assert set(host.tags("r")) == {"multi", whole.attached_tag(".sig")}
    assert all(host.has("r", one) for one in (whole, platform, kept))
    assert not any(host.has("r", one) for one in (lonely, gone))


def test_the_first_policy_that_fits_counts(host: StoredHost) -> None:
    """And a repository that none fits is left alone."""
    for name in ("a/x", "a/x/y", "b"):
        for tag in ("flat", "deep"):
            host.push(name, image(tag), tag)
    host.policies({"repositories": ["a/*"], "drop": ["flat"]}, {"repositories": ["a/**"], "drop": ["deep"]})
    assert host.retention().code == 0
    assert [set(host.tags(name)) for name in ("a/x", "a/x/y", "b")] == [{"deep"}, {"flat"}, {"flat", "deep"}]


@pytest.mark.parametrize("what", ["a part of an index", "a tag's link", "a manifest without a tag"])
def test_a_repository_that_can_t_be_read_is_left_alone(host: StoredHost, what: str) -> None:
    """It is said, the command fails, and the others are done all the same."""
    part = image("part that is lost")
    host.push("broken", index(part, image("part")), "multi", days=OLD)
    host.push("broken", image("newer"), "newer", days=OLD)
    host.push("sound", image("a request"), "pr-1")
    host.push("sound", image("main"), "main")
    untagged = host.push("broken", image("untagged"))
    if what == "a part of an index":
        host.blob(part.digest).unlink()
    elif what == "a tag's link":
        host.tag_link("broken", "multi").write_text("")
    else:
        host.blob(untagged.digest).write_bytes(b"{")
    host.policies({"repositories": ["broken"], "drop": ["newer"]}, {"repositories": ["**"], "drop": ["pr-*"]})
    done = host.retention()
    assert done.code == 14
    assert done.err.startswith("UNREADABLE: broken is not done: ")
    assert done.err.endswith("UNREADABLE: not done: 1 repository\n")
    assert set(host.tags("broken")) == {"multi", "newer"}
    assert set(host.tags("sound")) == {"main"}
    assert re.fullmatch(r"failed \S+ exit code 14\n", _result(host))


def test_an_image_pushed_before_its_turn_stays(host: StoredHost) -> None:
    """The time of the tag's push before says nothing about it; with the same digest again as well."""
    host.push("r", image("long ago"), "nightly", days=OLD)
    host.push("r", image("same"), "weekly", days=OLD)
    host.push("r", image("old"), "old", days=OLD)

    def push() -> None:
        host.push("r", image("of today"), "nightly")
        host.push("r", image("same"), "weekly")

    host.barrier.before_turn = push
    done = host.retention("--force", keepDays=30)
    assert done.code == 0, done.err
    assert host.tags("r") == {"nightly": image("of today").digest, "weekly": image("same").digest}


def test_an_image_pushed_after_the_look_stays(host: StoredHost) -> None:
    """Whatever it leads to, as the journal says that it was pushed: two tags, and an image that one of them has."""
    host.push("r", image("long ago"), "nightly", days=OLD)
    host.push("r", image("same"), "weekly", days=OLD)
    host.push("r", image("old"), "old", days=OLD)

    def push() -> None:
        for tag, text in (("nightly", "of today"), ("weekly", "same")):
            host.push("r", image(text), tag)
            done = f"1 DONE r manifest {image(text).digest}"
            host.barrier.written += [f"1 PUT r manifest {tag}".encode(), done.encode()]

    host.barrier.within = push
    done = host.retention("--force", keepDays=30)
    assert set(host.tags("r")) == {"nightly", "weekly"}
    assert "3 of these changed meanwhile, and were kept" in done.out
    assert all(host.has("r", image(text)) for text in ("of today", "same"))


@pytest.mark.parametrize("words", [["keepDays"], ["keepLast"]])
def test_a_clock_that_is_wrong_drops_no_more_than_the_bound(
    host: StoredHost, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Most of all tags at once is for somebody to look at."""
    for number in range(10):
        host.push("r", image(f"number {number}"), f"t{number}", days=number)
    host.facts["gc"]["maxShare"] = 50
    monkeypatch.setattr("registryctl.retention.time.time", lambda: 4_000_000_000.0)
    before = host.tree()
    policy: dict[str, Any] = {words[0]: 1}
    done = host.retention(**policy)
    assert (done.code, done.word, host.tree()) == (17, "TOO_MUCH", before)
    assert "of 10 tags would go, more than gc.maxShare (50 %)" in done.err
    assert re.fullmatch(r"failed \S+ exit code 17\n", _result(host))
    assert host.retention("--dry-run", **policy).code == 17
    assert host.retention("--force", **policy).code == 0
    assert len(host.tags("r")) < 2


def test_the_bytes_are_bounded_too(host: StoredHost) -> None:
    """One tag of many may be most of what there is."""
    host.push("r", image("x" * 100_000), "big", days=OLD)
    for number in range(9):
        host.push("r", image(f"number {number}"), f"t{number}")
    host.facts["gc"]["maxShare"] = 50
    done = host.retention(keepDays=30)
    assert (done.code, done.word) == (17, "TOO_MUCH")
    assert "MB would go" in done.err
    assert "big" in host.tags("r")


@pytest.mark.parametrize(
    ("mode", "words", "drops", "result"),
    [
        ("on", [], True, r"ok \S+ 1 tag and 1 manifest of 1 repository\n"),
        ("on", ["--dry-run"], False, ""),
        ("dry-run", [], False, r"ok \S+ 1 tag and 1 manifest of 1 repository, not deleted: dry-run\n"),
        ("off", [], False, ""),
    ],
)
def test_only_mode_on_drops(host: StoredHost, mode: str, words: list[str], drops: bool, result: str) -> None:
    """By hand as on schedule; nobody waits for a look, which leaves no result by hand."""
    host.push("r", image("one"), "pr-1")
    host.push("r", image("two"), "main")
    host.facts["retention"]["mode"] = mode
    done = host.retention(*words, drop=["pr-*"])
    assert done.code == 0, done.err
    assert f"delete r:pr-1 {image('one').digest} (fits pr-*)" in done.out.splitlines()
    assert ("nothing was deleted, because of" in done.out) == (not drops)
    assert ("pr-1" in host.tags("r")) == (not drops)
    assert (host.barrier.taken != []) == drops
    found = _result(host) if (host.results / "retention").exists() else ""
    assert re.fullmatch(result, found)


def test_a_registry_without_deletion_drops_nothing(host: StoredHost) -> None:
    """It says so."""
    host.push("r", image("one"), "a")
    host.facts["deleteEnabled"] = False
    done = host.retention(drop=["*"])
    assert (done.code, done.word) == (9, "UNSUPPORTED")
    assert set(host.tags("r")) == {"a"}


def test_without_room_for_the_result_the_exit_code_tells(host: StoredHost) -> None:
    """What was dropped is dropped."""
    host.push("r", image("one"), "a")
    host.results.rename(host.root / "elsewhere")
    done = host.retention(drop=["*"])
    assert (done.code, host.tags("r")) == (3, {})


def test_an_empty_registry_has_nothing_to_drop(host: StoredHost) -> None:
    """Nothing was ever pushed; also without a policy."""
    assert host.retention(keepLast=1).out == NOTHING
    host.policies()
    assert host.retention().out == NOTHING


def test_it_is_said_in_json_too(host: StoredHost) -> None:
    """With the run that can be undone, by which all is back."""
    one = host.push("r", image("one"), "a", days=3)
    host.push("r", image("two"), "b")
    said = json.loads(host.retention("--json", keepLast=1).out)
    assert said["repositories"] == [{"repository": "r", "tags": {"a": said["repositories"][0]["tags"]["a"]},
                                     "manifests": [one.digest]}]  # fmt: skip
    assert re.fullmatch(r"pushed \d{4}-\d\d-\d\d, number 2", said["repositories"][0]["tags"]["a"])
    assert host.run("undo", said["run"]).code == 0
    assert set(host.tags("r")) == {"a", "b"}


def test_what_can_t_go_any_more_is_said(host: StoredHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag of the repository broke between the two looks; others are done."""
    host.push("r", image("one"), "a", days=OLD)
    host.push("r", image("two"), "b")
    host.push("other", image("three"), "a", days=OLD)

    def later(storage: Storage, wishes: Mapping[str, Wish], fresh: Fresh) -> Plan:
        host.tag_link("r", "b").write_text("")
        storage.anew()
        return plan_removal(storage, wishes, fresh)

    monkeypatch.setattr("registryctl.retention.plan_removal", later)
    done = host.retention("--force", keepDays=30)
    assert done.code == EXIT["UNREADABLE"]
    assert "UNREADABLE: r is not done: by now not all of it can be read" in done.err.splitlines()
    assert set(host.tags("r")) == {"a", "b"}
    assert host.tags("other") == {}
    assert _result(host).startswith("failed ")
