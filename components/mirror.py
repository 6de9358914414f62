"""A mirror of another registry: CNCF Distribution as its cache, which the proxy alone reaches."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.connection import Command, CommandArgs
from components.container import ContainerArgs, Service, bind, service
from components.host import FileArgs, FilesArgs, Host, table, volume_directories
from components.images import Images
from components.manifest import Puts
from components.network import Network
from components.volumes import SOCKETS, Volumes
from config.limits import Limits
from config.mirrors import Mirror as MirrorSettings
from config.secrets import Login
from rendering.bundle import Entry
from rendering.mirrors import (
    authorities_file,
    configuration_file,
    credentials_file,
    data_of,
    home_of,
    programs,
    sockets_file,
)
from rendering.rootfs import TOOLS, HostFile, fingerprint

MEETING = f"{SOCKETS}/mirrors"
"""Where mirrors and proxy meet, on the host. A mirror sees its own directory of it, and no other socket."""


def way_of_proxy(path: str, served: bool) -> Entry:
    """A directory on the way to what mirrors have: root's alone, or for the group of the proxy's workers to pass."""
    return Entry(path, "0710", "root:3") if served else Entry(path, "0700", "root:root")


@dataclass(frozen=True)
class MirrorArgs:
    """A mirror's settings, the limits, the registry's log level, and the account in the other registry, if any.

    `served`: the proxy reads what it has.
    """

    settings: MirrorSettings
    limits: Limits
    log_level: str
    login: pulumi.Output[Login] | None = None
    served: bool = False


class Mirror(pulumi.ComponentResource):
    """Container `registry-mirror-PREFIX`, its configuration, and the account that it logs in with.

    A changed configuration replaces the container, another account doesn't. What it has pulled lies in a directory of
    the host, which outlives it, as the account does. `ready`: the registry has nothing of that name, so the proxy may
    lead there.
    """

    service: Service
    ready: Command

    def __init__(
        self,
        name: str,
        args: MirrorArgs,
        host: Host,
        network: Network,
        volumes: Volumes,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:mirror:Mirror", name, None, opts)
        self._name = name
        self._args = args
        self._host = host
        mirror, root = args.settings, host.root
        self.ready = self._prepare(volumes)
        scripts, authorities = programs(mirror, root), authorities_file(mirror, root)
        plain = [configuration_file(mirror, log_level=args.log_level, stack=host.stack, root=root)]
        plain += [authorities] if authorities else []
        files, credentials = self._files(plain, scripts), self._credentials()
        self.service = service(
            f"{name}-container",
            ContainerArgs(
                name=f"registry-mirror-{mirror.prefix}",
                image=images.registry,
                command=["/bin/sh", "/etc/distribution/mirror-start"],
                # Without a collector every trace would be an error in the log.
                environment={
                    "OTEL_TRACES_EXPORTER": "none",
                    # Besides those that the image has.
                    **({"SSL_CERT_DIR": "/etc/distribution/certs"} if authorities else {}),
                },
                volumes=[
                    bind(f"{home_of(mirror, root)}/etc", "/etc/distribution"),
                    bind(f"{MEETING}/{mirror.prefix}", "/run/registry", read_only=False),
                    bind(data_of(mirror, root), "/var/lib/registry", read_only=False),
                ],
                healthy=_HEALTHY,
                memory=args.limits.mirror_memory,
                processes=args.limits.mirror_processes,
                config=fingerprint("\0".join(one.content for one in (*plain, *scripts))),
            ),
            host,
            network,
            host.docker_options(self, after=[files, credentials]),
        )
        self.register_outputs({})

    def _prepare(self, volumes: Volumes) -> Command:
        """The directories, unless the registry has images of that name."""
        mirror, root = self._args.settings, self._host.root
        home, data = home_of(mirror, root), data_of(mirror, root)
        certificates = [f"{home}/etc/certs"] if mirror.server_ca else []
        directories = [
            *(way_of_proxy(path, self._args.served) for path in (home.rpartition("/")[0], home)),
            Entry(f"{home}/etc", "0700", "root:root"),
            *(way_of_proxy(path, self._args.served) for path in (data.rpartition("/")[0], data)),
            *(Entry(path, "0700", "root:root") for path in certificates),
            *(Entry(path, "0755", "root:root") for path in (MEETING, f"{MEETING}/{mirror.prefix}")),
        ]
        own = volume_directories(root)["registry-data"]
        create = shlex.join([f"{TOOLS}/prepare-mirror", str(len(directories)), mirror.prefix, own])
        return self._host.command(
            f"{self._name}-prepare",
            CommandArgs(create, stdin=table(directories), puts=Puts(directories)),
            pulumi.ResourceOptions(parent=self, depends_on=[volumes.ready]),
        )

    def _files(self, plain: Sequence[HostFile], scripts: Sequence[HostFile]) -> Command:
        """What isn't secret, with what makes the directory of its socket at every boot."""
        sockets = sockets_file(self._args.settings, MEETING)
        modes = {**dict.fromkeys(plain, "0600"), **dict.fromkeys(scripts, "0700"), sockets: "0644"}
        args = FilesArgs([FileArgs(file=file, path=file.path, mode=mode) for file, mode in modes.items()])
        return self._host.files(f"{self._name}-files", args, self._after_directories())

    def _credentials(self) -> Command:
        """A file of its own, also where there is no account: the mirror looks into it again and again."""
        mirror, login, root = self._args.settings, self._args.login, self._host.root
        path = f"{home_of(mirror, root)}/etc/credentials.json"
        file: pulumi.Input[HostFile] = credentials_file(mirror, None, root)
        if login is not None:
            file = login.apply(lambda found: credentials_file(mirror, found, root))
        args = FilesArgs([FileArgs(file=file, path=path, mode="0600")], kept=True)
        return self._host.files(f"{self._name}-credentials", args, self._after_directories())

    def _after_directories(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=[self.ready])


# Whether it answers, on its own port inside the container, and has its socket. Not whether the other registry does.
_HEALTHY = "[ -S /run/registry/socket ] && wget -q -T 3 -O /dev/null http://127.0.0.1:5001/debug/health"
