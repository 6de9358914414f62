"""The host: how it is reached, what it needs before containers can run, and the files and directories on it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs, connect, size_of
from config import Secrets, Settings
from rendering.rootfs import TOOLS, HostFile, render
from rendering.tools import install_script, removal_command

# One host, one stack: the file names it. `check-host` writes and reads it.
_CLAIM = "/var/lib/docker-registry/stack"

STACK_LABEL = "docker-registry.stack"
"""The label that every Docker object of a stack bears; its value is the stack's full name."""


@dataclass(frozen=True)
class HostArgs:
    """The host of `settings`, managed by the stack `stack` (organization/project/stack)."""

    settings: Settings
    secrets: Secrets
    stack: str


@dataclass(frozen=True)
class Directory:
    """A directory on the host: octal mode, `user:group`, absolute path."""

    mode: str
    owner: str
    path: str


@dataclass(frozen=True)
class FileArgs:
    """A file on the host.

    `verify` runs before the new file replaces the old one and can refuse it; `then` runs once it is in place, also
    when it was there already. Both are one command, without a shell. `retire` is shell text that runs before destroy
    removes the file; a `kept` one outlives it. A secret file's content is in no preview and in no plain state.
    """

    file: pulumi.Input[HostFile]
    path: str
    mode: str = "0640"
    owner: str = "root:root"
    verify: str | None = None
    then: str | None = None
    retire: str | None = None
    kept: bool = False


class Host(pulumi.ComponentResource):
    """A Debian or Ubuntu host that is ready for containers, with a Docker provider of its own.

    Before anything is touched the host is checked (system, ports, subnet, another stack's claim); a fault fails the
    first resource with every fault named. Replacement: none of its resources is ever replaced by a changed setting;
    another `host.address` is another host and deserves another stack.
    """

    provider: docker.Provider
    ready: Command
    root: str
    stack: str
    time_zone: str

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("registry:host:Host", name, None, opts)
        self._name = name
        self._args = args
        self._connection = connect(args.settings.host, args.secrets.ssh_private_key)
        self.root = str(args.settings.storage.root)
        self.stack = args.stack
        self.time_zone = args.settings.host.time_zone

        self.ready = self._prepare(self._check())
        self.provider = self._docker_provider()
        self.orphans = pulumi.ResourceHook(f"{name}-remove-orphan", self._remove_orphan)
        self.lost = pulumi.ErrorHook(f"{name}-replace-lost", self._replace_lost)
        self.register_outputs({"address": args.settings.host.address})

    def command(self, name: str, args: CommandArgs, opts: pulumi.ResourceOptions) -> Command:
        """A command that runs as root on the host once it is ready."""
        ready = pulumi.ResourceOptions(depends_on=[self.ready])
        return self._connection.command(name, args, pulumi.ResourceOptions.merge(opts, ready))

    async def run(self, command: str) -> str:
        """Runs one command as root at once, outside any resource. Raises `RuntimeError` when it fails."""
        return await self._connection.run(command)

    def file(self, name: str, args: FileArgs, opts: pulumi.ResourceOptions) -> Command:
        """A file on the host, as one resource: its standard input is the content, and so is the preview's diff."""
        owner = f"{name}@{self._connection.kind}"
        content = pulumi.Output.from_input(args.file).apply(lambda file: file.content)
        create = size_of(content).apply(lambda size: _put_file(owner, size, args))
        # A host that was set up anew has no tools: destroy, which clears the way for the next up, must not need them.
        remover = f"{TOOLS}/remove-file"
        remove = f"test ! -x {remover} || {shlex.join([remover, '--for', owner, args.path])}"
        if args.retire is not None:
            remove = f"{args.retire} && {{ {remove}; }}"
        command = CommandArgs(
            create=create, delete=None if args.kept else f"sh -c {shlex.quote(remove)}", stdin=content
        )
        return self.command(name, command, opts)

    def directories(self, name: str, directories: Sequence[Directory], opts: pulumi.ResourceOptions) -> Command:
        """Directories with owner and mode. Destroy leaves them, and what is in them."""
        create = f"{TOOLS}/ensure-directories {len(directories)}"
        return self.command(name, CommandArgs(create=create, stdin=table(directories)), opts)

    def docker_options(
        self, parent: pulumi.Resource, *, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """Options of a Docker object on this host.

        What an interrupted run left under its name is removed first; that it is gone already is no error.
        """
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            depends_on=[self.ready, *after],
            hooks=pulumi.ResourceHookBinding(before_create=[self.orphans], on_error=[self.lost]),
        )

    def _check(self) -> Command:
        settings = self._args.settings
        check = shlex.join(
            [
                *("sh", "-s", "--", "--stack", self.stack),
                *("--subnet", str(settings.network.subnet)),
                *("--ports", f"{settings.site.http_port} {settings.site.https_port}"),
                *("--install", _yes(settings.host.install_packages)),
                *(("--adopt", settings.network.name) if settings.host.adopt else ()),
            ]
        )
        script = render(f"{TOOLS}/check-host").content
        return self._connection.command(
            f"{self._name}-check",
            CommandArgs(create=check, update=f"{check} --known", delete=f"rm -f {_CLAIM}", stdin=script),
            pulumi.ResourceOptions(parent=self),
        )

    def _prepare(self, checked: Command) -> Command:
        """All tools at once, and what they find wanting: what comes later is a file each, put there by them."""
        settings = self._args.settings.host
        owner = f"{self._name}-tools@{self._connection.kind}"
        prepare = shlex.join(
            [
                *("sh", "-s", "--", f"{TOOLS}/prepare-host", "--install", _yes(settings.install_packages)),
                *("--time-zone", settings.time_zone, "--user", settings.user),
            ]
        )
        return self._connection.command(
            f"{self._name}-tools",
            CommandArgs(
                create=prepare, delete=f"sh -c {shlex.quote(removal_command(owner))}", stdin=install_script(owner)
            ),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[checked],
                # Once each tool was a resource: removing the first would now remove what this one has put there.
                aliases=[pulumi.Alias(name=f"{self._name}-tool-put-file")],
            ),
        )

    def _docker_provider(self) -> docker.Provider:
        host: pulumi.Input[str] = self._connection.docker_host
        if self._connection.kind == "local":
            # A local Docker is asked at once, even by a preview: on a blank machine it has to be installed first.
            host = self.ready.stdout.apply(lambda _: self._connection.docker_host)
        return docker.Provider(
            f"{self._name}-docker",
            host=host,
            ssh_opts=self._connection.ssh_options,
            # It connects at the first use, so it can start beside the commands: what uses it waits for the host.
            opts=pulumi.ResourceOptions(parent=self),
        )

    async def _remove_orphan(self, args: pulumi.ResourceHookArgs) -> None:
        """Before a network or container is made: one of its name that an interrupted run left is removed."""
        kinds = {"docker:index/network:Network": "network", "docker:index/container:Container": "container"}
        kind = kinds.get(args.type)
        if kind is None or args.new_inputs is None:
            return
        removed = await self._connection.run(
            shlex.join([f"{TOOLS}/remove-orphan", kind, str(args.new_inputs["name"]), self.stack])
        )
        if removed:
            pulumi.log.info(removed)

    async def _replace_lost(self, args: pulumi.ErrorHookArgs) -> bool:
        """Whether to try again to delete a container: one that is gone can't be stopped, which the provider needs.

        It is gone when somebody removed it, or when a run was killed before it recorded that it did.
        """
        lost = args.failed_operation == "delete" and "No such container" in args.errors[0]
        if not lost or len(args.errors) > 1 or args.old_inputs is None:
            return False
        await self._connection.run(shlex.join([f"{TOOLS}/replace-lost", args.id, str(args.old_inputs["image"])]))
        return True


def table(directories: Sequence[Directory]) -> str:
    """Directories as `ensure-directories` reads them, a line each."""
    return "".join(f"{entry.mode} {entry.owner} {entry.path}\n" for entry in directories)


def _put_file(owner: str, size: str, args: FileArgs) -> str:
    words = [
        f"{TOOLS}/put-file",
        "--for",
        owner,
        "--size",
        str(size),
        "--mode",
        args.mode,
        "--owner",
        args.owner,
    ]
    if args.verify is not None:
        words += ["--verify", args.verify]
    if args.then is not None:
        words += ["--then", args.then]
    return shlex.join([*words, args.path])


def _yes(value: bool) -> str:
    return "yes" if value else "no"
