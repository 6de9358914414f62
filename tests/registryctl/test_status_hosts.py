"""Which hosts have the same bucket, as the status tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registryctl.hosts import times
from registryctl.hosts.service import SEEN
from tests.registryctl.fake_machine import FAILED
from tests.registryctl.status_host import StatusHost

ONE, TWO = {"identity": "1", "stack": "o/p/one", "machine": "a"}, {"identity": "2", "stack": "o/p/two", "machine": "b"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """One with a bucket, whose service runs."""
    found = StatusHost(tmp_path, monkeypatch)
    found.facts["objects"] = "acme-images"
    found.machine.says("systemctl is-active docker-registry-barrier", "active\n")
    return found


def seen(host: StatusHost, **changes: object) -> tuple[int, str, str]:
    """Level, state and detail, where the service saw that."""
    found = {"at": times.boottime(), "me": "1", "joined": True, "hosts": [{**ONE, "quiet": 0}, {**TWO, "quiet": 9}]}
    host.machine.file(str(SEEN), json.dumps({**found, **changes}))
    code, said = host.all("hosts")
    return code, said["hosts"]["state"], said["hosts"]["detail"]


def test_the_others_are_named(host: StatusHost) -> None:
    """Or that there are none."""
    assert seen(host) == (0, "ok", "with o/p/two")
    assert seen(host, hosts=[{**ONE, "quiet": 0}]) == (0, "ok", "none but this one")
    assert host.run("hosts").out == "hosts: ok; none but this one\n"


def test_one_without_a_sign_is_away(host: StatusHost) -> None:
    """Nothing is removed meanwhile."""
    code, state, detail = seen(host, hosts=[{**ONE, "quiet": 0}, {**TWO, "quiet": 1900}])
    assert (code, state) == (1, "away")
    assert "no sign of o/p/two for 31 minutes. Nothing is removed meanwhile" in detail
    assert seen(host, hosts=[{**ONE, "quiet": 0}, {**TWO, "quiet": 0, "fault": "no JSON"}])[:2] == (1, "away")


def test_a_service_that_sees_nothing(host: StatusHost) -> None:
    """The store is away, it hangs, it has not begun, or this host may not write yet."""
    assert seen(host, fault="away")[1:] == ("unknown", "the store does not say who is there: away")
    assert seen(host, at=times.boottime() - 1000)[:2] == (1, "silent")
    assert seen(host, joined=False)[:2] == (1, "waiting")
    assert seen(host, hosts=[{}])[:2] == (1, "unknown")
    host.machine.path(SEEN).unlink()
    assert host.all("hosts")[1]["hosts"]["state"] == "unknown"


def test_a_service_that_does_not_run_is_broken(host: StatusHost) -> None:
    """Whatever it saw."""
    host.machine.says("systemctl is-active docker-registry-barrier", FAILED)
    assert seen(host)[:2] == (2, "stopped")
