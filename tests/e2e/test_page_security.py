"""The page works in a browser under the headers that protect it, and lets its user go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.page_errors import listen
from tests.e2e.role_users import Api, forget
from tests.e2e.support import USER, Deployed
from tests.lab.browser import open_page

pytestmark = pytest.mark.e2e

REPOSITORY = "page/app"
SHOWN = "text => document.querySelector('[data-ready=yes]') && document.body?.innerText.includes(text)"
GONE = "text => document.querySelector('[data-ready=yes]') && !document.body?.innerText.includes(text)"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def image(deployed: Deployed) -> Iterator[str]:
    """An image with two tags, of which one will be deleted."""
    alice = Api(deployed, USER)
    alice.push_blob(REPOSITORY, b"{}")
    alice.push_blob(REPOSITORY, b"")
    alice.push_manifest(REPOSITORY, "stays", of="stays")
    alice.push_manifest(REPOSITORY, "goes", of="goes")
    yield REPOSITORY
    forget(deployed, REPOSITORY.partition("/")[0])


def test_the_page_has_the_headers(deployed: Deployed) -> None:
    """Also where there is no such page."""
    for path in ("/ui/", "/ui/no-such-page"):
        answer = deployed.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy


class Login:
    """Answers a browser that asks for a password, and counts how often it did."""

    def __init__(self, page: Any, user: str, password: str) -> None:  # noqa: ANN401 - playwright's own
        self.asked = 0
        self._answer = {"response": "ProvideCredentials", "username": user, "password": password}
        self._session = page.context.new_cdp_session(page)
        self._session.on("Fetch.requestPaused", self._go_on)
        self._session.on("Fetch.authRequired", self._log_in)
        self._session.send("Fetch.enable", {"handleAuthRequests": True})

    def _go_on(self, event: dict[str, Any]) -> None:
        self._session.send("Fetch.continueRequest", {"requestId": event["requestId"]})

    def _log_in(self, event: dict[str, Any]) -> None:
        self.asked += 1
        answer = {"requestId": event["requestId"], "authChallengeResponse": self._answer}
        self._session.send("Fetch.continueWithAuth", answer)


def test_browse_delete_and_log_out(deployed: Deployed, image: str) -> None:
    """A user logs in once, sees images, deletes one and logs out: the browser asks anew. No error is logged."""
    url = f"https://{deployed.fqdn}/ui/"
    with open_page("about:blank", deployed.fqdn, deployed.host.address, authority=deployed.ca) as page:
        errors = listen(page, [image])
        login = Login(page, USER, deployed.password)

        page.goto(url, wait_until="load")
        page.wait_for_function(SHOWN, arg=f"{image}:goes")
        asked = login.asked
        assert asked >= 1
        page.reload(wait_until="load")
        page.wait_for_function(SHOWN, arg=f"{image}:goes")
        assert login.asked == asked

        page.click(f"button[data-image='{image}:goes']")
        page.wait_for_function(GONE, arg=f"{image}:goes")
        assert Api(deployed, USER).ask("GET", f"/v2/{image}/tags/list").body.count("stays") == 1
        assert "goes" not in Api(deployed, USER).ask("GET", f"/v2/{image}/tags/list").body

        page.goto(f"{url}logout", wait_until="load")
        page.click("button")
        # Between two pages there is no body.
        page.wait_for_function("() => document.body?.innerText.includes('logged out')")
        page.goto(url, wait_until="load")
        page.wait_for_function(SHOWN, arg=f"{image}:stays")
        assert login.asked > asked
    assert errors == []
