"""How a host comes to a bucket, and how it leaves it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from registryctl import writers
from registryctl.bucket import REMOVAL_SECONDS
from registryctl.endings import ToolError
from registryctl.hosts import joining, times
from registryctl.hosts.messages import Entry, Request, request_key, send
from registryctl.hosts.run import Clock
from registryctl.storage import StorageError
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.hosts_home import STACK, STORE, bucket, entries_of, here, join
from tests.registryctl.running import run

__all__ = ["bucket", "here"]


def test_joining_again_changes_nothing_but_the_name(
    here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack that has another name is the same host; a host that has lost its disk is another one."""
    assert join(monkeypatch) == 0
    [first] = entries_of(bucket)
    assert (first.stack, (here / "sockets/joined").exists()) == (STACK, True)
    assert join(monkeypatch) == 0
    assert entries_of(bucket) == [first]
    assert join(monkeypatch, "o/docker-registry/renamed") == 0
    assert [(one.identity, one.stack) for one in entries_of(bucket)] == [(first.identity, "o/docker-registry/renamed")]
    (here / "bucket.json").unlink()
    assert join(monkeypatch) == 0
    assert sorted(one.stack for one in entries_of(bucket)) == [STACK, "o/docker-registry/renamed"]


def test_that_it_joined_is_said_behind_no_link(
    here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry's container may write where it is said."""
    (here / "sockets").mkdir()
    (here / "sockets/joined").symlink_to(here / "elsewhere")
    assert join(monkeypatch) != 0
    assert not (here / "elsewhere").exists()
    (here / "sockets/joined").unlink()
    assert join(monkeypatch) == 0
    assert bucket.keys


@pytest.mark.parametrize("said", ["", "[]", '{"store": {}}', '{"store": {"bucket": 1}}'])
def test_a_store_that_is_not_described_is_refused(
    here: Path, bucket: MemoryBucket, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a line; it does not count as joined."""
    assert join(monkeypatch, said=said) != 0
    assert (bucket.keys, (here / "sockets/joined").exists()) == (set(), False)


def test_a_store_that_does_not_answer_is_waited_for(
    here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a minute; then it is named."""
    failures = iter([True] * 10)

    def fail(*_: str) -> None:
        if next(failures, False):
            raise StorageError("the bucket: AccessDenied (403)")

    bucket.before = fail
    assert join(monkeypatch) == 0
    failures = iter([True] * 1000)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"store": STORE})))
    ran = run("hosts", "join", STACK)
    assert ran.code == 1
    assert "https://s3.example.net/acme-images/a does not take this host in: the bucket: AccessDenied (403)" in ran.err


def test_it_waits_for_a_run_that_began_before(
    here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is left from long ago is waited for as long as nobody can tell; one that goes on, until it has ended."""
    other = "e" * 32
    send(bucket, request_key(other, "run"), Request("ab", 1, "closed", "o/p/two", "gc"))
    assert join(monkeypatch) == 0
    (here / "sockets/joined").unlink()
    beats = iter(range(2, 10**6))

    def beat(kind: str, _: str) -> None:
        if kind == "list":
            bucket.put(
                request_key(other, "run"),
                json.dumps({"version": 1, **vars(Request("ab", next(beats), "closed", "o/p/two", "gc"))}).encode(),
            )

    bucket.before = beat
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"store": STORE})))
    ran = run("hosts", "join", STACK)
    assert (ran.code, "must not write before gc of o/p/two has ended" in ran.err) == (1, True)
    assert not (here / "sockets/joined").exists()


@pytest.mark.parametrize(("wants", "waits"), [("closed", True), ("turn", False), ("end", False)])
def test_a_reboot_while_its_own_tool_removes(
    here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch, wants: str, *, waits: bool
) -> None:
    """What was sent last may be carried out later: nothing is pushed by then."""
    join(monkeypatch)
    me, joined, now = joining.load_home().entry, here / "sockets/joined", 0.0
    joined.unlink()
    send(bucket, request_key(me.identity, "run"), Request("ab", 1, wants, STACK, "gc"))
    admission = joining.Admission(bucket, me, Clock(lambda: now), joined)
    assert admission.look() != waits
    assert admission.waits_for() == (f"gc of {STACK}" if waits else "nothing")
    now = REMOVAL_SECONDS
    assert admission.look() != waits
    now = times.LEASE + 1
    assert admission.look()


def test_leaving_takes_all_away(here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only once the registry is gone. What others have stays."""
    join(monkeypatch)
    other = Entry("e" * 32, "o/p/two")
    send(bucket, other.key, other)
    me = joining.load_home().entry
    send(bucket, request_key(me.identity, "run"), Request("ab", 1, "end", "o/p/one", "gc"))
    monkeypatch.setattr(writers, "container_process", lambda: 17)
    ran = run("hosts", "leave")
    assert (ran.code, "still writes" in ran.err, me.key in bucket.keys) == (1, True, True)
    monkeypatch.setattr(writers, "container_process", lambda: 0)
    assert run("hosts", "leave").code == 0
    assert bucket.keys == {other.key}
    assert not (here / "bucket.json").exists()
    assert not (here / "sockets/joined").exists()
    assert run("hosts", "leave").code == 0


def test_leaving_a_store_that_is_away(here: Path, bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to keep the host: somebody forgets it."""
    join(monkeypatch)

    def fail(*_: str) -> None:
        raise StorageError("away")

    bucket.before = fail
    ran = run("hosts", "leave")
    assert (ran.code, f"registryctl hosts forget {STACK}" in ran.err) == (0, True)
    assert (here / "bucket.json").exists()


def test_a_place_that_is_damaged_is_named(here: Path) -> None:
    """Nothing is guessed."""
    for text in ("", "{}", json.dumps({"store": STORE}), json.dumps({"store": STORE, "entry": {"identity": "x"}})):
        (here / "bucket.json").write_text(text)
        with pytest.raises(ToolError, match=r"bucket\.json"):
            joining.load_home()
