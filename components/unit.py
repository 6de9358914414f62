"""A unit of systemd on the host that runs from now on, and from each boot."""

import pulumi

from components.connection import Command
from components.host import FileArgs, Host
from rendering.rootfs import TOOLS, HostFile


def enabled_unit(name: str, file: HostFile, host: Host, opts: pulumi.ResourceOptions, *, ended: str = "") -> Command:
    """The unit's file, and its start whenever the file is put there.

    Destroy ends it before the file goes; `ended` is shell text that runs in between.
    """
    unit = file.path.rpartition("/")[2]
    disable = f"systemctl disable -q --now {unit}"
    return host.file(
        name,
        FileArgs(
            file=file,
            path=file.path,
            mode="0644",
            then=f"{TOOLS}/load-unit --enable {unit}",
            retire=f"{disable} && {ended}" if ended else disable,
        ),
        opts,
    )
