"""The catalogue where there are mirrors, by the real proxy: own repositories and theirs, by rights, page by page."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from config.access import Access
from config.mirrors import Mirror
from tests.rendering.mirror_world import MANIFEST, mirroring, upstream
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

HUB, TAKEN = "hub.example.org", "taken.example.org"
MIRRORED = ("acme/app", "library/app", "library/app-two", "library/app/deep", "other/app")
OWN = ("a", "hub.example.org-own", "hub.example.org", "hub", "public/x", "team/app", "z")
PUSHED = (*OWN, f"{HUB}/library/hidden")
"""One lies below a mirror's prefix, as no `up` allows."""

ALL = sorted(
    [*OWN, *(f"{HUB}/{name}" for name in MIRRORED if not name.startswith("other"))], key=lambda name: name.split("/")
)
USERS = (user("alice"), user("bob", role="pull", repositories=(f"{HUB}/library/*", "team/*")))
ACCESS = Access(anonymous_pull=("public/*", f"{HUB}/acme/*"))


class _Taken(http.server.BaseHTTPRequestHandler):
    """A mirror that was taken over, and what it has as its catalogue."""

    protocol_version = "HTTP/1.1"
    said: ClassVar[bytes] = b"{}"
    manner: ClassVar[str] = ""
    """How it says it: at once, unless there is another word here."""
    left: ClassVar[threading.Event] = threading.Event()
    """Set once nobody listens any more to one that drips."""
    asked: ClassVar[int] = 0

    def address_string(self) -> str:
        return "mirror"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        """The same always, or pages without end."""
        _Taken.asked += 1
        body = self._endless() if self.manner == "endless" else self.said
        self.send_response(200)
        self.send_header("X-Accel-Redirect", "/catalogue-page?n=1000")
        if self.manner == "unsaid":
            self.close_connection = True
        else:
            self.send_header("Content-Length", "200000" if self.manner == "drips" else str(len(body)))
        self.end_headers()
        try:
            while self.manner == "drips":
                self.wfile.write(b" ")
                self.left.wait(0.05)
            self.wfile.write(body)
        except OSError:
            self.left.set()

    def _endless(self) -> bytes:
        last = parse_qs(urlsplit(self.path).query).get("last", ["n0"])[0]
        first = int(last[1:]) + 1
        return json.dumps({"repositories": [f"n{number:09}" for number in range(first, first + 1000)]}).encode()


@contextmanager
def _taken(manner: str, said: bytes = b"{}") -> Iterator[None]:
    _Taken.manner, _Taken.said, _Taken.asked = manner, said, 0
    _Taken.left.clear()
    try:
        yield
    finally:
        _Taken.manner, _Taken.said = "", b"{}"


@dataclass
class World:
    """A proxy before a registry and two mirrors."""

    proxy: Proxy

    def ask(self, who: str | None, query: str = "") -> Answer:
        """For a page."""
        return self.proxy.connection(who).ask("GET", f"/v2/_catalog{query}")

    def names(self, who: str | None, query: str = "") -> list[str]:
        """On one page."""
        return list(self.ask(who, query).json["repositories"])

    def leaf_through(self, who: str | None, size: int) -> list[str]:
        """All pages of a size, by their links; each but the last is full."""
        found: list[str] = []
        path = f"?n={size}"
        while path:
            answer = self.ask(who, path)
            names = answer.json["repositories"]
            found += names
            path = answer.headers.get("link", "").partition(">")[0].removeprefix("</v2/_catalog")
            assert not path or len(names) == size
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all."""
    home = tmp_path_factory.mktemp("catalogue")
    with upstream(home / "other") as other, proxied(USERS, ACCESS) as proxy:
        for name in PUSHED:
            proxy.connection("alice").ask("POST", f"/v2/{name}/blobs/uploads/", b"")
            place = proxy.storage / f"docker/registry/v2/repositories/{name}"
            (place / "_manifests").mkdir(parents=True, exist_ok=True)
            (place / "_layers").mkdir(exist_ok=True)
        mirror = Mirror(prefix=HUB, insecure=True, upstream=other.url)
        narrowed = Mirror(prefix=HUB, insecure=True, upstream=other.url, repositories=("acme/*", "library/*"))
        taken = Mirror(prefix=TAKEN)
        place = proxy.home / "run/mirrors" / TAKEN
        place.mkdir(parents=True)
        for folder in (place.parent, place):
            folder.chmod(0o755)
        proxy.configure(USERS, ACCESS, mirrors=[mirror, taken])
        proxy.reload()
        with (
            mirroring(mirror, proxy.home / "run", home / "mirror"),
            socketserver.ThreadingUnixStreamServer(str(place / "socket"), _Taken) as server,
        ):
            Path(place / "socket").chmod(0o666)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for name in MIRRORED:
                other.push(name, "1", name.encode())
                path = f"/v2/{HUB}/{name}/manifests/1"
                assert proxy.connection("alice").ask("GET", path, Accept=MANIFEST).status == 200
            assert f"{HUB}/other/app" in World(proxy).names("alice")
            # What was mirrored once and is no more can't be pulled any more.
            proxy.configure(USERS, ACCESS, mirrors=[narrowed, taken])
            proxy.reload()
            yield World(proxy)
            server.shutdown()


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_everybody_sees_what_he_may_pull(world: World, size: int) -> None:
    """Each name once, in the registry's order, whatever the size of a page."""
    assert world.leaf_through("alice", size) == ALL
    everybody = (f"{HUB}/acme/", "public/")
    assert world.leaf_through(None, size) == [n for n in ALL if n.startswith(everybody)]
    its = (*everybody, f"{HUB}/library/", "team/")
    assert world.leaf_through("bob", size) == [n for n in ALL if n.startswith(its)]


def test_a_page_says_what_of_it_is_mirrored(world: World) -> None:
    """So that who looks for something to delete leaves it alone. It says no more than the names do."""
    header = "docker-registry-mirrored"
    assert world.ask("alice").headers[header] == HUB
    assert header not in world.ask("alice", "?n=2").headers
    assert header not in world.ask("alice", "?last=public").headers


def test_a_page_begins_after_any_name(world: World) -> None:
    """Whether there is one of that name or not."""
    for last in [*ALL, "0", "h", f"{HUB}/", f"{HUB}/library", f"{HUB}/zz", f"{HUB}0", "zz"]:
        wanted = [name for name in ALL if name.split("/") > last.split("/")]
        assert world.names("alice", f"?last={quote(last, safe='')}") == wanted, last
    assert world.ask("alice", "?n=1001").status == 400
    assert world.names("alice", "?n=0") == []


def test_a_mirror_that_is_down_has_nothing_to_show(world: World) -> None:
    """The rest is there."""
    socket = world.proxy.home / f"run/mirrors/{HUB}/socket"
    socket.rename(socket.with_name("away"))
    try:
        assert world.names("alice") == [name for name in ALL if not name.startswith(f"{HUB}/")]
    finally:
        socket.with_name("away").rename(socket)


@pytest.mark.parametrize(
    "names",
    [
        ["../x"],
        ["a", "a"],
        ["b", "a"],
        [1],
        "text",
        {"a": 1},
        ["UPPER"],
        ["a" * 300],
        ["a\x00b", "x"],
        [f"n{number:04}" for number in range(1000)],
        [f"n{number:04}" for number in range(1001)],
    ],
    ids=lambda value: str(value)[:12],
)
def test_one_that_was_taken_over_adds_nothing_of_the_others(world: World, names: object) -> None:
    """Names in a circle, in another order, or that are none: what it has ends there."""
    _Taken.said = json.dumps({"repositories": names}).encode()
    try:
        found = world.leaf_through("alice", 500)
    finally:
        _Taken.said = b"{}"
    assert [name for name in found if not name.startswith(f"{TAKEN}/")] == ALL
    assert len(found) == len(set(found))
    assert world.ask("alice", "?n=1").headers["content-type"] == "application/json"


@pytest.mark.parametrize("manner", ["at once", "unsaid"])
def test_one_that_says_too_much_keeps_nothing_from_anybody(world: World, manner: str) -> None:
    """Whether it says before how much comes or not. Who may pull all is told which is missing, and nobody else."""
    with _taken(manner, b" " * 300_000 + b"{}"):
        answers = {who: world.ask(who) for who in ("alice", "bob", None)}
    assert answers["alice"].json["repositories"] == ALL
    assert answers["alice"].headers["docker-registry-missing"] == TAKEN
    for who in ("bob", None):
        assert answers[who].json["repositories"]
        assert "docker-registry-missing" not in answers[who].headers
    assert "docker-registry-missing" not in world.ask("alice").headers


def test_one_that_drips_holds_nobody_up_for_long(world: World) -> None:
    """And is left: it has nobody to whom it could go on."""
    with _taken("drips"):
        answer = world.ask("alice")
        assert _Taken.left.wait(20)
    assert answer.json["repositories"] == ALL
    assert answer.headers["docker-registry-missing"] == TAKEN


def test_one_without_end_comes_to_one(world: World) -> None:
    """Also for who sees nothing of it, so that all of it is looked through; what was told until then is there."""
    with _taken("endless"):
        assert not [name for name in world.names("bob") if name.startswith(f"{TAKEN}/")]
        assert 1 < _Taken.asked <= 40
        answer = world.ask("alice", f"?n=1000&last={TAKEN}")
        assert len(answer.json["repositories"]) == 1000
        assert "docker-registry-missing" not in answer.headers


def test_nobody_asks_for_its_pages_from_outside(world: World) -> None:
    """They are whole."""
    assert world.proxy.connection("alice").ask("GET", f"/catalogue-page/{HUB}?n=1000").status == 404
