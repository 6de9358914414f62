"""What the host's own tools need to know of the stack."""

from dataclasses import dataclass

import pulumi

from components.certificate import Certificate
from components.connection import Command
from components.host import FileArgs, Host
from config import Settings
from rendering.rootfs import render


@dataclass(frozen=True)
class FactsArgs:
    """All settings: the host's tools need a little of several."""

    settings: Settings


class Facts(pulumi.ComponentResource):
    """`/etc/docker-registry/host.conf`, which every tool that runs by itself on the host reads. It holds no secret.

    It is written once the certificate it tells of is installed. `written` is what such a tool's unit waits for.
    """

    written: Command

    def __init__(
        self,
        name: str,
        args: FactsArgs,
        host: Host,
        certificate: Certificate,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:facts:Facts", name, None, opts)
        settings = args.settings
        file = render(
            "/etc/docker-registry/host.conf",
            stack=host.stack,
            root=host.root,
            site=settings.site,
            certificate=settings.certificate,
            images=settings.images,
            network=settings.network,
            storage=settings.storage,
            retention=settings.retention,
        )
        self.written = host.file(
            f"{name}-file",
            FileArgs(file=file, path=file.path, mode="0644"),
            pulumi.ResourceOptions(parent=self, depends_on=[certificate.installed]),
        )
        self.register_outputs({})
