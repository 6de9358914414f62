"""What the real proxy makes of servers behind it that are hostile, or dead."""

from __future__ import annotations

import http
import http.server
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.access import Access, Immutable
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import GENERATION, Proxy, proxied
from tests.rendering.sites import user
from tests.rendering.test_immutable_tags import KEPT, image, prepare, put

pytestmark = pytest.mark.e2e

AWAY = "/catalogue-page?n=1000"
WAITING = 50
LONG = f"release/{'long' * 50}"


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """One for all."""
    with proxied([user("alice")], Access(immutable=Immutable(tags=("release/*:v*",)))) as found:
        prepare(found)
        yield found


class _Page(http.server.BaseHTTPRequestHandler):
    """A page's server that was taken over."""

    def address_string(self) -> str:
        return "page"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Accel-Redirect", AWAY)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def _changed(proxy: Proxy, **changes: tuple[str, str]) -> Iterator[None]:
    """Each file of the proxy has other words in the place of some."""
    before = {proxy.home / f"etc/conf.d/{name}.conf": (old, new) for name, (old, new) in changes.items()}
    texts = {file: file.read_text() for file in before}
    for file, (old, new) in before.items():
        assert old in texts[file]
        file.write_text(texts[file].replace(old, new))
    proxy.reload()
    try:
        yield
    finally:
        for file, text in texts.items():
            file.write_text(text)
        proxy.reload()


@contextmanager
def page(proxy: Proxy, handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[None]:
    """It is there instead of the page's container, which the proxy's network here doesn't have."""
    address = proxy.home / "run/page"
    with socketserver.ThreadingUnixStreamServer(str(address), handler) as server:
        address.chmod(0o777)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with _changed(proxy, registry=("registry-ui:80;", "unix:/run/registry/page:;")):
                yield
        finally:
            server.shutdown()
            address.unlink()


def test_the_page_leads_nobody_past_the_accounts(proxy: Proxy) -> None:
    """Whatever its server says; what it says otherwise arrives."""
    with page(proxy, _Page):
        found = proxy.connection(None).ask("GET", "/ui/index.html")
    assert (found.status, found.body) == (200, b"")


@contextmanager
def _dead(socket_of_writer: Path) -> Iterator[None]:
    """A writer that is still said to be there, and refuses."""
    aside = socket_of_writer.with_name("aside")
    socket_of_writer.rename(aside)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_of_writer))
        socket_of_writer.chmod(0o777)
        try:
            yield
        finally:
            socket_of_writer.unlink()
            aside.rename(socket_of_writer)


@pytest.mark.parametrize("tag", ["v-dead", "dead"])
def test_a_tag_outlives_a_writer_that_is_dead(proxy: Proxy, tag: str) -> None:
    """After some tries the client is told when to come again; no later push is kept from the tag."""
    alice = proxy.connection("alice")
    with _dead(proxy.home / "run/writers" / GENERATION / "socket"):
        given_up = put(alice, KEPT, tag, image("one"))
    assert (given_up.status, given_up.headers["retry-after"]) == (503, "10")
    assert given_up.json["errors"][0]["code"] == "UNAVAILABLE"
    assert put(alice, KEPT, tag, image("one")).status == 201


@contextmanager
def _late_writer(proxy: Proxy, due: threading.Event) -> Iterator[None]:
    """There is none until it is due, or for a minute."""
    current = proxy.home / "run/writers/current"
    aside = current.rename(proxy.home / "run/aside")

    def come() -> None:
        due.wait(60)
        aside.rename(current)

    late = threading.Thread(target=come)
    late.start()
    yield
    late.join()


def test_claims_that_find_no_room_are_refused(proxy: Proxy) -> None:
    """And told when to come again: of those that are served each tag gets one image, and later all do."""
    prepare(proxy, LONG)
    tags = [f"v-room-{number:02}-{'x' * 110}" for number in range(120)]
    pushes = [(tag, image(f"{tag} {number}")) for number, few in enumerate((tags, tags[:20])) for tag in few]

    full = threading.Event()

    def push(tag: str, content: bytes) -> tuple[str, Answer]:
        answer = put(proxy.connection("alice"), LONG, tag, content)
        if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            full.set()
        return tag, answer

    # The smallest memory that nginx takes, and as many pushes as of several addresses.
    small, many = ("zone=claims:1m", "zone=claims:32k"), ("immutable_tags 50;", "immutable_tags 500;")
    with _changed(proxy, immutable=small, registry=many):
        with _late_writer(proxy, full), ThreadPoolExecutor(len(pushes)) as pool:
            answers = list(pool.map(push, *zip(*pushes, strict=True)))
        counted = Counter(answer.status for _, answer in answers)
        print(f"\n{counted}")
        assert counted.keys() == {201, 409, 503}
        assert {answer.headers["retry-after"] for _, answer in answers if answer.status == 503} == {"10"}
        served = Counter(tag for tag, answer in answers if answer.status == 201)
        assert set(served.values()) == {1}
        again = Counter(push(tag, image("afterwards"))[1].status for tag in tags)
    assert again == {409: len(served), 201: len(tags) - len(served)}


def test_few_pushes_wait_in_memory(proxy: Proxy) -> None:
    """Of a tag that can't be moved, while there is no writer; others wait as before."""

    refused, all_refused = threading.Semaphore(9), threading.Event()

    def push(number: int) -> tuple[bool, int]:
        kept = bool(number % 2)
        tag = "v-many" if kept else "many"
        status = put(proxy.connection("alice"), KEPT, tag, image(str(number))).status
        if status == http.HTTPStatus.TOO_MANY_REQUESTS and not refused.acquire(blocking=False):
            all_refused.set()
        return kept, status

    with _late_writer(proxy, all_refused), ThreadPoolExecutor(2 * WAITING + 20) as pool:
        counted = Counter(pool.map(push, range(2 * WAITING + 20)))
    assert counted[False, 201] == WAITING + 10
    assert counted[True, 201] == 1
    assert counted[True, 409] + counted[True, 429] == WAITING + 9
    assert counted[True, 429] == 10
