"""Where the images lie in an object store: what the tools refuse, and what the status says of the store."""

from __future__ import annotations

import http.server
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registryctl.status import store
from tests.e2e.artifacts import image
from tests.registryctl.status_host import StatusHost
from tests.registryctl.stored import StoredHost

PLACE = "acme-images/registries/acme"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StatusHost:
    """A host on which all is well, with an object store."""
    found = StatusHost(tmp_path, monkeypatch)
    found.facts["objects"] = PLACE
    return found


class _Reader(http.server.BaseHTTPRequestHandler):
    """The registry's reader, which answers as it is told."""

    status = 200

    def do_GET(self) -> None:
        body = b'{"repositories":["a"]}' if self.path == "/v2/_catalog?n=1" else b""
        self.send_response(self.status if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """A socket has none."""
        return "socket"

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def _answering(host: StatusHost, handler: type[socketserver.BaseRequestHandler]) -> Iterator[None]:
    sockets = host.machine.path("/run/docker-registry/sockets")
    sockets.mkdir(parents=True, exist_ok=True)
    folder = os.open(sockets, os.O_PATH)
    # The path of a socket has at most 107 bytes.
    with socketserver.ThreadingUnixStreamServer(f"/proc/self/fd/{folder}/reader.socket", handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield
        server.shutdown()
    os.close(folder)


@pytest.mark.parametrize("words", [("backup",), ("backup", "list"), ("restore",), ("restore", "r:a")], ids=" ".join)
def test_no_tool_works_on_files_that_are_none(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with an exit code of its own, and nothing is changed, left or remembered."""
    stored = StoredHost(tmp_path, monkeypatch, "objects")
    stored.push("r", image("one"), "a")
    before = stored.tree()
    done = stored.run(*words)
    assert (done.code, done.out) == (9, "")
    assert done.err == (
        "UNSUPPORTED: the images lie in an object store, acme-images, where this tool changes and reads nothing; "
        "nothing was done\n"
    )
    assert stored.tree() == before


def test_facts_of_an_earlier_version_say_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bucket is, and not how it is reached."""
    stored = StoredHost(tmp_path, monkeypatch, "objects")
    del stored.facts["store"]
    done = stored.run("gc")
    assert (done.code, done.out) == (2, "")
    assert "pulumi up brings it" in done.err


def test_the_store_answers(host: StatusHost) -> None:
    """And how fast."""
    with _answering(host, _Reader):
        code, found = host.all("store")
    assert (code, found["store"]["state"], found["store"]["bucket"]) == (0, "ok", PLACE)
    assert 0 <= found["store"]["seconds"] < store.SLOW


@pytest.mark.parametrize(("status", "state"), [(503, "away"), (500, "failing"), (403, "failing")])
def test_the_store_does_not_answer(status: int, state: str, host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry says so, at once or once it has noticed."""
    monkeypatch.setattr(_Reader, "status", status)
    with _answering(host, _Reader):
        code, found = host.all("store")
    assert (code, found["store"]["state"]) == (2, state)


class _Silent(socketserver.BaseRequestHandler):
    """A registry that waits for its store."""

    def handle(self) -> None:
        """Until the client gives up."""
        while self.request.recv(4096):
            pass


def test_the_registry_waits_for_the_store(host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits with it for long."""
    monkeypatch.setattr(store, "SECONDS", 0.2)
    with _answering(host, _Silent):
        code, found = host.all("store")
    assert (code, found["store"]["state"]) == (2, "silent")


def test_a_slow_store(host: StatusHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody should look."""
    monkeypatch.setattr(store, "SLOW", 0.0)
    with _answering(host, _Reader):
        code, found = host.all("store")
    assert (code, found["store"]["state"]) == (1, "slow")


def test_nobody_can_be_asked(host: StatusHost) -> None:
    """Why, the status of the containers says."""
    code, found = host.all("store")
    assert (code, found["store"]["state"]) == (1, "unknown")


def test_without_a_store_nothing_is_said(host: StatusHost) -> None:
    """Nothing is asked either."""
    del host.facts["objects"]
    assert host.run("store").out == ""
