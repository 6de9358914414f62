"""The registry itself: CNCF Distribution over the data volume."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs, size_of
from components.container import ContainerArgs, bind, container
from components.host import Directory, FileArgs, Host
from components.images import Images
from components.network import Network
from components.volumes import Volumes
from config.limits import Limits
from config.registry import Registry as RegistrySettings
from rendering.rootfs import TOOLS, HostFile, fingerprint, render


@dataclass(frozen=True)
class RegistryArgs:
    """The registry's settings and limits, and the secret that signs its uploads.

    Without a secret, the host makes and keeps its own.
    """

    settings: RegistrySettings
    limits: Limits
    http_secret: pulumi.Output[str] | None


class Registry(pulumi.ComponentResource):
    """Container `registry`, its configuration and its secret. A changed configuration replaces the container.

    What it says is in Docker's log and, by its start script, in `registry.log` in the volume for its logs.
    """

    container: docker.Container
    ready: Command

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
        directories = host.directories(
            f"{name}-directories",
            [Directory("0700", "root:root", self._home)],
            pulumi.ResourceOptions(parent=self),
        )
        file = render(
            "/var/opt/docker-registry/etc/config.yml",
            root=host.root,
            stack=host.stack,
            registry=args.settings,
        )
        start = render("/var/opt/docker-registry/etc/registry-start", root=host.root)
        files = [self._file("config", file, "0600", directories), self._file("start", start, "0700", directories)]
        secret = self._secret(args.http_secret, directories)
        written = pulumi.Output.unsecret(secret.stdout)
        self.container, self.ready = container(
            f"{name}-container",
            ContainerArgs(
                name="registry",
                image=images.registry,
                command=["/bin/sh", "/etc/distribution/registry-start"],
                # Without a collector every trace would be an error in the log.
                environment={"OTEL_TRACES_EXPORTER": "none"},
                volumes=[
                    bind(self._home, "/etc/distribution"),
                    docker.ContainerVolumeArgs(volume_name=volumes.data.name, container_path="/var/lib/registry"),
                    docker.ContainerVolumeArgs(volume_name=volumes.logs.name, container_path="/var/log/registry"),
                ],
                tmpfs={"/tmp": "rw,noexec,nosuid,size=64m"},  # noqa: S108 - inside the container
                healthy="wget -q -O /dev/null http://127.0.0.1:5000/v2/",
                memory=args.limits.registry_memory,
                processes=args.limits.registry_processes,
                config=written.apply(lambda when: fingerprint("\0".join([file.content, start.content, when]))),
            ),
            host,
            network,
            host.docker_options(self, after=[*files, secret]),
        )
        self.register_outputs({})

    def _file(self, name: str, file: HostFile, mode: str, directories: Command) -> Command:
        return self._host.file(
            f"{self._name}-{name}",
            FileArgs(file=file, path=file.path, mode=mode),
            pulumi.ResourceOptions(parent=self, depends_on=[directories]),
        )

    def _secret(self, http_secret: pulumi.Output[str] | None, directories: Command) -> Command:
        path = f"{self._home}/http.secret"
        size = "0" if http_secret is None else size_of(http_secret)
        return self._host.command(
            f"{self._name}-http-secret",
            CommandArgs(
                create=pulumi.Output.format(f"{TOOLS}/keep-secret {{0}} {path}", size),
                stdin=http_secret if http_secret is not None else "",
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[directories]),
        )
