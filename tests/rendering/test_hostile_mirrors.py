"""What the real proxy makes of a mirror that was taken over: it speaks with strangers."""

from __future__ import annotations

import http.server
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import pytest

from config.mirrors import Mirror
from tests.rendering.real_proxy import GENERATION, Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

PREFIX = "taken.example.org"
NEVER = "Tue, 19 Jan 2038 03:14:07 GMT"
TRUSTED = "trusted.example.org"
STATUSES = {301: 503, 307: 503, 401: 403, 403: 403, 404: 404, 429: 429, 500: 503, 502: 503, 504: 503}
"""What it says → what the client gets."""


class _Mirror(http.server.BaseHTTPRequestHandler):
    """Its path says what it answers."""

    protocol_version = "HTTP/1.1"
    failures: ClassVar[dict[str, int]] = {}
    """Path → how many more times it fails before it answers."""
    asked: ClassVar[list[str]] = []

    def address_string(self) -> str:
        return "mirror"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_HEAD(self) -> None:
        """As GET, without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Leads away, sets a cookie, and tells whom it was asked by."""
        word = self.path.rpartition("/")[2].partition("?")[0]
        status = int(word) if word.isdigit() else 200
        self.asked.append(self.path)
        if self.failures.get(self.path, 0):
            self.failures[self.path] -= 1
            status = 500
        body = b'{"name":"tags","tags":["\\"name\\":\\"tags\\""]}' if word == "list" else str(self.headers).encode()
        body += b"x" * (100_000 if word == "large" else 0)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name in ("X-Accel-Redirect", "Location"):
            self.send_header(name, "/catalogue-page?n=1000")
        for name, value in (("X-Accel-Expires", "3600"), ("Cache-Control", "max-age=3600"), ("Expires", NEVER)):
            self.send_header(name, value)
        self.send_header("Docker-Registry-Mirrored", "elsewhere.example.org")
        if TRUSTED not in self.path:
            self.send_header("Set-Cookie", "a=b")
        self.send_header("Link", '<https://elsewhere.example.org/v2/tags/tags/list?last=a>; rel="next"')
        self.send_header("WWW-Authenticate", 'Bearer realm="https://elsewhere.example.org/token"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """One for all, whose mirror was taken over."""
    with proxied([user("alice")]) as found, ExitStack() as held:
        mirrors = [Mirror(prefix=PREFIX), Mirror(prefix=TRUSTED, tag_seconds=1)]
        found.configure([user("alice")], mirrors=mirrors)
        found.reload()
        for mirror in mirrors:
            place = found.home / "run/mirrors" / mirror.prefix
            place.mkdir(parents=True)
            for folder in (place.parent, place):
                folder.chmod(0o755)
            server = held.enter_context(socketserver.ThreadingUnixStreamServer(str(place / "socket"), _Mirror))
            Path(place / "socket").chmod(0o666)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            held.callback(server.shutdown)
        yield found


def test_it_leads_nowhere(proxy: Proxy) -> None:
    """Neither to what is internal nor to another site; no cookie is set, and no password asked for."""
    answer = proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/tags/manifests/1x")
    assert answer.status == 200
    assert b"repositories" not in answer.body
    assert not {"x-accel-redirect", "location", "set-cookie", "www-authenticate"} & answer.headers.keys()
    assert "sandbox" in answer.headers["content-security-policy"]


def test_it_hears_no_password(proxy: Proxy) -> None:
    """Nor whom it would have to be told of it."""
    said = proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/tags/manifests/1x", Cookie="c=d").body.decode()
    assert "Host:" in said
    assert "Authorization" not in said


def test_its_links_stay_within_it(proxy: Proxy) -> None:
    """And its list has the whole name, once."""
    answer = proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/tags/tags/list")
    assert answer.headers["link"] == f'</v2/{PREFIX}/tags/tags/list?last=a>; rel="next"'
    assert answer.json == {"name": f"{PREFIX}/tags", "tags": ['"name":"tags"']}
    assert answer.headers["docker-registry-mirrored"] == PREFIX


def test_a_link_in_the_place_of_its_socket_leads_to_nothing(proxy: Proxy) -> None:
    """Neither to what the registry has nor to another mirror: each answers to its own name alone."""
    tag = proxy.storage / "docker/registry/v2/repositories/team/secret/_manifests/tags/1/current"
    tag.mkdir(parents=True)
    (tag / "link").write_text(f"sha256:{'0' * 64}")
    assert proxy.connection("alice").ask("GET", "/v2/team/secret/tags/list").status == 200
    place = proxy.home / "run/mirrors" / PREFIX
    (place / "socket").rename(place / "own")
    try:
        for other in ("../../reader.socket", f"../../writers/{GENERATION}/socket"):
            (place / "socket").symlink_to(other)
            assert proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/team/secret/tags/list").status == 404
            (place / "socket").unlink()
    finally:
        (place / "own").rename(place / "socket")


@pytest.mark.parametrize("status", STATUSES)
def test_its_errors_are_not_handed_on(proxy: Proxy, status: int) -> None:
    """But said in the proxy's own words. That it is refused there never looks as if it were refused here."""
    answer = proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/tags/manifests/{status}")
    assert answer.status == STATUSES[status]
    assert not {"location", "set-cookie"} & answer.headers.keys()
    assert answer.json["errors"][0]["code"]
    assert b"Host:" not in answer.body


@pytest.mark.parametrize("path", ["manifests/1x", f"blobs/sha256:{'0' * 64}"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_one_that_fails_once_is_asked_again(proxy: Proxy, method: str, path: str) -> None:
    """It does when trimming removes an empty directory into which it was about to write. Twice is too often."""
    for times, status in ((1, 200), (2, 503)):
        _Mirror.failures[f"/{PREFIX}/v2/tags/{path}"] = times
        assert proxy.connection("alice").ask(method, f"/v2/{PREFIX}/tags/{path}").status == status


def test_it_says_neither_for_how_long_it_is_trusted_nor_of_what(proxy: Proxy) -> None:
    """Only the settings do; and what is large is not remembered at all, as the room is in memory."""
    path = f"/v2/{TRUSTED}/tags/manifests"

    def asked(tag: str) -> int:
        _Mirror.asked.clear()
        answers = [proxy.connection("alice").ask("GET", f"{path}/{tag}").status for _ in range(2)]
        assert answers == [200, 200]
        return len(_Mirror.asked)

    assert (asked("1x"), asked("1x"), asked("large")) == (1, 0, 2)
    # nginx counts whole seconds, and the last one counts too.
    time.sleep(2.1)
    assert asked("1x") == 1
