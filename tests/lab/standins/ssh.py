"""SSH as the command provider does it: a new connection for every command, tried several times."""

import io
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.lab.standins import light
from tests.lab.standins.command_run import CHUNK, Result
from tests.lab.standins.gotext import quoted
from tests.lab.standins.plugin import CallError, is_cancelled
from tests.lab.standins.values import Json

with light.importing():
    import paramiko

FIRST_DELAY = 0.1  # seconds
LONGEST_DELAY = 5.0
GROWTH = 1.5
Log = Callable[[str, str], None]


def dial(connection: Mapping[str, Any], log: Log) -> paramiko.Transport:
    """Connect and log in, trying `dialErrorLimit` more times after a failure; raises CallError."""
    limit = int(connection.get("dialErrorLimit", 10))
    delay = FIRST_DELAY
    attempt = 0
    while True:
        try:
            return _dial_once(connection)
        except _DialError as error:
            if -1 < limit < attempt + 1:
                raise CallError(f"after {attempt} failed attempts: {error}") from None
            shown = "inf" if limit == -1 else str(limit)
            log("info", f"Dial {attempt + 1}/{shown} failed: retrying")
        time.sleep(delay)
        if is_cancelled():
            raise CallError("context canceled")
        delay = min(delay * GROWTH, LONGEST_DELAY)
        attempt += 1


class _DialError(Exception):
    pass


def _dial_once(connection: Mapping[str, Any]) -> paramiko.Transport:
    if connection.get("proxy"):
        raise CallError("the stand-in connects without a proxy only")
    host, port = str(connection["host"]), int(connection.get("port", 22))
    timeout = float(connection.get("perDialTimeout", 15)) or None
    keys = _keys(connection)
    sock = _connect(host, port, timeout)
    transport = paramiko.Transport(sock)
    try:
        if timeout is not None:
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
        _handshake(transport, connection.get("hostKey"), timeout)
        _log_in(transport, str(connection.get("user", "root")), keys, connection.get("password"))
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise _DialError(f"ssh: handshake failed: {error or 'EOF'}") from None
    except BaseException:
        transport.close()
        raise
    return transport


def _connect(host: str, port: int, timeout: float | None) -> socket.socket:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        sock = socket.create_connection((host, port), timeout)
    except TimeoutError:
        raise _DialError(f"dial tcp {shown}: i/o timeout") from None
    except socket.gaierror:
        raise _DialError(f"dial tcp: lookup {host}: no such host") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _DialError(f"dial tcp {shown}: connect: {reason}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # many small messages: none shall wait for another
    return sock


def _handshake(transport: paramiko.Transport, host_key: str | None, timeout: float | None) -> None:
    if host_key:
        kind = host_key.split()[0]
        options = transport.get_security_options()
        options.key_types = ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
    try:
        transport.start_client(timeout=timeout or 600)
    except Exception as error:
        if host_key and "host key" in str(error).lower():
            raise _DialError("ssh: handshake failed: ssh: host key mismatch") from None
        raise
    if host_key and transport.get_remote_server_key().get_base64() != host_key.split()[1]:
        raise _DialError("ssh: handshake failed: ssh: host key mismatch")


def _keys(connection: Mapping[str, Any]) -> list[Any]:
    """The keys to offer: the given private key first, then those of the agent."""
    keys: list[Any] = []
    if connection.get("privateKey"):
        keys.append(_parse_key(connection["privateKey"], connection.get("privateKeyPassword")))
    agent = connection.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")
    if agent:
        try:
            keys += _agent_keys(agent)
        except OSError as error:
            raise CallError(f"dial unix {agent}: connect: {(error.strerror or str(error)).lower()}") from None
        except paramiko.SSHException as error:
            raise CallError(f"agent: {error}") from None
    return keys


def _agent_keys(path: str) -> list[Any]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    agent = paramiko.agent.AgentSSH()
    agent._connect(sock)  # type: ignore[attr-defined]
    return list(agent.get_keys())


def _parse_key(text: str, password: str | None) -> Json:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text), password)
        except paramiko.PasswordRequiredException:
            raise CallError("ssh: this private key is passphrase protected") from None
        except (paramiko.SSHException, ValueError):
            continue
    raise CallError("ssh: no key found")


def _log_in(transport: paramiko.Transport, user: str, keys: list[Any], password: str | None) -> None:
    tried = ["none"] + (["publickey"] if keys else []) + (["password"] if password else [])
    for key in keys:
        try:
            if not transport.auth_publickey(user, key):
                return
        except paramiko.AuthenticationException:
            continue
    if password is not None:
        try:
            transport.auth_password(user, password)
        except paramiko.AuthenticationException:
            pass
        else:
            return
    methods = f"attempted methods [{' '.join(tried)}], no supported methods remain"
    raise _DialError(f"ssh: handshake failed: ssh: unable to authenticate, {methods}")


def set_environment(channel: paramiko.Channel, name: str, value: str) -> bool:
    """Ask the server to set a variable, and whether it did. A refusal closes this channel."""
    request = paramiko.Message()
    request.add_byte(b"\x62")  # SSH_MSG_CHANNEL_REQUEST
    request.add_int(channel.remote_chanid)
    request.add_string("env")
    request.add_boolean(True)
    request.add_string(name)
    request.add_string(value)
    channel._event_pending()  # type: ignore[attr-defined]
    channel.get_transport()._send_user_message(request)  # type: ignore[attr-defined]
    try:
        channel._wait_for_event()  # type: ignore[attr-defined]
    except paramiko.SSHException:
        return False
    return True


def open_session(
    transport: paramiko.Transport, environment: Mapping[str, str], wished: Mapping[str, str], log: Log
) -> paramiko.Channel:
    """A session with the `environment`, which must be accepted, and of the `wished` variables those that are."""
    wanted = dict(wished)
    while True:
        channel = transport.open_session()
        for name, value in environment.items():
            if not set_environment(channel, name, value):
                log("error", _setenv_text(name))
                raise CallError(f"could not set environment variable {quoted(name)}: ssh: setenv failed")
        refused = next((name for name, value in wanted.items() if not set_environment(channel, name, value)), None)
        if refused is None:
            return channel
        log("warning", _setenv_text(refused))
        del wanted[refused]


def _setenv_text(name: str) -> str:
    return (
        f"Unable to set '{name}'. This only works if your SSH server is configured to accept\n\tthese variables via "
        "AcceptEnv. Alternatively, if a Bash-like shell runs the command on the remote host, you could\n\tprefix the "
        "command itself with the variables in the form 'VAR=value command'"
    )


def run(channel: paramiko.Channel, command: str, stdin: str, show: Callable[[str, bytes], None]) -> Result:
    """Run `command` with this input. `show` gets each piece of output with the name of its stream as it comes."""
    channel.settimeout(None)
    channel.exec_command(command)
    sender = threading.Thread(target=_send, args=(channel, stdin.encode()), daemon=True)
    sender.start()
    buffers = {"stdout": bytearray(), "stderr": bytearray(), "both": bytearray()}
    lock = threading.Lock()

    def receive(name: str, read: Callable[[int], bytes]) -> None:
        while piece := read(CHUNK):
            with lock:
                buffers[name] += piece
                buffers["both"] += piece
                show(name, piece)

    reader = threading.Thread(target=receive, args=("stderr", channel.recv_stderr), daemon=True)
    reader.start()
    receive("stdout", channel.recv)
    reader.join()
    status = channel.recv_exit_status()
    decoded = {name: bytes(data).decode(errors="replace") for name, data in buffers.items()}
    return Result(decoded["stdout"], decoded["stderr"], decoded["both"], None if status == -1 else status)


def _send(channel: paramiko.Channel, data: bytes) -> None:
    try:
        for start in range(0, len(data), CHUNK):
            channel.sendall(data[start : start + CHUNK])
        channel.shutdown_write()
    except OSError:
        pass  # the command ended without reading everything
