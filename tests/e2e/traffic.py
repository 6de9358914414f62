"""Clients that are at work while something changes: one that asks all the time, and one that pushes slowly."""

import base64
import hashlib
import http.client
import os
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.e2e.support import USER, Deployed

ANSWER_SECONDS = 30
PAUSE = 0.05
"""Seconds between two requests, or two pieces of a push."""

LONGEST = 300
"""Seconds after which a client ends in any case."""


class Asking:
    """Asks for /v2/ about 20 times a second, over a new TLS connection each time."""

    def __init__(self, registry: Deployed) -> None:
        self._registry = registry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.answers = 0
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(ANSWER_SECONDS)

    def _ask(self) -> None:
        deadline = time.monotonic() + LONGEST
        while not self._stop.wait(PAUSE) and time.monotonic() < deadline:
            try:
                status = self._registry.get("/v2/", password=self._registry.password).status
            except OSError as error:
                self.failures.append(repr(error))
                continue
            self.answers += 1
            if status != http.HTTPStatus.OK:
                self.failures.append(f"status {status}")


class Counted:
    """Clients that ask for names that nobody else asks for, each as fast as it is answered."""

    def __init__(self, registry: Deployed, clients: int) -> None:
        self._registry = registry
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(clients)]
        self.answered: dict[str, float] = {}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS)

    def _ask(self, client: int) -> None:
        deadline, count = time.monotonic() + LONGEST, 0
        while not self._stop.is_set() and time.monotonic() < deadline:
            count += 1
            path = f"/v2/counted/{client}-{count}/tags/list"
            if self._registry.get(path, password=self._registry.password).status == 404:
                self.answered[path] = time.monotonic()

    def more(self, number: int) -> None:
        """Waits for so many further answers."""
        wanted, end = len(self.answered) + number, time.monotonic() + ANSWER_SECONDS
        while len(self.answered) < wanted:
            assert time.monotonic() < end, len(self.answered)
            time.sleep(0.2)


class SlowPush:
    """One blob on its way to the registry over one connection, a little at a time until `finish`."""

    PIECE = 4096

    def __init__(self, registry: Deployed, repository: str, size: int) -> None:
        self._blob = os.urandom(size)
        self._connection = connect(registry)
        token = base64.b64encode(f"{USER}:{registry.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._begin(repository)
        self._sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._trickle, daemon=True)
        self._thread.start()

    @property
    def under_way(self) -> bool:
        """Whether a part has been sent and a part has not."""
        return 0 < self._sent < len(self._blob)

    def finish(self) -> int | None:
        """Sends what is left at full speed; the status of the answer, or None where the connection was cut."""
        self._stop.set()
        self._thread.join(ANSWER_SECONDS)
        try:
            self._connection.send(self._blob[self._sent :])
            with self._connection.getresponse() as answer:
                answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            self._connection.close()
        return answer.status

    def _begin(self, repository: str) -> None:
        self._connection.request("POST", f"/v2/{repository}/blobs/uploads/", headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == http.HTTPStatus.ACCEPTED, answer.status
        location = urlsplit(answer.headers["Location"])
        digest = hashlib.sha256(self._blob).hexdigest()
        self._connection.putrequest("PUT", f"{location.path}?{location.query}&digest=sha256:{digest}")
        for name, value in {**self._headers, "Content-Length": str(len(self._blob))}.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()

    def _trickle(self) -> None:
        deadline = time.monotonic() + LONGEST
        while not self._stop.wait(PAUSE) and time.monotonic() < deadline:
            piece = self._blob[self._sent : self._sent + self.PIECE]
            try:
                self._connection.send(piece)
            except OSError:
                return
            self._sent += len(piece)


def connect(registry: Deployed, patience: float = ANSWER_SECONDS) -> http.client.HTTPConnection:
    """A TLS connection to the proxy, whose certificate is verified; an answer is waited for `patience` seconds."""
    # The name leads to the host through the lab's network alone, so the address is dialled.
    dialled = socket.create_connection((registry.host.address, 443), timeout=patience)
    context = ssl.create_default_context(cafile=str(registry.ca))
    connection = http.client.HTTPConnection(registry.fqdn, 443, timeout=patience)
    connection.sock = context.wrap_socket(dialled, server_hostname=registry.fqdn)
    return connection
