"""How a host is reached: over SSH, or on the machine itself. Commands and Docker use the same way."""

import asyncio
import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pulumi
from pulumi_command import local, remote

from components.manifest import Puts
from config.host import Host as HostSettings
from rendering.rootfs import fingerprint

Command = local.Command | remote.Command


@dataclass(frozen=True)
class CommandArgs:
    """What to run on a host, as root.

    `create` runs at first and on every changed input: it must be safe to run again. `update` replaces it from the
    second time on. `delete` runs on destroy; without it destroy leaves what `create` made.
    What it says for people goes to standard error; standard output is data for the program.
    `stdin` is where content and secrets travel; they are in no command line. `puts` is for the manifest.
    """

    create: pulumi.Input[str]
    update: pulumi.Input[str] | None = None
    delete: pulumi.Input[str] | None = None
    stdin: pulumi.Input[str] | None = None
    puts: pulumi.Input[Puts] | None = None


def size_of(text: pulumi.Output[str]) -> pulumi.Output[str]:
    """How many bytes must arrive on standard input, for the command to compare.

    The length of a secret is no secret; left secret, it would hide the whole command from a preview.
    """
    return pulumi.Output.unsecret(text.apply(lambda whole: str(len(whole.encode()))))


class Connection(Protocol):
    """A way to a host."""

    @property
    def kind(self) -> str:
        """`ssh` or `local`."""

    @property
    def docker_host(self) -> str:
        """The address of the host's Docker, as the Docker provider takes it."""

    @property
    def ssh_options(self) -> pulumi.Input[Sequence[pulumi.Input[str]]] | None:
        """Options of the `ssh` client that the Docker provider starts; None without SSH."""

    def command(self, name: str, args: CommandArgs, opts: pulumi.ResourceOptions) -> Command:
        """A Command resource that runs as root on the host."""

    async def run(self, command: str) -> str:
        """Runs one command as root at once, outside any resource. Raises `RuntimeError` with its own words."""


def connect(settings: HostSettings, private_key: pulumi.Output[str] | None) -> Connection:
    """The way to the host of the settings. `private_key` is None when the SSH agent holds it."""
    prefix = "sudo -n " if settings.sudo else ""
    if settings.is_local:
        return LocalConnection(prefix)
    return SshConnection(settings, prefix, private_key)


def _as_root(prefix: str, command: pulumi.Input[str] | None) -> pulumi.Output[str] | None:
    return None if command is None else pulumi.Output.concat(prefix, command)


async def _run(*argv: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        raise RuntimeError(err.decode(errors="replace").strip() or f"{argv[0]} ended with {process.returncode}")
    return out.decode(errors="replace").strip()


class LocalConnection:
    """The machine that runs the program is the host."""

    kind = "local"
    docker_host = "unix:///var/run/docker.sock"
    ssh_options = None

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def command(self, name: str, args: CommandArgs, opts: pulumi.ResourceOptions) -> Command:
        """See `Connection.command`."""
        return local.Command(
            name,
            create=_as_root(self._prefix, args.create),
            update=_as_root(self._prefix, args.update),
            delete=_as_root(self._prefix, args.delete),
            stdin=args.stdin,
            add_previous_output_in_env=False,
            logging=local.Logging.STDERR,
            opts=opts,
        )

    async def run(self, command: str) -> str:
        """See `Connection.run`."""
        return await _run("sh", "-c", self._prefix + command)


class SshConnection:
    """A host over SSH, whose key is pinned for both clients: pulumi-command's own and the `ssh` that Docker uses."""

    kind = "ssh"

    def __init__(self, settings: HostSettings, prefix: str, private_key: pulumi.Output[str] | None) -> None:
        self._settings = settings
        self._prefix = prefix
        self._target = f"{settings.user}@{settings.address}"
        self._connection = remote.ConnectionArgs(
            host=settings.address,
            port=settings.port,
            user=settings.user,
            host_key=settings.host_key,
            private_key=private_key,
        )
        self._options = _ssh_options(settings)
        # ssh puts its control socket there, and fails without the directory.
        _home_of_ssh().mkdir(mode=0o700, parents=True, exist_ok=True)
        address = f"[{settings.address}]" if ":" in settings.address else settings.address
        self.docker_host = f"ssh://{settings.user}@{address}:{settings.port}"
        self.ssh_options: pulumi.Input[Sequence[pulumi.Input[str]]] = self._options
        if private_key is not None:
            # The file's name is fixed and holds no secret; the Docker provider only has to wait until it is written.
            self._options = [*self._options, *_identity_options(key_path(_login(settings)))]
            written = private_key.apply(lambda key: write_key(key_path(_login(settings)), key))
            self.ssh_options = pulumi.Output.unsecret(written).apply(lambda _: self._options)

    def command(self, name: str, args: CommandArgs, opts: pulumi.ResourceOptions) -> Command:
        """See `Connection.command`."""
        return remote.Command(
            name,
            connection=self._connection,
            create=_as_root(self._prefix, args.create),
            update=_as_root(self._prefix, args.update),
            delete=_as_root(self._prefix, args.delete),
            stdin=args.stdin,
            # sshd takes no environment, so the previous output would only bring a warning.
            add_previous_output_in_env=False,
            logging=remote.Logging.STDERR,
            opts=opts,
        )

    async def run(self, command: str) -> str:
        """See `Connection.run`."""
        port = str(self._settings.port)
        return await _run("ssh", *self._options, "-p", port, "--", self._target, self._prefix + command)


def _ssh_options(settings: HostSettings) -> list[str]:
    """Options that make `ssh` independent of the machine: no prompt, no known_hosts file, one connection."""
    # Not %C: with it the path is longer than a socket's may be under a long home directory.
    connection = fingerprint(f"{_login(settings)} {settings.host_key}", 16)
    options = [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/dev/null",
        "GlobalKnownHostsFile=/dev/null",
        # The pinned key in place of a file: the state then holds no path of the machine that made it.
        f"KnownHostsCommand=/bin/echo %H {settings.host_key}",
        "ControlMaster=auto",
        f"ControlPath=%d/.ssh/registry-{connection}",
        "ControlPersist=30",
        "ServerAliveInterval=15",
        "ConnectTimeout=15",
    ]
    return [word for option in options for word in ("-o", option)]


def _login(settings: HostSettings) -> str:
    return f"{settings.user}@{settings.address}:{settings.port}"


def _home_of_ssh() -> Path:
    """The directory that `ssh` means by `%d/.ssh`: it goes by the user database, whatever HOME says."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh"


def key_path(login: str) -> Path:
    """Where the private key of `login` (user@host:port) lies when it comes from the settings."""
    return _home_of_ssh() / f"registry-{fingerprint(login, 16)}.key"


def _identity_options(key: Path) -> list[str]:
    # %d is the home directory, so that the option reads the same on every machine.
    return ["-o", f"IdentityFile=%d/.ssh/{key.name}", "-o", "IdentitiesOnly=yes"]


def write_key(path: Path, key: str) -> bool:
    """Puts the private key where only `ssh` of this user reads it: the Docker provider can't take one from memory."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(key if key.endswith("\n") else key + "\n")
    new.replace(path)
    return True
