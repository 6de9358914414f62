"""What keeps the log files on the host from filling its disk."""

import pulumi

from components.host import FileArgs, Host
from config.logs import Logs as LogsSettings
from rendering.rootfs import render


class Logs(pulumi.ComponentResource):
    """`/etc/logrotate.d/docker-opt`: the rotation of all logs below the storage root, by the host's own logrotate.

    A changed setting counts from its next run on. Destroy takes the file away and leaves the logs.
    """

    def __init__(
        self, name: str, settings: LogsSettings, host: Host, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("registry:logs:Logs", name, None, opts)
        file = render("/etc/logrotate.d/docker-opt", root=host.root, stack=host.stack, logs=settings)
        host.file(
            f"{name}-rotation",
            # logrotate takes nothing that others may write.
            FileArgs(file=file, path=file.path, mode="0644"),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
