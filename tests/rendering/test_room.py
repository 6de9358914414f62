"""The proxy's memory and the logs behind it: nobody fills them so that others are not let in, or get half an answer."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from config.access import Access
from tests.lab.docker import docker
from tests.rendering.mirror_world import await_true
from tests.rendering.proxy_connection import FQDN, PASSWORD
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user
from tests.rendering.test_hostile_upstreams import page
from tests.rendering.test_immutable_tags import KIND, digest_of, image, prepare, put

pytestmark = pytest.mark.e2e

STRANGERS = iter(range(99))
LARGE = 3_900_000
PLENTY = 20
"""So many of the largest manifests are more than any of the file systems holds."""
READERS = 200
SMALL_BUFFER = 4096
ROWS = 600
"""So many refusals to an address have a row in a minute."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """With an administrator, one who pushes, and many whose passwords nothing knows yet."""
    users = [user("alice"), user("bob", role="push", repositories=("team/*",)), *(user(f"u{n}") for n in range(99))]
    with proxied(users, Access(anonymous_pull=("public/*",))) as found:
        prepare(found, "team/app")
        yield found


@contextmanager
def dialled(proxy: Proxy) -> Iterator[ssl.SSLSocket]:
    """A connection that takes little at a time."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        plain.settimeout(10)
        plain.connect((proxy.address, 443))
        with trusting.wrap_socket(plain, server_hostname=FQDN) as tls:
            yield tls


def head(line: str, name: str | None, *more: str) -> bytes:
    """A request's."""
    words = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    says = [f"Host: {FQDN}", *([f"Authorization: Basic {words}"] if name else ()), *more]
    return "\r\n".join([f"{line} HTTP/1.1", *says, "", ""]).encode()


def used(proxy: Proxy) -> dict[str, int]:
    """How many KB of each file system."""
    places = ("/var/cache/nginx", "/tmp")  # noqa: S108 - inside the container
    lines = docker("exec", proxy.name, "df", "-k", *places).stdout.splitlines()[1:]
    return {line.split()[5]: int(line.split()[2]) for line in lines}


def lets_strangers_in(proxy: Proxy) -> bool:
    """Those whose password has to be looked up, and written down."""
    return {proxy.connection(f"u{next(STRANGERS)}").ask("GET", "/v2/").status for _ in range(3)} == {200}


class _LargePage(http.server.BaseHTTPRequestHandler):
    """As large as the page's script."""

    def address_string(self) -> str:
        return "page"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "600000")
        self.end_headers()
        try:
            self.wfile.write(b"x" * 600_000)
        except OSError:
            self.close_connection = True


def test_who_reads_the_page_slowly_fills_nothing(proxy: Proxy) -> None:
    """Nobody needs an account for it."""
    # The readers go before the page, which waits for those that it serves.
    with page(proxy, _LargePage), ExitStack() as held:
        for _ in range(READERS):
            held.enter_context(dialled(proxy)).sendall(head("GET /ui/script.js", None))
        time.sleep(1)
        assert used(proxy)["/var/cache/nginx"] < 1024
        assert lets_strangers_in(proxy)


class _HearingPage(_LargePage):
    """It says what it was asked for, and by whom."""

    def do_GET(self) -> None:
        self.send_response(200)
        said = f"{self.path} {self.headers['User-Agent']} {self.headers['Referer']}".encode()
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)


def test_the_page_hears_little_of_who_asks(proxy: Proxy) -> None:
    """A short request may stand for long headers, and its server writes all of them down."""
    long = '"' * 5000
    with page(proxy, _HearingPage):
        nobody = proxy.connection(None)
        found = nobody.ask("GET", f"/ui/a.js?{long[:2000]}", User_Agent=long, Referer=long)
        assert found.body.decode() == f"/a.js {long[:256]}(cut) None"
        assert nobody.ask("GET", "/ui/a.js", User_Agent="curl/8").body == b"/a.js curl/8 None"
        assert nobody.ask("GET", "/ui/" + "a" * 300).status == 404


@pytest.mark.parametrize("agent", ['"' * 7000, "\xff" * 7000, "x" * 7000])
def test_the_registry_writes_little_of_who_asks(proxy: Proxy, agent: str) -> None:
    """In its own form each letter may become four."""
    log = proxy.home / "registry-True.log"
    before = log.stat().st_size
    assert proxy.connection(None).ask("GET", "/v2/public/app/tags/list", User_Agent=agent).status == 404
    assert 0 < log.stat().st_size - before < 2000


def rows_until(proxy: Proxy, path: str) -> list[dict[str, Any]]:
    """The rows of the access log up to the one of this path: each comes a moment after its answer."""
    log = proxy.home / "logs/access.log"
    await_true(lambda: f'"path":"{path}"' in log.read_text())
    return [json.loads(row) for row in log.read_text().splitlines()]


def test_a_flood_of_refusals_fills_no_disk(proxy: Proxy) -> None:
    """What accounts do has its rows all the same, and what the registry answers."""
    stranger, bob = proxy.connection(None), proxy.connection("bob")
    put(bob, "team/app", "rows", image("rows"))
    assert bob.ask("GET", "/v2/team/app/manifests/before", Accept=KIND).status == 404
    before = len(rows_until(proxy, "/v2/team/app/manifests/before"))
    for path, status in (("/v2/", 401), ("/v2/team/app/manifests/rows", 401), ("/nowhere", 404)):
        assert {stranger.ask("GET", path).status for _ in range(2 * ROWS)} == {status}
    assert bob.ask("GET", "/v2/team/app/manifests/rows", Accept=KIND).status == 200
    assert bob.ask("GET", "/v2/team/app/manifests/nothing", Accept=KIND).status == 404
    found = rows_until(proxy, "/v2/team/app/manifests/nothing")[before:]
    assert [row["status"] for row in found if row["user"] == "bob"] == [200, 404]
    minutes = {row["time"][:16] for row in found}
    assert 0 < sum(not row["user"] for row in found) <= ROWS * len(minutes)
    assert "the rest gets no row" in proxy.errors()


def test_a_flood_of_what_is_open_fills_no_disk_either(proxy: Proxy) -> None:
    """The page and what belongs to it, however its address is written."""
    with page(proxy, _HearingPage):
        stranger, bob = proxy.connection(None), proxy.connection("bob")
        for path in ("/ui/flood.js", "/u%69/flood.js", "/ui/logout", "/token"):
            assert {stranger.ask("GET", path).status for _ in range(2 * ROWS)} == {200}
    assert bob.ask("GET", "/v2/team/app/manifests/after", Accept=KIND).status == 404
    found = [
        row
        for row in rows_until(proxy, "/v2/team/app/manifests/after")
        if row["path"].endswith(("/flood.js", "/logout", "/token"))
    ]
    assert len(found) <= ROWS * len({row["time"][:16] for row in found})


def test_a_flood_hides_nothing_else(proxy: Proxy) -> None:
    """Neither the passwords that its address tries, nor what accounts may not do."""
    stranger, bob = proxy.connection(None), proxy.connection("bob")
    assert {stranger.ask("GET", "/nowhere").status for _ in range(2 * ROWS)} == {404}
    guesses = [base64.b64encode(f"alice:{number}".encode()).decode() for number in range(3)]
    for _ in range(2):
        for guess in guesses:
            assert stranger.ask("GET", "/v2/", Authorization=f"Basic {guess}").status == 401
    assert bob.ask("GET", "/login").status == 303
    assert bob.ask("GET", "/v2/other/app/manifests/hidden").status == 403
    rows = rows_until(proxy, "/v2/other/app/manifests/hidden")
    # The same password again is no new attempt.
    assert sum(row["user"] == "alice" and row["status"] == 401 for row in rows) >= len(guesses)
    assert [row["path"] for row in rows if row["user"] == "bob"][-2:] == ["/login", "/v2/other/app/manifests/hidden"]


@pytest.mark.parametrize("name", [None, "bob"])
@pytest.mark.parametrize(
    ("says", "body", "status"),
    [
        ("Content-Length: 0", b"", b"200"),
        ("Content-Length: 1", b"x", b"200"),
        ("Content-Length: 5000", b"x", b"413"),
        ("Content-Length: 400000000", b"x", b"413"),
        ("Transfer-Encoding: chunked", b"5\r\nxxxxx\r\n", b"413"),
    ],
)
def test_a_catalogue_waits_for_no_body(proxy: Proxy, name: str | None, says: str, body: bytes, status: bytes) -> None:
    """Neither the proxy, which would keep it, nor the registry, which would be told of one that never comes."""
    with dialled(proxy) as tls:
        tls.sendall(head("GET /v2/_catalog", name, says) + body)
        assert tls.recv(4096).split()[1] == status


def test_manifests_that_are_sent_slowly_keep_nobody_out(proxy: Proxy) -> None:
    """Who may push sends as many as fit, and ends none: others log in, and get what they pull."""
    digest = put(proxy.connection("bob"), "team/app", "small", image("small")).headers["docker-content-digest"]
    with ExitStack() as held:
        for number in range(PLENTY):
            tls = held.enter_context(dialled(proxy))
            length = f"Content-Length: {LARGE + 1}"
            try:
                tls.sendall(head(f"PUT /v2/team/app/manifests/t{number}", "bob", length) + b"x" * LARGE)
            except OSError:
                break
        assert used(proxy)["/tmp"] > 60_000  # noqa: S108 - inside the container
        assert lets_strangers_in(proxy)
        found = proxy.connection("bob").ask("GET", f"/v2/team/app/manifests/{digest}", Accept=KIND)
        assert (found.status, digest_of(found.body)) == (200, digest)


def test_a_manifest_is_remembered_once(proxy: Proxy) -> None:
    """However a client says what it takes."""
    bob = proxy.connection("bob")
    digest = put(bob, "team/app", "large", image("large", LARGE)).headers["docker-content-digest"]
    for number in range(PLENTY):
        found = bob.ask("GET", f"/v2/team/app/manifests/{digest}", Accept=f"{KIND}, application/{number}")
        assert (found.status, digest_of(found.body)) == (200, digest)
    assert used(proxy)["/var/cache/nginx"] < 2 * LARGE / 1000
    assert bob.ask("GET", f"/v2/team/app/manifests/{digest}", Accept="text/plain").status == 404
    assert lets_strangers_in(proxy)


def test_a_crash_leaves_no_memory_on_a_disk(proxy: Proxy) -> None:
    """Of no process that knows passwords."""
    show = 'for p in $(grep -l "^nginx: worker" /proc/[0-9]*/cmdline); do grep "core file" "${p%cmdline}limits"; done'
    limits = docker("exec", proxy.name, "sh", "-c", show).stdout.splitlines()
    assert len(limits) >= 3
    assert {tuple(line.split()[4:6]) for line in limits} == {("0", "0")}
