"""The front of a store changes nothing but what it is told to, and counts each request as what it is."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.lab import store_front
from tests.lab.store_front import fault_for, kind_of

SECONDS = 30
LARGE = bytes(range(256)) * 1024


class Behind(BaseHTTPRequestHandler):
    """A store that says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers any request; below `/chunked` without a length."""
        source: Any = self.rfile
        if "Content-Length" in self.headers:
            body = source.read(int(self.headers["Content-Length"]))
        else:
            body = b"".join(store_front.chunks(source)) if "Transfer-Encoding" in self.headers else b""
        said = LARGE if self.path == "/large" else f"{self.command} {self.path} {self.headers['Host']} ".encode() + body
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            said = b"%x\r\n%b\r\n0\r\n\r\n" % (len(said), said)
        else:
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:  # noqa: ANN401
        """Nothing."""


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[http.client.HTTPConnection]:
    """A connection to a front of a store, which makes no faults yet."""
    monkeypatch.setattr(store_front, "FOLDER", tmp_path)
    _faults(tmp_path)
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Behind)) as upstream:
        settings = {"address": "127.0.0.1", "port": 0, "upstream": upstream}
        with _serving(store_front.serve(settings)) as address:
            connection = http.client.HTTPConnection(address, timeout=SECONDS)
            yield connection
            connection.close()


def _faults(folder: Path, *faults: dict[str, Any]) -> None:
    (folder / "faults.json").write_text(json.dumps(faults))


def _noted(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> tuple[int, bytes]:  # noqa: ANN401
    connection.request(method, path, body, {"Host": "store.example.net"})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(
    ("method", "path", "headers", "kind"),
    [
        ("GET", "/b/key", {}, "get"),
        ("GET", "/b?list-type=2&prefix=docker%2F", {}, "list"),
        ("GET", "/b?prefix=a&uploads=", {}, "list-uploads"),
        ("GET", "/b/key?uploadId=7", {}, "list-parts"),
        ("HEAD", "/b/key", {}, "head"),
        ("PUT", "/b/key", {}, "put"),
        ("PUT", "/b/key?partNumber=1&uploadId=7", {}, "part"),
        ("PUT", "/b/key", {"x-amz-copy-source": "/b/other"}, "copy"),
        ("PUT", "/b/key?partNumber=1&uploadId=7", {"x-amz-copy-source": "/b/other"}, "copy"),
        ("POST", "/b/key?uploads", {}, "begin"),
        ("POST", "/b/key?uploadId=7", {}, "complete"),
        ("POST", "/b?delete=", {}, "delete-many"),
        ("DELETE", "/b/key", {}, "delete"),
        ("DELETE", "/b/key?uploadId=7", {}, "abort"),
    ],
)
def test_a_request_is_what_a_store_has_its_price_for(
    method: str, path: str, headers: dict[str, str], kind: str
) -> None:
    """By method, query and one header."""
    assert kind_of(method, path, headers) == kind


def test_a_fault_is_about_what_it_names() -> None:
    """The first that fits counts."""
    faults = [{"kinds": ["put", "part"], "status": 507}, {"path": r"/blobs/", "status": 500}]
    assert fault_for(faults, "part", "/b/x") == faults[0]
    assert fault_for(faults, "get", "/b/blobs/x") == faults[1]
    assert fault_for(faults, "get", "/b/x") == {}
    assert fault_for([{"delay": 2}], "get", "/b/x") == {"delay": 2}


@pytest.mark.parametrize(
    "body", [None, b"content", LARGE, iter([b"one ", b"two"])], ids=["none", "short", "long", "chunks"]
)
def test_what_is_sent_arrives(front: http.client.HTTPConnection, body: Any) -> None:  # noqa: ANN401
    """With the host's name, by which a request is signed."""
    wanted = b"one two" if body is not None and not isinstance(body, bytes) else body or b""
    assert _ask(front, "PUT", "/b/key", body) == (200, b"PUT /b/key store.example.net " + wanted)


@pytest.mark.parametrize("path", ["/b/key", "/chunked", "/large"])
def test_what_is_answered_arrives(front: http.client.HTTPConnection, path: str, tmp_path: Path) -> None:
    """Over a connection that stays, also after an answer without a body."""
    front.request("HEAD", path)
    answer = front.getresponse()
    length = answer.getheader("Content-Length")
    assert (answer.status, answer.read()) == (200, b"")
    status, content = _ask(front, "GET", path)
    assert (status, content) == (200, LARGE if path == "/large" else f"GET {path} store.example.net ".encode())
    assert (length is None) == (path == "/chunked")
    assert [one["kind"] for one in _noted(tmp_path)] == ["head", "get"]
    assert _noted(tmp_path)[1]["sent"] == (0 if path == "/chunked" else len(content))


def test_a_refusal_is_a_store_s(front: http.client.HTTPConnection, tmp_path: Path) -> None:
    """What was sent is read first, so that the connection stays good."""
    _faults(tmp_path, {"kinds": ["put"], "status": 507, "code": "XMinioStorageFull"})
    status, content = _ask(front, "PUT", "/b/key", LARGE)
    assert (status, b"<Code>XMinioStorageFull</Code>" in content) == (507, True)
    assert _ask(front, "GET", "/b/key")[0] == 200
    _faults(tmp_path)
    assert _ask(front, "PUT", "/b/key", LARGE)[0] == 200
    found = [(one["kind"], one["status"], one["got"]) for one in _noted(tmp_path)]
    assert found == [("put", 507, len(LARGE)), ("get", 200, 0), ("put", 200, len(LARGE))]


def test_an_answer_can_be_cut(front: http.client.HTTPConnection, tmp_path: Path) -> None:
    """In its middle, as by a store that breaks."""
    _faults(tmp_path, {"kinds": ["get"], "cut": 100_000})
    front.request("GET", "/large")
    with pytest.raises(http.client.IncompleteRead) as cut:
        front.getresponse().read()
    assert len(cut.value.partial) == 100_000


def test_a_store_that_is_gone_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends without a word."""
    monkeypatch.setattr(store_front, "FOLDER", tmp_path)
    _faults(tmp_path)
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Behind)) as gone:
        pass
    with _serving(store_front.serve({"address": "127.0.0.1", "port": 0, "upstream": gone})) as address:
        connection = http.client.HTTPConnection(address, timeout=SECONDS)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            _ask(connection, "GET", "/b/key")
        connection.close()
