"""`registry-status`: what it says of accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.registryctl.status_host import StatusHost
from tests.rendering.sites import user


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host on which all is well."""
    return StatusHost(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("days", "state", "level", "detail"),
    [
        (14.1, "ok", 0, "2 accounts"),
        (13.9, "ending", 1, "2 accounts, bob ends "),
        (0.01, "ending", 1, "2 accounts, bob ends "),
        (-0.01, "ok", 0, "2 accounts, 1 ended"),
    ],
)
def test_an_account_that_ends_is_told_of_before(
    days: float, state: str, level: int, detail: str, host: StatusHost
) -> None:
    """For two weeks; that it has ended is no problem."""
    host.machine.time = datetime(2027, 1, 1, tzinfo=UTC) - timedelta(days=days)
    host.accounts(user("alice"), user("bob", expires=datetime(2027, 1, 1, tzinfo=UTC)))
    code, found = host.all("accounts")
    assert (code, found["accounts"]["state"]) == (level, state)
    assert found["accounts"]["detail"].startswith(detail)
    assert [one["name"] for one in found["accounts"]["ending"]] == (["bob"] if level else [])
    assert all(one["ends"] == "2027-01-01T00:00:00Z" for one in found["accounts"]["ending"])


def test_accounts_of_which_nothing_is_known(host: StatusHost) -> None:
    """Somebody should look."""
    host.machine.path(f"{host.facts['root']}/nginx/etc/conf.d/access.conf").unlink()
    code, found = host.all("accounts")
    assert (code, found["accounts"]["state"]) == (1, "unknown")
