"""An SSH server for contract tests: runs commands in a folder instead of /srv, and accepts no variables."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko

USER = "root"


@dataclass
class SshServer:
    """A server on this machine. `accepted` are the variables that a client may set; `ran` what it was told to run."""

    folder: Path
    host_key: paramiko.PKey
    client_key: paramiko.PKey
    port: int = 0
    accepted: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)
    logins: int = 0

    @property
    def host_key_line(self) -> str:
        """The host key as clients are told to expect it."""
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"


class _Session(paramiko.ServerInterface):
    def __init__(self, server: SshServer) -> None:
        self._server = server
        self._environment: dict[str, str] = {}

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == USER and key.get_base64() == self._server.client_key.get_base64()
        self._server.logins += known
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED  # type: ignore[attr-defined,no-any-return]

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED  # type: ignore[attr-defined,no-any-return]

    def check_channel_env_request(self, channel: paramiko.Channel, name: bytes, value: bytes) -> bool:
        if name.decode() not in self._server.accepted:
            return False
        self._environment[name.decode()] = value.decode()
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return super().check_channel_subsystem_request(channel, name)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._server.ran.append(command.decode())
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        stdin = b"".join(iter(lambda: channel.recv(65536), b""))
        folder = str(self._server.folder)
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("/srv", folder)],
            input=stdin,
            capture_output=True,
            check=False,
            env={"PATH": "/usr/bin:/bin", **self._environment},
        )
        channel.sendall(done.stdout.replace(folder.encode(), b"/srv"))
        channel.sendall_stderr(done.stderr)
        channel.send_exit_status(done.returncode)
        channel.close()


class _Files(paramiko.SFTPServerInterface):
    folder: Path

    def _local(self, path: str) -> Path:
        return self.folder / path.removeprefix("/srv/")

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._local(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        handle = paramiko.SFTPHandle(flags)
        handle.writefile = self._local(path).open("wb")  # type: ignore[attr-defined]
        return handle


@contextmanager
def listening(folder: Path) -> Iterator[SshServer]:
    """A server with keys of its own."""
    keys = [paramiko.ECDSAKey.generate() for _ in range(2)]
    server = SshServer(folder, keys[0], keys[1])
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]
    transports: list[paramiko.Transport] = []
    threading.Thread(target=_accept, args=(listener, server, transports), daemon=True).start()
    try:
        yield server
    finally:
        listener.close()
        for transport in transports:
            transport.close()


def _accept(listener: socket.socket, server: SshServer, transports: list[paramiko.Transport]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        transport = paramiko.Transport(connection)
        transports.append(transport)
        transport.add_server_key(server.host_key)
        files = type("Files", (_Files,), {"folder": server.folder})
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
        with contextlib.suppress(paramiko.SSHException, EOFError):
            transport.start_server(server=_Session(server))
