"""The ways to a host: SSH with a pinned key, or none for the machine itself."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from pathlib import Path

import pulumi
import pytest

from components.connection import CommandArgs, LocalConnection, SshConnection, _home_of_ssh, connect
from config import Host as HostSettings
from tests.unit.assembly import assembled
from tests.unit.config.pki import ssh_key
from tests.unit.config.stack import HOST_KEY, Stack
from tests.unit.programs import SSH_KEY, VARIANTS, answer, machine, whole
from tests.unit.recorder import Recording, record

OTHER_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtFHtM5B4rQvVxN0pOVJuJ1mIcNqSp9CF0vUoH2h4Qx"
_SSH_ADDS = 17
"""What ssh appends to the path of a new control socket."""
_SHORTEST_SOCKET_LIMIT = 104
"""The length of a socket's path on macOS; Linux has 108."""


def _host(changes: Stack, *, preview: bool) -> Recording:
    return assembled("host", preview, {"host": changes})


def _options(run: Recording, provider: str = "h-docker") -> dict[str, str]:
    words = json.loads(run[provider].inputs["sshOpts"])
    assert set(words[::2]) == {"-o"}
    return dict(word.split("=", 1) for word in words[1::2])


def test_commands_pin_the_host_s_key(preview: bool) -> None:
    """Each command goes to the host of the settings and accepts no other key."""
    changes = {"address": "203.0.113.7", "port": 2222, "user": "admin", "sudo": True}
    for command in _host(changes, preview=preview).commands:
        connection = command.inputs["connection"]
        assert command.type == "command:remote:Command"
        wanted = {"host": "203.0.113.7", "port": 2222, "user": "admin", "hostKey": HOST_KEY}
        assert {name: connection[name] for name in wanted} == wanted


def test_docker_pins_the_host_s_key(preview: bool) -> None:
    """The ssh client asks nobody, and no file of this machine counts."""
    options = _options(_host({}, preview=preview))
    assert options["StrictHostKeyChecking"] == "yes"
    assert options["BatchMode"] == "yes"
    assert options["KnownHostsCommand"].endswith(f" %H {HOST_KEY}")
    assert options["UserKnownHostsFile"] == options["GlobalKnownHostsFile"] == "/dev/null"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("dr.example.net", "ssh://root@dr.example.net:22"),
        ("203.0.113.7", "ssh://root@203.0.113.7:22"),
        ("2001:db8::7", "ssh://root@[2001:db8::7]:22"),
    ],
)
def test_docker_is_reached_by_ssh(preview: bool, address: str, url: str) -> None:
    """By name or address; that of IPv6 in brackets, so that the port is found."""
    assert _host({"address": address}, preview=preview)["h-docker"].inputs["host"] == url


def test_connections_are_shared_but_not_with_another_host(preview: bool) -> None:
    """A host that was set up anew under the same address has another key, and so another control socket."""
    path = _options(_host({}, preview=preview))["ControlPath"]
    assert path == _options(_host({}, preview=preview))["ControlPath"]
    assert path != _options(_host({"hostKey": OTHER_HOST_KEY}, preview=preview))["ControlPath"]
    assert path != _options(_host({"port": 2222}, preview=preview))["ControlPath"]


def test_the_control_socket_s_path_is_short() -> None:
    """A home directory of 45 characters leaves room for it."""
    path = _options(_host({}, preview=False))["ControlPath"].replace("%d", "x" * 45)
    assert "%" not in path
    assert len(path) + _SSH_ADDS < _SHORTEST_SOCKET_LIMIT


def test_the_directory_of_ssh_is_made(preview: bool) -> None:
    """A machine without ~/.ssh has no place for the control socket; it is the user's alone."""
    with machine() as directory:
        record(
            lambda: _connect(HostSettings(address="a.example.net", host_key=HOST_KEY)), preview=preview, answer=answer
        )
        assert directory.stat().st_mode & 0o777 == 0o700
        assert list(directory.iterdir()) == []


def test_the_directory_of_ssh_is_the_one_ssh_means(monkeypatch: pytest.MonkeyPatch) -> None:
    """ssh goes by the user database; HOME may say otherwise, in a container of a CI service for example."""
    monkeypatch.setenv("HOME", "/nonexistent")
    assert _home_of_ssh() == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh"


def _connect(settings: HostSettings, key: str | None = None) -> SshConnection:
    connection = connect(settings, None if key is None else pulumi.Output.secret(key))
    assert isinstance(connection, SshConnection)
    connection.command("one", CommandArgs(create="true"), pulumi.ResourceOptions())
    pulumi.export("options", connection.ssh_options)
    return connection


@pytest.mark.parametrize("key", [SSH_KEY, SSH_KEY.rstrip("\n")], ids=["whole", "without-line-end"])
def test_a_key_of_the_settings_becomes_a_file_of_the_user_s(preview: bool, key: str) -> None:
    """The ssh client takes no key but from a file: 0600, under a name that tells nothing, replaced as a whole."""
    settings = HostSettings(address="a.example.net", host_key=HOST_KEY)
    with machine(agent=False) as directory:
        for this_key in (ssh_key(), key):
            run = record(lambda k=this_key: _connect(settings, k), preview=preview, answer=answer)  # type: ignore[misc]
        [file] = list(directory.iterdir())
        assert file.read_text() == SSH_KEY
        assert file.stat().st_mode & 0o777 == 0o600
        options = run.registered_outputs["production"]["options"]
        assert f"IdentityFile=%d/.ssh/{file.name}" in options
        assert "IdentitiesOnly=yes" in options
        assert run.secret_outputs["production"] == frozenset()


def test_without_a_key_the_agent_s_are_used(preview: bool) -> None:
    """All of them."""
    options = _options(_host({}, preview=preview))
    assert not {"IdentityFile", "IdentitiesOnly"} & options.keys()


def test_the_machine_itself_needs_no_connection(preview: bool) -> None:
    """Local commands, the local Docker, no option of SSH."""
    for variant in ("local", "local-sudo"):
        run = whole(variant, preview)
        assert {command.type for command in run.commands} == {"command:local:Command"}
        assert all("connection" not in command.inputs for command in run.commands)
        assert "sshOpts" not in run["host-docker"].inputs
        assert preview or run["host-docker"].inputs["host"] == "unix:///var/run/docker.sock"
        assert "address" in VARIANTS[variant]["host"]


def test_files_remember_the_way_they_came(preview: bool) -> None:
    """A file taken over by another connection is not removed when the old resource is."""
    for variant, kind in (("plain", "ssh"), ("local", "local")):
        create = whole(variant, preview)["nginx-files-configuration"].inputs["create"]
        assert f"--for nginx-files-configuration@{kind} " in create


_FAKE_SSH = """#!/bin/sh
printf '%s\\n' "$@"
case $* in *fail*) echo 'out of order' >&2; exit 3 ;; esac
"""


def _run(connection: SshConnection | LocalConnection, command: str) -> str:
    return asyncio.run(connection.run(command))


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh client that tells its arguments."""
    (tmp_path / "ssh").write_text(_FAKE_SSH)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("fake_ssh")
def test_a_hook_goes_the_same_way_as_docker() -> None:
    """Same options, so the key is pinned too; the command is one argument, with sudo where that is set."""
    settings = HostSettings(address="203.0.113.7", port=2222, user="admin", sudo=True, host_key=HOST_KEY)
    with machine():
        words = _run(SshConnection(settings, "sudo -n ", None), "do 'this thing'").splitlines()
    assert words[-5:] == ["-p", "2222", "--", "admin@203.0.113.7", "sudo -n do 'this thing'"]
    assert f"KnownHostsCommand=/bin/echo %H {HOST_KEY}" in words
    assert "StrictHostKeyChecking=yes" in words


@pytest.mark.usefixtures("fake_ssh")
def test_a_failing_hook_tells_why() -> None:
    """In the host's own words, or, where it has none, by its exit code."""
    with machine():
        ssh = SshConnection(HostSettings(address="a.example.net", host_key=HOST_KEY), "", None)
        with pytest.raises(RuntimeError, match="out of order"):
            _run(ssh, "fail")
    with pytest.raises(RuntimeError, match="ended with 4"):
        _run(LocalConnection(""), "exit 4")


def test_a_local_hook_runs_here() -> None:
    """Through the shell, with its output."""
    assert _run(LocalConnection(""), "echo one; echo two") == "one\ntwo"
