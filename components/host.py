"""The host: how it is reached, what it needs before containers can run, and the files and directories on it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs, connect, size_of
from components.manifest import Manifest, Puts
from config.host import Host as HostSettings
from config.network import Network
from config.site import Site
from config.storage import Storage
from rendering.bundle import Entry, bundle
from rendering.rootfs import TOOLS, HostFile
from rendering.tools import check_script, found_tools, install_script, removal_command

CLAIM = "/var/lib/docker-registry/stack"
"""One host, one stack: the file names it. `check-host` writes and reads it."""

STACK_LABEL = "docker-registry.stack"
"""The label that every Docker object of a stack bears; its value is the stack's full name."""


def volume_directories(root: str) -> dict[str, str]:
    """The volumes, and where below the storage root each lies."""
    registry, ui = f"{root}/docker-registry", f"{root}/docker-registry-ui"
    return {
        "registry-data": f"{registry}/data",
        "registry-logs": f"{registry}/logs",
        "registry-ui-logs": f"{ui}/logs",
    }


@dataclass(frozen=True)
class HostArgs:
    """The host of `settings`, and what of it the stack takes: ports of the site, a network, a place for its storage.

    Without a `private_key` for SSH the agent is asked. `backs_up`: whether it needs what a backup needs.
    """

    settings: HostSettings
    site: Site
    network: Network
    storage: Storage
    private_key: pulumi.Output[str] | None
    backs_up: bool = False


@dataclass(frozen=True)
class FileArgs:
    """A file on the host. A secret file's content is in no preview and in no plain state."""

    file: pulumi.Input[HostFile]
    path: str
    mode: str = "0640"
    owner: str = "root:root"


@dataclass(frozen=True)
class FilesArgs:
    """Files that belong together, and the directories that hold them.

    `verify` runs before any new file replaces an old one and can refuse them: it gets a directory in which each has its
    whole path. `then` runs once they are in place, also when they were there already. Both are one command,
    without a shell. `retire` is shell text that runs before destroy removes the files; `kept` ones outlive it.
    `note` is for people who read a preview of secret files. `units` are enabled by `then`.
    """

    files: Sequence[FileArgs]
    directories: Sequence[Entry] = ()
    verify: str | None = None
    then: str | None = None
    retire: str | None = None
    kept: bool = False
    note: str = ""
    units: Sequence[str] = ()


class Host(pulumi.ComponentResource):
    """A Debian or Ubuntu host that is ready for containers, with a Docker provider of its own.

    `stack` is the full name of the stack that manages it, organization/project/stack.
    Before anything is touched the host is checked (system, ports, subnet, volumes, another stack's claim); a fault
    fails the first resource with every fault named. Replacement: none of its resources is ever replaced by a changed
    setting; another `host.address` is another host and deserves another stack.
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
        self._connection = connect(args.settings, args.private_key)
        self.root = str(args.storage.root)
        self.stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        self.time_zone = args.settings.time_zone
        self.manifest = Manifest()

        self.ready = self._prepare(self._check())
        self.provider = self._docker_provider()
        self.orphans = pulumi.ResourceHook(f"{name}-remove-orphan", self._remove_orphan)
        self.lost = pulumi.ErrorHook(f"{name}-replace-lost", self._replace_lost)
        self.register_outputs({"address": args.settings.address})

    def command(self, name: str, args: CommandArgs, opts: pulumi.ResourceOptions) -> Command:
        """A command that runs as root on the host once it is ready."""
        ready = pulumi.ResourceOptions(depends_on=[self.ready])
        return self._at_once(name, args, pulumi.ResourceOptions.merge(opts, ready))

    def _at_once(self, name: str, args: CommandArgs, opts: pulumi.ResourceOptions) -> Command:
        self.manifest.add(name, args.stdin, args.puts)
        return self._connection.command(name, args, opts)

    async def run(self, command: str) -> str:
        """Runs one command as root at once, outside any resource. Raises `RuntimeError` when it fails."""
        return await self._connection.run(command)

    def file(self, name: str, args: FileArgs, opts: pulumi.ResourceOptions) -> Command:
        """A file on the host, as one resource: its standard input is the content, and so is the preview's diff."""
        placed = pulumi.Output.from_input(args.file)
        content = placed.apply(lambda file: file.content)
        put = [f"{TOOLS}/put-file", "--for", self._owner(name)]
        create = size_of(content).apply(
            lambda size: shlex.join([*put, "--size", size, "--mode", args.mode, "--owner", args.owner, args.path])
        )
        puts = placed.apply(lambda file: Puts(_entries([args], [file])))
        removal = self._removal(name, [args.path])
        return self.command(name, CommandArgs(create=create, delete=removal, stdin=content, puts=puts), opts)

    def files(self, name: str, args: FilesArgs, opts: pulumi.ResourceOptions) -> Command:
        """Files that belong together, as one resource: its standard input are their contents, a head before each."""
        words = [f"{TOOLS}/put-files", "--for", self._owner(name)]
        for option, command in (("--verify", args.verify), ("--then", args.then)):
            words += [option, command] if command is not None else []
        placed = pulumi.Output.all(*(file.file for file in args.files))
        entries = placed.apply(lambda found: [*args.directories, *_entries(args.files, found)])
        puts = entries.apply(lambda found: Puts(found, units=args.units))
        delete = None if args.kept else self._removal(name, [file.path for file in args.files], args.retire)
        create = shlex.join(words) + (f"  # {args.note}" if args.note else "")
        return self.command(name, CommandArgs(create, delete=delete, stdin=entries.apply(bundle), puts=puts), opts)

    def _owner(self, name: str) -> str:
        """Who manages a file, as the host's ledger of files names it."""
        return f"{name}@{self._connection.kind}"

    def _removal(self, name: str, paths: Sequence[str], retire: str | None = None) -> str:
        """A host that was set up anew has no tools, so destroy must not need them."""
        remover = f"{TOOLS}/remove-file"
        removals = " && ".join(shlex.join([remover, "--for", self._owner(name), path]) for path in paths)
        remove = f"{{ test ! -x {remover} || {{ {removals}; }}; }}"
        return f"sh -c {shlex.quote(f'{retire} && {remove}' if retire else remove)}"

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
        args, settings = self._args, self._args.settings
        check = shlex.join(
            [
                *("sh", "-s", "--", "--stack", self.stack),
                *("--subnet", str(args.network.subnet)),
                *("--ports", f"{args.site.http_port} {args.site.https_port}"),
                *("--volumes", " ".join(f"{name}={path}" for name, path in volume_directories(self.root).items())),
                *("--install", _yes(settings.install_packages), "--user", settings.user),
                *(("--adopt", args.network.name) if settings.adopt else ()),
            ]
        )
        explain = pulumi.ErrorHook(f"{self._name}-explain", self._explain)
        claim = Entry(CLAIM, "0600", "root:root")
        return self._at_once(
            f"{self._name}-check",
            CommandArgs(check, f"{check} --known", f"rm -f {CLAIM}", stdin=check_script(), puts=Puts(kept=[claim])),
            pulumi.ResourceOptions(parent=self, hooks=pulumi.ResourceHookBinding(on_error=[explain])),
        )

    def _prepare(self, checked: Command) -> Command:
        """All tools at once, and what they find wanting: what comes later is a file each, put there by them."""
        settings, backs_up, objects = self._args.settings, self._args.backs_up, self._args.storage.s3
        owner = f"{self._name}-tools@{self._connection.kind}"
        prepare = shlex.join(
            [
                *("sh", "-s", "--", f"{TOOLS}/prepare-host", "--install", _yes(settings.install_packages)),
                *("--time-zone", settings.time_zone, "--user", settings.user),
                *(("--backup", _yes(backs_up)) if backs_up or objects else ()),
                *(("--objects", "yes") if objects else ()),
            ]
        )
        return self._at_once(
            f"{self._name}-tools",
            CommandArgs(
                create=prepare,
                delete=f"sh -c {shlex.quote(removal_command(owner))}",
                stdin=install_script(owner),
                puts=Puts(
                    [Entry(tool.path, tool.mode, "root:root", tool.content) for tool in found_tools()],
                    units=["docker.service"],
                    time_zone=settings.time_zone,
                ),
            ),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[checked],
                # Earlier versions had a resource for each tool. Deleting the first would delete what this one installs.
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
            # It connects at its first use, so it may start in parallel; its resources wait for the host.
            opts=pulumi.ResourceOptions(parent=self),
        )

    async def _explain(self, args: pulumi.ErrorHookArgs) -> bool:
        """Names the setting that keeps the host from being reached. The provider has tried often enough."""
        said = "\n".join(args.errors)
        reason = next((reason for words, reason in _unreached(self._args).items() if words in said), None)
        if reason:
            pulumi.log.error(reason, self)
        return False

    async def _remove_orphan(self, args: pulumi.ResourceHookArgs) -> None:
        """Before a network or container is made: one of its name that an interrupted run left is removed."""
        kinds = {"docker:index/network:Network": "network", "docker:index/container:Container": "container"}
        kind = kinds.get(args.type)
        if kind is None or args.new_inputs is None:
            return
        words = [f"{TOOLS}/remove-orphan", kind, str(args.new_inputs["name"]), self.stack]
        if kind == "network":
            words.append(str(self._args.network.subnet))
        removed = await self._connection.run(shlex.join(words))
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


def table(directories: Sequence[Entry]) -> str:
    """Directories as `ensure-directories` reads them, a line each."""
    return "".join(f"{entry.mode} {entry.owner} {entry.path}\n" for entry in directories)


def _unreached(args: HostArgs) -> dict[str, str]:
    """What a provider says when it doesn't reach a host → which setting to look at."""
    settings = args.settings
    place = f"{settings.address}, port {settings.port}: docker-registry:host.address or host.port is wrong"
    key = (
        "host.privateKey is no key" if args.private_key else "host.privateKey is not set, and the SSH agent has no key"
    )
    return {
        "host key mismatch": f"docker-registry:host.hostKey is not the key of {settings.address}. Compare what "
        "ssh-keyscan prints with the key on the host's console.",
        "unable to authenticate": f"docker-registry:{key} that {settings.user}@{settings.address} takes.",
        "connection refused": f"Nobody listens at {place}.",
        "i/o timeout": f"Nobody answers at {place}, or a firewall is between.",
        "no such host": f"docker-registry:host.address, {settings.address}, is no name that leads to a host.",
    }


def _entries(args: Sequence[FileArgs], found: Sequence[HostFile]) -> list[Entry]:
    return [Entry(one.path, one.mode, one.owner, file.content) for one, file in zip(args, found, strict=True)]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
