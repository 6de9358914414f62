"""In front of the registry's reader: it counts what it is asked, and may be away, slow, or cut what it says."""

from __future__ import annotations

import http.client
import http.server
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PIECE = 65536


@dataclass
class Front:
    """What it was asked, and how it is at the moment."""

    real: Path
    asked: list[str] = field(default_factory=list)
    status: int = 0
    """With this it answers everything by itself, as a registry whose store is away; 0: it hands on."""
    most: int = 0
    """It ends the connection after so many bytes of a body; 0: never."""
    answers: threading.Event = field(default_factory=threading.Event)
    """While it isn't set, it says nothing."""
    held: threading.Event = field(default_factory=threading.Event)
    """While it isn't set, bodies wait after their first piece."""

    def take(self) -> list[str]:
        """Method and path of all that was asked since, and forgets it."""
        found, self.asked = self.asked, []
        return found


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    front: Front


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("registry", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def address_string(self) -> str:
        return "proxy"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        front = self.server.front
        if self.path != "/v2/":
            front.asked.append(f"{self.command} {self.path}")
        front.answers.wait(60)
        if front.status:
            self.send_response(front.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        connection = _Connection(front.real)
        connection.request(self.command, self.path, headers=dict(self.headers.items()))
        answer = connection.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        sent = 0
        while self.command != "HEAD" and (piece := answer.read(_PIECE)):
            self.wfile.write(piece)
            sent += len(piece)
            if front.most and sent >= front.most:
                self.close_connection = True
                break
            front.held.wait(60)
        connection.close()

    def do_HEAD(self) -> None:
        self.do_GET()


@contextmanager
def fronted(run: Path) -> Iterator[Front]:
    """In front of the reader whose socket is in `run`, from now on."""
    place, real = run / "reader.socket", run / "reader-itself.socket"
    place.rename(real)
    front = Front(real)
    front.held.set()
    front.answers.set()
    with _Server(str(place), _Handler) as server:
        server.front = front
        place.chmod(0o777)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield front
        finally:
            front.held.set()
            front.answers.set()
            server.shutdown()
            place.unlink()
            real.rename(place)
