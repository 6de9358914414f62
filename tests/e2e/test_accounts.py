"""Accounts in every hash scheme: what Apache and nginx make of them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import USER, Deployed, runs
from tests.lab.machine import ensure_commands, which
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

ACCOUNTS = "/var/opt/nginx/etc/auth/registry.htpasswd"
PREFIXES = {"apr1": "$apr1$", "sha512": "$6$", "bcrypt": "$2y$05$"}
BOB = "bob"
BOBS_PASSWORD = "Grüße: 100 % from Bob"


@pytest.fixture(scope="module")
def original(deployed: Deployed) -> str:
    """The accounts file before any change."""
    return deployed.host.get_file(ACCOUNTS)


@pytest.fixture(scope="module")
def accounts(deployed: Deployed, original: str) -> Iterator[Deployed]:
    """The shared registry, with its own accounts back at the end."""
    yield deployed
    if deployed.host.get_file(ACCOUNTS) != original:
        deployed.stack.configure(deployed.settings)
        deployed.stack.up()


@pytest.mark.parametrize("scheme", ["sha512", "bcrypt", "apr1"])
def test_changed_accounts_work_at_once_without_a_restart(accounts: Deployed, scheme: str, tmp_path: Path) -> None:
    """Passwords in each scheme are what `htpasswd -v` and nginx accept, after an `up` that restarts nothing."""
    password = f"changed for {scheme}"
    before = runs(accounts.host)
    accounts.stack.configure(_settings(accounts, scheme, password))
    accounts.stack.up()
    assert runs(accounts.host) == before

    content = accounts.host.get_file(ACCOUNTS)
    entries = dict(line.split(":", 1) for line in content.splitlines())
    # And one that nobody has: no name of an account has a space.
    assert list(entries) == [USER, BOB, "noone 01"]
    assert all(entry.startswith(PREFIXES[scheme]) for entry in entries.values())

    copy = tmp_path / "registry.htpasswd"
    copy.write_text(content)
    for user, right in ((USER, password), (BOB, BOBS_PASSWORD)):
        assert _apache_accepts(copy, user, right)
        assert not _apache_accepts(copy, user, right + "!")
        assert accounts.get("/v2/", user=user, password=right).status == 200
        assert accounts.get("/v2/", user=user, password=right + "!").status == 401
    assert accounts.get("/v2/", user=USER, password=accounts.password).status == 401


def test_same_settings_give_the_same_file(accounts: Deployed, original: str) -> None:
    """The settings of the first `up` give its accounts file again, byte for byte, whatever came between."""
    accounts.stack.configure(accounts.settings)
    accounts.stack.up()
    assert accounts.host.get_file(ACCOUNTS) == original
    assert accounts.get("/v2/", user=USER, password=accounts.password).status == 200


def _settings(accounts: Deployed, scheme: str, password: str) -> dict[str, Any]:
    users = [
        {"name": USER, "password": Secret(password)},
        {"name": BOB, "password": Secret(BOBS_PASSWORD)},
    ]
    return {**accounts.settings, "users": users, "htpasswd": {"scheme": scheme}}


def _apache_accepts(file: Path, user: str, password: str) -> bool:
    ensure_commands("htpasswd")
    htpasswd = which("htpasswd")
    assert htpasswd is not None
    argv = [htpasswd, "-vi", str(file), user]
    done = subprocess.run(argv, input=password, text=True, capture_output=True, timeout=30, check=False)
    return done.returncode == 0
