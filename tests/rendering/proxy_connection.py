"""Connections to the real proxy, each as one account."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

FQDN = "dr.example.net"
PASSWORD = "of everybody"


@dataclass
class Sent:
    """Bytes of a request, as they go into TLS."""

    heads: int = 0
    bodies: int = 0
    """With what is around pieces of them."""


class Counting(http.client.HTTPSConnection):
    """A connection that counts what it sends; whoever asks puts a new `Sent` there before."""

    sent = Sent()

    def send(self, data: Any) -> None:  # noqa: ANN401
        """The head goes out at once, and then the body."""
        if self.sent.heads:
            self.sent.bodies += len(data)
        else:
            self.sent.heads = len(data)
        super().send(data)


@dataclass
class Answer:
    """What the proxy says."""

    status: int
    headers: dict[str, str]
    body: bytes
    sent: Sent = field(default_factory=Sent)
    """What it was asked with."""

    @property
    def json(self) -> Any:  # noqa: ANN401
        """The body as what it means."""
        return json.loads(self.body)


@dataclass
class Connection:
    """A connection to the proxy, as one account; None is nobody."""

    address: str
    user: str | None
    bearer: bool = False
    host: str = FQDN
    _dialled: Counting | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; words of a header's name are joined by `_`. A connection that ended is made anew.

        nginx ends idle ones when it reloads, which may be just when something is sent.
        """
        try:
            return self._ask(method, path, body, **headers)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            self._dialled = None
            return self._ask(method, path, body, **headers)

    def _ask(self, method: str, path: str, body: bytes | None, **headers: str) -> Answer:
        said = {**self._own, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self._dialled is None:
            self._dialled = Counting(self.address, context=_trusting(), timeout=30)
        sent = self._dialled.sent = Sent()
        self._dialled.request(method, path, body, said)
        answer = self._dialled.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read(), sent)
        if answer.will_close:
            self._dialled.close()
            self._dialled = None
        return found

    @property
    def _own(self) -> dict[str, str]:
        if self.user is None:
            return {"Host": self.host}
        words = base64.b64encode(f"{self.user}:{PASSWORD}".encode()).decode()
        return {"Host": self.host, "Authorization": f"{'Bearer' if self.bearer else 'Basic'} {words}"}

    def send_and_leave(self, method: str, path: str, body: bytes, kind: str) -> None:
        """A request whose answer is not waited for, on the connection that is open."""
        if self._dialled is not None:
            self._dialled.request(method, path, body, {**self._own, "Content-Type": kind})
            self._dialled.close()

    @contextmanager
    def begun(self, method: str, path: str, *says: str) -> Iterator[ssl.SSLSocket]:
        """The head of a request and nothing else, on a connection of its own."""
        own = [f"{name}: {value}" for name, value in self._own.items()]
        address = (self.address, 443)
        with socket.create_connection(address, timeout=10) as plain, _trusting().wrap_socket(plain) as tls:
            tls.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *own, *says, "", ""]).encode())
            yield tls


def _trusting() -> ssl.SSLContext:
    """Any certificate will do."""
    found = ssl.create_default_context()
    found.check_hostname, found.verify_mode = False, ssl.CERT_NONE
    return found
