"""`registry-status`: what it says of writes that are held off."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.registryctl.status_host import StatusHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host on which all is well."""
    return StatusHost(tmp_path, monkeypatch)


@pytest.mark.parametrize(("minutes", "level"), [(0, 0), (59, 0), (61, 1), (6000, 1)])
def test_writes_are_held_off(minutes: int, level: int, host: StatusHost) -> None:
    """By what and since when; after an hour somebody should look whether it will ever end."""
    since = int(time.time()) - minutes * 60
    host.held_off(json.dumps({"reason": "garbage collection", "since": since}))
    code, found = host.all()
    assert code == level
    writes = found["writes"]
    assert (writes["state"], writes["reason"]) == ("held-off", "garbage collection")
    assert writes["since"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))
    assert "by garbage collection" in host.run("writes").out.splitlines()[-1]


def test_what_somebody_wrote_who_has_gone_counts_for_nothing(host: StatusHost) -> None:
    """The lock is the kernel's, and went with him."""
    host.machine.file("/run/docker-registry/closed", json.dumps({"reason": "a run", "since": 1}))
    host.machine.file("/run/docker-registry/turn", json.dumps({"reason": "a run", "since": 1}))
    assert host.all()[1]["writes"]["state"] == "ok"


@pytest.mark.parametrize(("age", "state"), [(0, "held-off"), (60, "ok"), (-60, "ok")])
def test_somebody_waits_for_the_writer_s_end(age: int, state: str, host: StatusHost) -> None:
    """Nothing is let through meanwhile; a word that was left behind is soon out of date, even where clocks are set."""
    host.machine.file("/run/docker-registry/turn", json.dumps({"reason": "a deletion", "since": 1}))
    word = host.machine.file("/run/docker-registry/sockets/closing")
    os.utime(word, (time.time() - age, time.time() - age))
    writes = host.all()[1]["writes"]
    assert (writes["state"], writes["reason"]) == (state, "a deletion" if state == "held-off" else "")


@pytest.mark.parametrize("reason", ["", '"\\ $(reboot) `x`\t\x01ä', "x" * 5000, "two\nlines"])
def test_a_strange_reason_is_still_json(reason: str, host: StatusHost) -> None:
    """Quotes, control characters and none at all."""
    host.held_off(json.dumps({"reason": reason, "since": int(time.time())}))
    code, found = host.all()
    assert code == 0
    plain = reason.split("\n", maxsplit=1)[0].replace("\t", "?").replace("\x01", "?").replace("ä", "??")
    assert found["writes"]["reason"] == plain


@pytest.mark.parametrize("word", ["", "no JSON", "[]", "{}", '{"since": "x", "reason": "y"}'])
def test_somebody_who_does_not_say_who_he_is(word: str, host: StatusHost) -> None:
    """That writes wait is known by the lock alone."""
    host.held_off(word)
    code, found = host.all()
    assert (code, found["writes"]["state"], found["writes"]["since"]) == (0, "held-off", "")


def test_writes_of_a_storage_that_is_gone(host: StatusHost) -> None:
    """Nobody knows."""
    host.data.rmdir()
    code, found = host.all()
    assert (code, found["writes"]["state"]) == (1, "unknown")
