"""`registry-status`: what it says of the backup."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.registryctl.status_host import StatusHost

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GOOD = {"run": "20261125T030100Z", "time": (NOW - timedelta(hours=9)).isoformat(), "bytes": 12}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host whose registry is backed up."""
    found = StatusHost(tmp_path, monkeypatch)
    found.machine.time = NOW
    found.machine.file("/etc/docker-registry/backup.json", json.dumps({"warnDays": 2}))
    return found


def said(host: StatusHost, **known: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    """What it says where this is known."""
    host.machine.file("/var/lib/docker-registry/backup", json.dumps(known))
    code, found = host.all("backup")
    return code, found["backup"]


def test_a_good_one(host: StatusHost) -> None:
    code, found = said(host, good=GOOD, check={"time": "2026-11-25T04:00:00+00:00"})
    assert (code, found["state"], found["run"], found["bytes"]) == (0, "ok", GOOD["run"], 12)
    assert found["checked"] == "2026-11-25T04:00:00+00:00"


def test_none_yet(host: StatusHost) -> None:
    assert host.all("backup")[1]["backup"]["state"] == "none"


@pytest.mark.parametrize(("days", "state"), [(1, "ok"), (3, "overdue")])
def test_one_that_is_old(host: StatusHost, days: int, state: str) -> None:
    code, found = said(host, good={**GOOD, "time": (NOW - timedelta(days=days)).isoformat()})
    assert (code, found["state"]) == (int(state != "ok"), state)


@pytest.mark.parametrize(("name", "state", "level"), [("FAILED", "failed", 1), ("DAMAGED", "damaged", 2)])
def test_what_failed_since(host: StatusHost, name: str, state: str, level: int) -> None:
    failed = {"what": "backup", "name": name, "time": NOW.isoformat(), "why": "there is no room left"}
    code, found = said(host, good=GOOD, failed=failed)
    assert (code, found["state"]) == (level, state)
    assert found["detail"].endswith("there is no room left")


def test_a_restore_that_was_cut_off(host: StatusHost) -> None:
    (host.data / "restoring").write_text("20261125T030100Z")
    assert said(host, good=GOOD)[1]["state"] == "restoring"


def test_what_can_not_be_read(host: StatusHost) -> None:
    host.machine.file("/var/lib/docker-registry/backup", "{")
    assert host.all("backup")[1]["backup"]["state"] == "none"
    assert said(host, good={"time": "yesterday"})[1]["state"] == "unknown"
