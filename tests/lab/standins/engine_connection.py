"""Connections to the Docker Engine's API, over a socket or over the local ssh client."""

import contextlib
import http.client
import select
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

from tests.lab.standins.engine_api import ApiError

CONNECT_TIMEOUT = 30.0


class Connection(http.client.HTTPConnection):
    """An HTTP connection to the daemon with this URL."""

    def __init__(self, url: str, ssh_options: Sequence[str]) -> None:
        super().__init__("docker.example.com")
        self._url = url
        self._options = ssh_options
        self._explain: Callable[[], str] = str

    def connect(self) -> None:
        """Open the connection."""
        self.sock, self._explain = dial(self._url, self._options)

    def exchange(
        self, method: str, path: str, query: Mapping[str, str], data: bytes, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send a request and read the answer with its body; raises ApiError when the connection fails."""
        target = quote(path, safe="/:@") + (f"?{urlencode(query)}" if query else "")
        try:
            self.request(method, target, body=data or None, headers=dict(headers))
            response = self.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            reason = self._explain() or str(error) or type(error).__name__
            url = f"http://{self.host}{target}"
            raise ApiError(0, f'error during connect: {method.capitalize()} "{url}": {reason}') from None

    @property
    def stale(self) -> bool:
        """The other side has closed this idle connection."""
        return self.sock is None or bool(select.select([self.sock], [], [], 0)[0])


def dial(host: str, ssh_options: Sequence[str]) -> tuple[socket.socket, Callable[[], str]]:
    """Connect to the daemon of a URL. What is returned beside the socket says why the connection failed, later."""
    url = urlsplit(host)
    if host.startswith("ssh://"):
        return dial_ssh(host, ssh_options)
    if url.scheme == "unix":
        return dial_unix(url.path)
    if url.scheme == "tcp":
        return dial_tcp(url.hostname or "", url.port or 2375)
    raise ApiError(0, f"unable to parse docker host `{host}`")


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
