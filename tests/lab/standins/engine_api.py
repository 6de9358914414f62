"""The Docker Engine's API."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.lab.standins.plugin import is_cancelled
from tests.lab.standins.values import Json

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from tests.lab.standins.engine_connection import Connection

OUR_VERSION = (1, 47)
BAD_REQUEST = 400


class ApiError(Exception):
    """The daemon refused a request (`status` is the HTTP status), or can't be reached (`status` is 0)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Error response from daemon: {text}" if status else text)
        self.status = status


class EngineApi:
    """A client of one daemon. Connects at the first request; safe for use by several threads."""

    def __init__(self, host: str, ssh_options: Sequence[str] = ()) -> None:
        self.host = host
        self._options = list(ssh_options)
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._version = ""

    @property
    def over_ssh(self) -> bool:
        """Whether the daemon is reached by the ssh client."""
        return self.host.startswith("ssh://")

    def get(self, path: str, **query: Json) -> Json:
        """The answer to GET."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Json = None, **query: Json) -> Json:
        """The answer to POST."""
        return self.request("POST", path, body=body, query=query)

    def delete(self, path: str, **query: Json) -> Json:
        """The answer to DELETE."""
        return self.request("DELETE", path, query=query)

    def ping(self) -> None:
        """Learn the daemon's API version, once; raises ApiError for a daemon that can't be reached."""
        with self._lock:
            known = bool(self._version)
        if known:
            return
        _, headers = self._exchange("GET", "/_ping", {}, b"", {})
        theirs = tuple(int(part) for part in (headers.get("Api-Version") or "1.24").split("."))
        with self._lock:
            self._version = "v" + ".".join(str(part) for part in min(theirs, OUR_VERSION))

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """Send a request and return the decoded JSON of the answer (or its bytes); raises ApiError.

        A call that the engine gave up ends here, between two requests: what it has made so far stays.
        """
        if is_cancelled():
            raise ApiError(0, "context canceled")
        self.ping()
        data, kind = (body, "application/x-tar") if isinstance(body, bytes) else (b"", "application/json")
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        path = f"/{self._version}{path}"
        answer, _ = self._exchange(method, path, given, data, {"Content-Type": kind, **(headers or {})})
        with contextlib.suppress(ValueError):
            return json.loads(answer) if answer else None
        return answer

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str], data: bytes, headers: Mapping[str, str]
    ) -> tuple[bytes, HTTPMessage]:
        connection = self._take()
        response, answer = connection.exchange(method, path, query, data, headers)
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        if response.status >= BAD_REQUEST:
            raise ApiError(response.status, _message(answer))
        return answer, response.headers

    def _take(self) -> Connection:
        from tests.lab.standins.engine_connection import Connection  # noqa: PLC0415  (a preview connects to no daemon)

        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.stale:
                    return connection
                connection.close()
        return Connection(self.host, self._options)


def _text(value: Json) -> str:
    return json.dumps(value) if isinstance(value, bool | dict) else str(value)


def _message(answer: bytes) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(answer)["message"]).strip()
    return answer.decode(errors="replace").strip()
