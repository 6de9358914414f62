"""The page shows each who looks what he may pull: the administrator, an account with few rights, and who has none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.page_errors import listen
from tests.e2e.role_users import PASSWORD, Api, forget, restored, settings
from tests.e2e.support import USER, Deployed
from tests.e2e.test_page_security import SHOWN, Login
from tests.lab.browser import open_page

pytestmark = pytest.mark.e2e

OPEN, OWN, OTHER = "base/os", "team-a/app", "team-b/app"


@pytest.fixture(scope="module")
def registry(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry with all accounts, a repository that is open to all, and two that aren't."""
    with restored(deployed):
        deployed.stack.configure(settings(deployed, access={"anonymousPull": ["base/*"]}))
        deployed.stack.up()
        alice = Api(deployed, USER)
        for repository in (OPEN, OWN, OTHER):
            alice.push_blob(repository, b"{}")
            alice.push_blob(repository, b"")
            alice.push_manifest(repository, "v1", of=repository)
        yield deployed
        forget(deployed, "base", "team-a", "team-b")


@contextmanager
def _browser(registry: Deployed) -> Iterator[tuple[Any, list[str]]]:
    """A browser, and the errors that it logs."""
    with open_page("about:blank", registry.fqdn, registry.host.address, authority=registry.ca) as page:
        yield page, listen(page, (OPEN, OWN, OTHER))


def _shows(page: Any, *names: str) -> None:  # noqa: ANN401 - playwright's own
    for name in names:
        page.wait_for_function(SHOWN, arg=f"{name}:v1")
    text = page.inner_text("body")
    assert [name for name in (OPEN, OWN, OTHER) if f"{name}:v1" in text] == list(names)
    # The lab's page shows an error as such, also where only a part of it failed.
    assert page.query_selector(".error") is None


def test_without_an_account(registry: Deployed) -> None:
    """What is open to all, and nobody is asked for a password."""
    with _browser(registry) as (page, errors):
        page.goto(f"https://{registry.fqdn}/ui/", wait_until="load")
        _shows(page, OPEN)
    assert errors == []


@pytest.mark.parametrize(("user", "names"), [("lead", (OPEN, OWN)), (USER, (OPEN, OWN, OTHER))])
def test_with_an_account(registry: Deployed, user: str, names: tuple[str, ...]) -> None:
    """Who logs in sees what he may pull; who logs out sees what all see."""
    with _browser(registry) as (page, errors):
        login = Login(page, user, registry.password if user == USER else PASSWORD)
        page.goto(f"https://{registry.fqdn}/login", wait_until="load")
        assert page.url == f"https://{registry.fqdn}/ui/"
        _shows(page, *names)
        assert login.asked >= 1
        page.goto(f"https://{registry.fqdn}/ui/logout", wait_until="load")
        page.click("button")
        page.wait_for_function("() => document.body?.innerText.includes('logged out')")
        page.goto(f"https://{registry.fqdn}/ui/", wait_until="load")
        _shows(page, OPEN)
    assert errors == []
