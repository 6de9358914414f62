"""`registry-status certificate`: what it says, as text, as JSON, and by its exit code."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.registryctl.status_host import StatusHost

DAY = timedelta(days=1)
LONG = 90 * DAY


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host in mode acme that has no certificate yet."""
    return StatusHost(tmp_path, monkeypatch)


def _status(host: StatusHost) -> tuple[int, dict[str, Any]]:
    """The exit code, the same with and without --json, and the certificate's part of the JSON."""
    as_text, as_json = host.run("certificate"), host.run("--json", "certificate")
    assert as_text.code == as_json.code
    assert as_text.err == as_json.err == ""
    found = json.loads(as_json.out)
    assert found["status"] == as_json.code
    assert found.keys() == {"status", "problems", "certificate"}
    certificate: dict[str, Any] = found["certificate"]
    assert len(found["problems"]) == (certificate["state"] != "ok")
    assert as_text.out.startswith(f"certificate ({certificate['mode']}): {certificate['state']}, until ")
    # A time of now in it may differ.
    assert certificate["detail"].partition(":")[0] in as_text.out
    return as_json.code, certificate


def test_all_is_well(host: StatusHost) -> None:
    """Exit code 0, and how long it will be so."""
    host.has_certificate(starts=-DAY, ends=60.5 * DAY)
    code, found = _status(host)
    assert (code, found["mode"], found["state"], found["daysLeft"], found["detail"]) == (0, "acme", "ok", 60, "")
    assert found["lastRenewal"] == "never"


@pytest.mark.parametrize(
    ("lived", "left", "warn_days", "state"),
    [
        (83 * DAY, 8 * DAY, 7, "ok"),
        (83 * DAY, 6 * DAY, 7, "expiring"),
        (83 * DAY, 6 * DAY, 5, "ok"),
        (60 * DAY, 29 * DAY, 30, "ok"),
        (80 * DAY, 19 * DAY, 30, "expiring"),
        # Of one that lives for six days, seven are never left.
        (4 * DAY, 2 * DAY, 7, "ok"),
        (5 * DAY, DAY, 7, "expiring"),
    ],
)
def test_the_end_is_near(host: StatusHost, lived: timedelta, left: timedelta, warn_days: int, state: str) -> None:
    """Within `warnDays`, or the last quarter of a life so short that this is later: exit code 1."""
    host.facts["certificate"]["warnDays"] = warn_days
    host.has_certificate(starts=-lived, ends=left + DAY / 2)
    code, found = _status(host)
    assert (code, found["state"]) == (int(state != "ok"), state)
    if state != "ok":
        assert found["detail"] == ("1 day is left" if left == DAY else f"{left.days} days are left")


def test_it_has_expired(host: StatusHost) -> None:
    """Exit code 2, and since when."""
    host.has_certificate(starts=-LONG, ends=-DAY)
    code, found = _status(host)
    assert (code, found["state"]) == (2, "expired")
    assert found["detail"] == f"it ended {found['expires']}"


def test_it_is_not_valid_yet(host: StatusHost) -> None:
    """Exit code 2: the clock of the host, which it tells, is wrong, or the certificate is."""
    host.has_certificate(starts=DAY, ends=LONG)
    code, found = _status(host)
    assert (code, found["state"]) == (2, "not-yet-valid")
    assert "later than this host's clock says it is: 20" in found["detail"]


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_it_is_missing(host: StatusHost, content: str | None) -> None:
    """Exit code 2, and where it was looked for; an empty file is none either."""
    chain = Path(host.served())
    chain.unlink()
    if content is not None:
        chain.write_text(content)
    code, found = _status(host)
    assert (code, found["state"], found["expires"]) == (2, "missing", "")
    assert "letsencrypt/live/dr.example.net/fullchain.pem" in found["detail"]


@pytest.mark.parametrize("mode", ["files", "self-signed"])
def test_each_mode_has_its_own_place(host: StatusHost, mode: str) -> None:
    """The one that the proxy serves from; an old one of another mode does not matter."""
    folder = f"nginx/etc/tls/{mode}/current"
    host.facts["certificate"].update(mode=mode, served=host.served(folder))
    host.has_certificate(starts=-LONG, ends=-DAY)
    host.has_certificate(starts=-DAY, ends=LONG, folder=folder)
    code, found = _status(host)
    assert (code, found["mode"], found["state"]) == (0, mode, "ok")


def test_a_renewal_failed(host: StatusHost) -> None:
    """Exit code 1 while the certificate is good, and where to look."""
    host.has_certificate(starts=-DAY, ends=LONG)
    host.renewal_was("failed")
    code, found = _status(host)
    assert (code, found["state"]) == (1, "renewal-failed")
    assert found["lastRenewal"].startswith("failed 2026-01-02")
    assert "journalctl -u docker-registry-certificate" in found["detail"]


def test_what_is_worse_comes_first(host: StatusHost) -> None:
    """An expired certificate whose renewal failed is expired, and both are told."""
    host.has_certificate(starts=-LONG, ends=-DAY)
    host.renewal_was("failed")
    code, found = _status(host)
    assert (code, found["state"]) == (2, "expired")
    assert found["detail"].startswith("it ended ")
    assert "the last renewal failed" in found["detail"]


@pytest.mark.parametrize(("result", "code"), [("timeout", 15), ("signal", 9), ("oom-kill", 9), ("exit-code", 3)])
def test_a_renewal_was_cut_off(host: StatusHost, result: str, code: int) -> None:
    """It has left no result, or that of the run before: systemd knows better."""
    host.has_certificate(starts=-DAY, ends=LONG)
    host.renewal_was("ok")
    host.renewal_ended(result, code)
    status, found = _status(host)
    assert (status, found["state"]) == (1, "renewal-failed")
    assert result in found["detail"]


@pytest.mark.parametrize("code", [1, 2])
def test_a_run_that_only_gave_warning_is_no_failure(host: StatusHost, code: int) -> None:
    """The unit failed because the end was near, and another certificate has come since: all is well."""
    host.has_certificate(starts=-DAY, ends=LONG)
    host.renewal_was("ok")
    host.renewal_ended("exit-code", code)
    assert _status(host)[0] == 0
