"""Named volumes over the directories that hold the images and the logs."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs
from components.host import STACK_LABEL, Directory, Host, table
from rendering.rootfs import TOOLS


@dataclass(frozen=True)
class VolumesArgs:
    """The storage root below which the directories lie."""

    root: str


class Volumes(pulumi.ComponentResource):
    """Volumes `registry-data`, `registry-logs` and `registry-ui-logs`, each bound to a directory of the host.

    The images lie in the directory; the volume only points there. Destroy leaves both. A volume that exists and points
    elsewhere fails the run: Docker would take it silently, and the registry would come up empty.
    """

    data: docker.Volume
    files: str
    """Where the host has the registry's own files, which others than root may read once they are let in."""
    logs: docker.Volume
    ui_logs: docker.Volume

    def __init__(self, name: str, args: VolumesArgs, host: Host, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("registry:volumes:Volumes", name, None, opts)
        self._name = name
        self._host = host
        registry, ui = f"{args.root}/docker-registry", f"{args.root}/docker-registry-ui"
        directories = {
            "registry-data": f"{registry}/data",
            "registry-logs": f"{registry}/logs",
            "registry-ui-logs": f"{ui}/logs",
        }
        self.files = f"{directories['registry-data']}/docker"
        self._ready = self._prepare(
            directories,
            [
                *(Directory("0700", "root:root", path) for path in (registry, ui, *directories.values())),
                # As the registry would make it; the proxy mounts it, which Docker refuses of nothing.
                Directory("0755", "root:root", self.files),
            ],
        )
        self.data, self.logs, self.ui_logs = (self._volume(*pair) for pair in directories.items())
        self.register_outputs({})

    def _prepare(self, volumes: dict[str, str], directories: Sequence[Directory]) -> Command:
        pairs = [f"{volume}={path}" for volume, path in volumes.items()]
        create = shlex.join([f"{TOOLS}/prepare-volumes", str(len(directories)), *pairs])
        args = CommandArgs(create=create, stdin=table(directories))
        return self._host.command(f"{self._name}-prepare", args, pulumi.ResourceOptions(parent=self))

    def _volume(self, volume: str, path: str) -> docker.Volume:
        bound = pulumi.ResourceOptions.merge(
            self._host.docker_options(self, after=[self._ready]),
            # Removing a volume is never a side effect, though the directory would stay: see "Removing data".
            pulumi.ResourceOptions(retain_on_delete=True),
        )
        return docker.Volume(
            f"{self._name}-{volume}",
            name=volume,
            driver="local",
            driver_opts={"type": "none", "o": "bind", "device": path},
            labels=[docker.VolumeLabelArgs(label=STACK_LABEL, value=self._host.stack)],
            opts=bound,
        )
