"""The registry itself: CNCF Distribution over the data volume."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs, size_of
from components.container import ContainerArgs, Service, bind, service
from components.host import FileArgs, FilesArgs, Host
from components.images import Images
from components.manifest import Puts
from components.network import Network
from components.volumes import SOCKETS, SOCKETS_INSIDE, Volumes
from config.limits import Limits
from config.notifications import Notifications
from config.registry import Registry as RegistrySettings
from config.s3 import S3
from config.secrets import StoreKey
from config.storage import Storage
from rendering.bundle import Entry
from rendering.notify import endpoints_with
from rendering.objects import KEY, authorities, environment, key_text, store_text, sysctls
from rendering.rootfs import TOOLS, fingerprint, render

PROGRAMS = ("start", "await", "healthy", "log", "publish", "storage", "writer", "writers")
"""What runs inside the container, `registry-` and this: the first is its first process, and calls the others."""

_HOSTS = "/usr/local/bin/registryctl"
_MOVE = "/var/lib/docker-registry/move.json"


@dataclass(frozen=True)
class RegistryArgs:
    """The registry's settings and limits, whom it tells of what it does, and the secret that signs its uploads.

    Without a secret, the host makes and keeps its own. `drain_seconds` is how long writes under way may take when the
    clean-up stops the process that writes. `headers` are the secret ones of each endpoint of the notifications.
    `store_key` opens the object store of `storage`, or else the host's own role does.
    """

    settings: RegistrySettings
    limits: Limits
    drain_seconds: int
    http_secret: pulumi.Output[str] | None
    notifications: Notifications = field(default_factory=Notifications)
    headers: pulumi.Output[list[dict[str, str]]] | None = None
    storage: Storage = field(default_factory=Storage)
    store_key: pulumi.Output[StoreKey] | None = None


class Registry(pulumi.ComponentResource):
    """Container `registry`, its configuration and its secret. A changed configuration replaces the container.

    In it, one process reads and another writes, each on a socket: there is no port. What they say is in Docker's log
    and, by the start script, in `registry.log` in the volume for its logs.
    """

    service: Service

    def __init__(
        self,
        name: str,
        args: RegistryArgs,
        host: Host,
        network: Network,
        volumes: Volumes,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:registry:Registry", name, None, opts)
        self._name = name
        self._host = host
        self._home = f"{host.root}/docker-registry/etc"
        objects = args.storage.objects
        config, reader = (
            render(
                f"/var/opt/docker-registry/etc/{name}.yml",
                root=host.root,
                stack=host.stack,
                registry=args.settings,
                drain_seconds=args.drain_seconds,
                endpoints=args.notifications.endpoints,
                objects=objects,
            )
            for name in ("config", "reader")
        )
        trusted = authorities(args.storage.s3, self._home)
        programs = [
            render(f"/var/opt/docker-registry/etc/registry-{name}", root=host.root) for name in self._programs(args)
        ]
        modes = {**dict.fromkeys([config, reader, *trusted], "0600"), **dict.fromkeys(programs, "0700")}
        files = host.files(
            f"{self._name}-files",
            FilesArgs([FileArgs(file=file, path=file.path, mode=mode) for file, mode in modes.items()]),
            pulumi.ResourceOptions(parent=self, depends_on=[volumes.ready]),
        )
        secrets = [self._secret(args.http_secret, volumes.ready), *self._headers(args, volumes.ready)]
        # What is put there for a move is not the container's yet.
        key = self._store_key(args, volumes.ready)
        secrets, beside = ([*secrets, *key], []) if objects else (secrets, key)
        joined = [*self._joined(objects, [files, *secrets]), *beside]
        contents = [file.content for file in modes if objects or file not in trusted]
        written = pulumi.Output.all(*(pulumi.Output.unsecret(one.stdout) for one in secrets))
        self.service = service(
            f"{name}-container",
            ContainerArgs(
                name="registry",
                image=images.registry,
                command=["/bin/sh", f"/etc/distribution/registry-{'start' if args.headers is None else 'notifying'}"],
                # Without a collector every trace would be an error in the log.
                environment={"OTEL_TRACES_EXPORTER": "none", **environment(objects)},
                volumes=[
                    bind(self._home, "/etc/distribution"),
                    bind(SOCKETS, SOCKETS_INSIDE, read_only=False),
                    docker.ContainerVolumeArgs(volume_name=volumes.data.name, container_path="/var/lib/registry"),
                    docker.ContainerVolumeArgs(volume_name=volumes.logs.name, container_path="/var/log/registry"),
                ],
                tmpfs={"/tmp": "rw,noexec,nosuid,size=64m"},  # noqa: S108 - inside the container
                sysctls=sysctls(objects),
                healthy="/bin/sh /etc/distribution/registry-start healthy",
                memory=args.limits.registry_memory,
                processes=args.limits.registry_processes,
                config=written.apply(lambda when: fingerprint("\0".join([*contents, *when]))),
            ),
            host,
            network,
            self._options([files, *secrets, *joined], args.storage),
        )
        self.register_outputs({})

    def _programs(self, args: RegistryArgs) -> Sequence[str]:
        return PROGRAMS if args.headers is None else [*PROGRAMS, "notifying"]

    def _headers(self, args: RegistryArgs, directories: Command) -> list[Command]:
        """The endpoints with their secret headers: another file of a secret."""
        if args.headers is None:
            return []
        text = args.headers.apply(lambda headers: endpoints_with(args.notifications.endpoints, headers))
        return [self._kept("notifications", "notifications", text, directories)]

    def _store_key(self, args: RegistryArgs, directories: Command) -> list[Command]:
        """What opens the object store: one more."""
        return [] if args.store_key is None else [self._kept(KEY, KEY, args.store_key.apply(key_text), directories)]

    def _options(self, after: Sequence[Command], storage: Storage) -> pulumi.ResourceOptions:
        """Where the images move, what was pushed lately is copied when the old container is gone."""
        words = [_HOSTS, "move", "switch", *([f"--objects={storage.objects.place}"] if storage.objects else [])]
        switch = f"sh -c {shlex.quote(f'test ! -e {_MOVE} || {shlex.join(words)}')}"

        async def move(_: pulumi.ResourceHookArgs) -> None:
            await self._host.run(switch)

        bound = pulumi.ResourceHookBinding(before_create=[pulumi.ResourceHook(f"{self._name}-move", move)])
        return pulumi.ResourceOptions.merge(
            self._host.docker_options(self, after=after), pulumi.ResourceOptions(hooks=bound)
        )

    def _joined(self, objects: S3 | None, after: Sequence[Command]) -> list[Command]:
        """This host's entry among those that write to the bucket: before the registry, and until it is gone."""
        if objects is None:
            return []
        leave = f"test ! -x {_HOSTS} || {_HOSTS} hosts leave"
        command = CommandArgs(
            create=shlex.join([_HOSTS, "hosts", "join", self._host.stack]),
            delete=f"sh -c {shlex.quote(leave)}",
            stdin=store_text(objects, self._host.root),
            puts=Puts(kept=[Entry("/var/lib/docker-registry/bucket.json", "0644", "root:root")]),
        )
        under = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        return [self._host.command(f"{self._name}-joined", command, under)]

    def _secret(self, http_secret: pulumi.Output[str] | None, directories: Command) -> Command:
        return self._kept("http-secret", "http.secret", http_secret, directories)

    def _kept(self, name: str, file: str, text: pulumi.Output[str] | None, directories: Command) -> Command:
        """A file of a secret; without one, the host makes it."""
        path = f"{self._home}/{file}"
        size = "0" if text is None else size_of(text)
        return self._host.command(
            f"{self._name}-{name}",
            CommandArgs(
                create=pulumi.Output.format(f"{TOOLS}/keep-secret {{0}} {path}", size),
                stdin=text if text is not None else "",
                puts=Puts(kept=[Entry(path, "0600", "root:root")]),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[directories]),
        )
