"""What the host's own tools need to know of the stack."""

import pulumi

from components.certificate import Certificate
from components.connection import Command
from components.container import Service
from components.host import FileArgs, Host
from config import Settings
from rendering.mirrors import bounds
from rendering.objects import on_host
from rendering.rootfs import render


class Facts(pulumi.ComponentResource):
    """`/etc/docker-registry/host.json`, which the host's tools read. It holds no secret.

    It is written once the certificate that it tells of is installed, and with an object store once `registry` serves.
    A changed policy or bound counts from the next run on. `ready`: the tools may run.
    """

    ready: Command

    def __init__(
        self,
        name: str,
        settings: Settings,
        host: Host,
        certificate: Certificate,
        registry: Service,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:facts:Facts", name, None, opts)
        file = render(
            "/etc/docker-registry/host.json",
            stack=host.stack,
            root=host.root,
            storage=settings.storage,
            registry=settings.registry,
            images=settings.images,
            gc=settings.gc,
            retention=settings.retention,
            site=settings.site,
            network=settings.network,
            certificate=settings.certificate,
            served=certificate.on_host,
            mirrors=settings.mirrors,
            bounds=bounds(settings.mirrors, host.root),
            **on_host(settings.storage.s3, host.root),
        )
        # Where the images may move: no tool takes another place for theirs before the registry does.
        moved = [registry.ready] if settings.storage.s3 else []
        # Earlier versions had host.conf by the name that ends in "file": it goes.
        self.ready = host.file(
            f"{name}-host",
            FileArgs(file=file, path=file.path, mode="0644"),
            pulumi.ResourceOptions(parent=self, depends_on=[certificate.ready, *moved]),
        )
        self.register_outputs({})
