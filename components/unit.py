"""A unit of systemd on the host that runs from now on, and from each boot."""

import pulumi

from components.connection import Command
from components.host import FileArgs, FilesArgs, Host
from rendering.rootfs import TOOLS, HostFile


def enabled_unit(
    name: str,
    file: HostFile,
    host: Host,
    opts: pulumi.ResourceOptions,
    *,
    service: HostFile | None = None,
    ended: str = "",
) -> Command:
    """The unit's file, its start whenever it is put there, and the file of the service that a timer starts.

    Destroy ends the unit before its file goes; `ended` is shell text that runs in between.
    """
    files = [file, *([service] if service else [])]
    unit, *services = (one.path.rpartition("/")[2] for one in files)
    disable = f"systemctl disable -q --now {unit}"
    return host.files(
        name,
        FilesArgs(
            files=[FileArgs(file=one, path=one.path, mode="0644") for one in files],
            then=" ".join([f"{TOOLS}/load-unit", "--enable", unit, *services]),
            retire=f"{disable} && {ended}" if ended else disable,
            units=[unit],
        ),
        opts,
    )
