"""Named volumes over the directories that hold the images and the logs."""

import shlex

import pulumi
import pulumi_docker as docker

from components.connection import Command, CommandArgs
from components.host import STACK_LABEL, Host, table, volume_directories
from components.manifest import Puts
from config.storage import Storage
from rendering.bundle import Entry
from rendering.rootfs import TOOLS

_RUN = "/run/docker-registry"

# Only this directory is shared with the containers; the rest of /run/docker-registry is for the host's tools.
SOCKETS = f"{_RUN}/sockets"
"""Where registry and proxy meet, on the host: root's alone on the way there, so no other user of the host comes in."""

SOCKETS_INSIDE = "/run/registry"
"""The same place in the two containers."""


class Volumes(pulumi.ComponentResource):
    """The directories below the storage root.

    Volumes `registry-data`, `registry-logs` and `registry-ui-logs` lead to three of them.
    The images lie in the directory; the volume only points there. Destroy leaves both. A volume that exists and points
    elsewhere fails the run: Docker would take it silently, and the registry would come up empty. So do images that are
    here, and are to be looked for in an object store, or the other way round, unless they were moved.
    `ready`: the directories are there, but for those that a hand-made proxy may read.
    """

    data: docker.Volume
    files: str
    """Where the host has the registry's own files, which others than root may read once they are let in."""
    logs: docker.Volume
    ui_logs: docker.Volume
    ready: Command

    def __init__(
        self, name: str, host: Host, storage: Storage | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("registry:volumes:Volumes", name, None, opts)
        self._name = name
        self._host = host
        self._storage = storage or Storage()
        volumes = volume_directories(host.root)
        # The proxy mounts it, and Docker can't mount what is not there. Made as the registry would make it.
        self.files = f"{volumes['registry-data']}/docker"
        self.ready = self._prepare(volumes)
        self.data, self.logs, self.ui_logs = (self._volume(*pair) for pair in volumes.items())
        self.register_outputs({})

    def _prepare(self, volumes: dict[str, str]) -> Command:
        directories = [*_directories(self._host.root), Entry(self.files, "0755", "root:root")]
        pairs = [f"{volume}={path}" for volume, path in volumes.items()]
        objects = self._storage.objects
        elsewhere = [f"--objects={objects.place}"] if objects else ["--beside"] if self._storage.s3 else []
        create = shlex.join([f"{TOOLS}/prepare-volumes", str(len(directories)), *elsewhere, *pairs])
        args = CommandArgs(create, stdin=table(directories), puts=Puts(directories))
        return self._host.command(f"{self._name}-prepare", args, pulumi.ResourceOptions(parent=self))

    def _volume(self, volume: str, path: str) -> docker.Volume:
        bound = pulumi.ResourceOptions.merge(
            self._host.docker_options(self, after=[self.ready]),
            # Removing a volume is never a side effect, though the directory would stay: see docs/moving.md.
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


def _directories(root: str) -> list[Entry]:
    """All but the proxy's own. All are root's; those below come after those above.

    The proxy's workers, whose group is 3 ("sys", in which nobody of the host is), read the challenges.
    """
    registry, ui, certbot, nginx = (
        f"{root}/{name}" for name in ("docker-registry", "docker-registry-ui", "certbot", "nginx")
    )
    closed = [
        *(registry, ui, *volume_directories(root).values(), f"{registry}/etc"),
        *(certbot, *(f"{certbot}/{path}" for path in ("nginx", "nginx/etc", "nginx/etc/conf.d", "logs"))),
        *(nginx, f"{nginx}/etc", f"{nginx}/etc/tls", _RUN),
    ]
    challenges = [f"{certbot}/webroot{path}" for path in ("", "/.well-known", "/.well-known/acme-challenge")]
    return [
        *(Entry(path, "0700", "root:root") for path in closed),
        Entry(f"{root}/letsencrypt", "0750", "root:root"),
        *(Entry(path, "0750", "root:3") for path in challenges),
        Entry(SOCKETS, "0755", "root:root"),
    ]
