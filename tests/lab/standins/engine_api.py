"""The Docker Engine's API, over a socket or over the local ssh client."""

import contextlib
import http.client
import json
import select
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.lab.standins.plugin import is_cancelled
from tests.lab.standins.values import Json

OUR_VERSION = (1, 47)
CONNECT_TIMEOUT = 30.0


class ApiError(Exception):
    """The daemon refused a request (`status` is the HTTP status), or can't be reached (`status` is 0)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Error response from daemon: {text}" if status else text)
        self.status = status


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over whatever `dial` opens."""

    def __init__(self, dial: Callable[[], tuple[socket.socket, Callable[[], str]]]) -> None:
        super().__init__("docker.example.com")
        self._dial = dial
        self.explain: Callable[[], str] = str

    def connect(self) -> None:
        """Open the connection."""
        self.sock, self.explain = self._dial()

    @property
    def stale(self) -> bool:
        """The other side has closed this idle connection."""
        return self.sock is None or bool(select.select([self.sock], [], [], 0)[0])


def dial_unix(path: str) -> tuple[socket.socket, Callable[[], str]]:
    """Connect to a socket of this machine."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise ApiError(
            0, f"Cannot connect to the Docker daemon at unix://{path}. Is the docker daemon running?"
        ) from None
    return sock, str


def dial_tcp(host: str, port: int) -> tuple[socket.socket, Callable[[], str]]:
    """Connect to a daemon that listens on TCP."""
    try:
        return socket.create_connection((host, port), CONNECT_TIMEOUT), str
    except OSError:
        raise ApiError(
            0, f"Cannot connect to the Docker daemon at tcp://{host}:{port}. Is the docker daemon running?"
        ) from None


def ssh_command(host: str, options: Sequence[str]) -> list[str]:
    """The command that connects to the daemon of an ssh:// URL."""
    url = urlsplit(host)
    command = ["ssh", *options]
    if not any("ConnectTimeout" in option for option in options):
        command += ["-o", f"ConnectTimeout={CONNECT_TIMEOUT:.0f}"]
    command.append("-T")
    if url.username:
        command += ["-l", url.username]
    if url.port:
        command += ["-p", str(url.port)]
    return [*command, "--", url.hostname or "", "docker", "system", "dial-stdio"]


def dial_ssh(host: str, options: Sequence[str]) -> tuple[socket.socket, Callable[[], str]]:
    """Start the ssh client; its standard input and output are the connection."""
    command = ssh_command(host, options)
    ours, theirs = socket.socketpair()
    # A file, because a client that becomes a control master keeps its standard error open.
    errors = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the connection)
    with theirs:
        process = subprocess.Popen(
            command, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=errors, start_new_session=True
        )

    def explain() -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
        return (
            f"command [{' '.join(command)}] has exited with exit status {process.poll()}, make sure the URL is valid, "
            f"and Docker 18.09 or later is installed on the remote host: stderr={said}"
        )

    return ours, explain


class EngineApi:
    """A client of one daemon. Connects at the first request; safe for use by several threads."""

    def __init__(self, host: str, ssh_options: Sequence[str] = ()) -> None:
        self.host = host
        self._options = list(ssh_options)
        self._idle: list[_Connection] = []
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
        _, headers = self._exchange("GET", "/_ping", b"", {})
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
        target = f"/{self._version}{quote(path, safe='/:@')}" + (f"?{urlencode(given)}" if given else "")
        answer, _ = self._exchange(method, target, data, {"Content-Type": kind, **(headers or {})})
        with contextlib.suppress(ValueError):
            return json.loads(answer) if answer else None
        return answer

    def _exchange(
        self, method: str, target: str, data: bytes, headers: Mapping[str, str]
    ) -> tuple[bytes, http.client.HTTPMessage]:
        connection = self._take()
        try:
            connection.request(method, target, body=data or None, headers=dict(headers))
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            reason = connection.explain() or str(error) or type(error).__name__
            url = f"http://{connection.host}{target}"
            raise ApiError(0, f'error during connect: {method.capitalize()} "{url}": {reason}') from None
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append(connection)
        if response.status >= http.client.BAD_REQUEST:
            raise ApiError(response.status, _message(answer))
        return answer, response.headers

    def _take(self) -> _Connection:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if not connection.stale:
                    return connection
                connection.close()
        return _Connection(self._dial)

    def _dial(self) -> tuple[socket.socket, Callable[[], str]]:
        url = urlsplit(self.host)
        if self.over_ssh:
            return dial_ssh(self.host, self._options)
        if url.scheme == "unix":
            return dial_unix(url.path)
        if url.scheme == "tcp":
            return dial_tcp(url.hostname or "", url.port or 2375)
        raise ApiError(0, f"unable to parse docker host `{self.host}`")


def _text(value: Json) -> str:
    return json.dumps(value) if isinstance(value, bool | dict) else str(value)


def _message(answer: bytes) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(answer)["message"]).strip()
    return answer.decode(errors="replace").strip()
