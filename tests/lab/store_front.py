"""What stands before an object store: passes requests on, makes the faults it is told to make, logs every request.

It runs on a host with nothing but Python's standard library. `front.json` in its folder says where to listen and what
is behind; `faults.json` is read anew for every request; `requests.jsonl` has a line for each one before it is answered.
"""

import contextlib
import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

FOLDER = Path(__file__).resolve().parent
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
PIECE = 64 * 1024
SECONDS = 120
READ_ATTEMPTS = 10
BODILESS = {http.HTTPStatus.NO_CONTENT, http.HTTPStatus.NOT_MODIFIED}

_POSTS = {"uploads": "begin", "delete": "delete-many", "uploadId": "complete"}
_GETS = {"list-type": "list", "uploads": "list-uploads", "uploadId": "list-parts"}


def kind_of(method: str, path: str, headers: dict[str, str]) -> str:
    """What a store has its price for: `get`, `head`, `put`, `part`, `begin`, `complete`, `copy`, `list`, `delete`, …"""
    asked = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
    if method == "GET":
        return next((kind for name, kind in _GETS.items() if name in asked), "get")
    if method == "POST":
        return next((kind for name, kind in _POSTS.items() if name in asked), "post")
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "copy"
    if method == "PUT":
        return "part" if "uploadId" in asked else "put"
    if method == "DELETE":
        return "abort" if "uploadId" in asked else "delete"
    return method.lower()


def fault_for(faults: list[dict[str, Any]], kind: str, path: str) -> dict[str, Any]:
    """The first that is about a request of this kind (`kinds`) and path (`path`, searched), {} if there is none."""
    for fault in faults:
        if kind in fault.get("kinds", [kind]) and re.search(fault.get("path", ""), path):
            return fault
    return {}


def refusal(fault: dict[str, Any], path: str) -> bytes:
    """How a store says no."""
    code = fault.get("code", "InternalError")
    said = f"<Code>{code}</Code><Message>{code}</Message><Resource>{urlsplit(path).path}</Resource>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{said}</Error>'.encode()


def _faults() -> list[dict[str, Any]]:
    for _ in range(READ_ATTEMPTS):
        # It may be being written at this moment.
        with contextlib.suppress(OSError, ValueError):
            found: list[dict[str, Any]] = json.loads((FOLDER / "faults.json").read_text())
            return found
        time.sleep(0.05)
    raise OSError("faults.json can't be read")


def pieces(source: BinaryIO, length: int) -> Iterator[bytes]:
    """`length` bytes, a piece after the other; OSError if there are fewer."""
    while length:
        piece = source.read(min(PIECE, length))
        if not piece:
            raise OSError(f"{length} bytes did not come")
        length -= len(piece)
        yield piece


def chunks(source: BinaryIO) -> Iterator[bytes]:
    """The content of a body that is sent in chunks, whose trailers are left out."""
    while size := int(source.readline().split(b";")[0], 16):
        yield from pieces(source, size)
        source.readline()
    while source.readline().strip():
        pass


class Front(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = SECONDS
    upstream: str
    trust: ssl.SSLContext | None
    log = threading.Lock()

    def do_GET(self) -> None:
        """Answers any request."""
        self._began, self._got, self._noted = time.monotonic(), 0, False
        headers = {key.lower(): value for key, value in self.headers.items()}
        self._kind = kind_of(self.command, self.path, headers)
        try:
            self._answer(fault_for(_faults(), self._kind, self.path), headers)
        except (OSError, http.client.HTTPException, ValueError):
            # As a store does that breaks: without a word.
            self.close_connection = True
            if not self._noted:
                self._note(0, 0)

    do_POST = do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _answer(self, fault: dict[str, Any], headers: dict[str, str]) -> None:
        time.sleep(fault.get("delay", 0))
        if "status" in fault:
            for _ in self._body(headers):
                pass
            self._refuse(fault)
            return
        secure = self.trust is not None
        behind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        options: dict[str, Any] = {"context": self.trust} if secure else {}
        connection = behind(self.upstream, timeout=SECONDS, **options)
        try:
            self._pass_on(connection, headers)
            self._pass_back(connection.getresponse(), fault.get("cut"))
        finally:
            connection.close()

    def _body(self, headers: dict[str, str]) -> Iterator[bytes]:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            found = chunks(self.rfile)  # type: ignore[arg-type]
        else:
            found = pieces(self.rfile, int(headers.get("content-length") or 0))  # type: ignore[arg-type]
        for piece in found:
            self._got += len(piece)
            yield piece

    def _pass_on(self, connection: http.client.HTTPConnection, headers: dict[str, str]) -> None:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for key, value in self.headers.items():
            if key.lower() not in HOP_BY_HOP:
                connection.putheader(key, value)
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif "content-length" in headers:
            connection.putheader("Content-Length", headers["content-length"])
        connection.endheaders()
        for piece in self._body(headers):
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            connection.send(b"0\r\n\r\n")

    def _pass_back(self, answer: http.client.HTTPResponse, cut: int | None) -> None:
        length = answer.getheader("Content-Length")
        bodiless = self.command == "HEAD" or answer.status in BODILESS
        chunked = length is None and not bodiless
        self._note(answer.status, 0 if bodiless else int(length or 0))
        self.send_response_only(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in HOP_BY_HOP:
                self.send_header(key, value)
        if length is not None:
            self.send_header("Content-Length", length)
        elif chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if bodiless:
            return
        left = cut
        for piece in iter(lambda: answer.read(PIECE), b""):
            if left is not None and len(piece) > left:
                self.wfile.write(piece[:left])
                raise OSError("cut")
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            left = left if left is None else left - len(piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, fault: dict[str, Any]) -> None:
        said = refusal(fault, self.path)
        self._note(fault["status"], len(said))
        self.send_response_only(fault["status"])
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    def _note(self, status: int, length: int) -> None:
        """Before the answer: who has one finds its line. 0 is none; the length is unknown of what comes in chunks."""
        self._noted = True
        said = {"kind": self._kind, "method": self.command, "path": self.path, "status": status, "got": self._got}
        took = round(time.monotonic() - self._began, 3)
        line = json.dumps({**said, "sent": length, "seconds": took, "at": round(time.time(), 3)})
        with self.log, (FOLDER / "requests.jsonl").open("a") as file:
            file.write(line + "\n")

    def log_message(self, *_: Any) -> None:  # noqa: ANN401
        """Nothing: `requests.jsonl` has all."""


class Server(ThreadingHTTPServer):
    """Takes TLS up in the connection's own thread: a client that is slow there holds up nobody."""

    daemon_threads = True
    request_queue_size = 128
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """One connection."""
        with contextlib.suppress(OSError):
            request.settimeout(SECONDS)
            if self.context is None:
                super().finish_request(request, client_address)
                return
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)


def serve(settings: dict[str, Any]) -> Server:
    """A server that listens; `serve_forever` lets it answer. Without `certificate` nothing is encrypted."""
    secure = "certificate" in settings
    trust = ssl.create_default_context(cafile=settings["authority"]) if secure else None
    handler = type("BoundFront", (Front,), {"upstream": settings["upstream"], "trust": trust})
    server = Server((settings["address"], settings["port"]), handler)
    if secure:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(settings["certificate"], settings["key"])
    return server


if __name__ == "__main__":
    serve(json.loads((FOLDER / "front.json").read_text())).serve_forever()
