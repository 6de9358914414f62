"""A registry that was set up by hand makes way for the stack."""

import shlex
from dataclasses import dataclass

import pulumi

from components.certificate import Certificate
from components.connection import Command, CommandArgs
from components.host import Host
from components.images import Images
from rendering.rootfs import TOOLS


@dataclass(frozen=True)
class AdoptionArgs:
    """Whether there is a registry to take over, and the network's name, which it may have taken."""

    wanted: bool
    network: str


class Adoption(pulumi.ComponentResource):
    """What was set up by hand under the stack's names, when the settings ask for it.

    Containers, network, proxy sites, cron lines and units are retired once, as late as possible: when the images are
    pulled and the certificate is there. Images, certificates and accounts stay in their places, and are the stack's.
    `ready`: no hand-made proxy reads its files any more. `go_ahead`: running services may be touched.
    """

    ready: Command
    go_ahead: Command

    def __init__(
        self,
        name: str,
        args: AdoptionArgs,
        host: Host,
        images: Images,
        certificate: Certificate,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:adoption:Adoption", name, None, opts)
        self.ready = host.ready
        self.go_ahead = certificate.go_ahead
        if args.wanted:
            pulled = [image.resource for image in (images.nginx, images.registry, images.ui)]
            self.ready = self.go_ahead = host.command(
                f"{name}-retire",
                CommandArgs(create=shlex.join([f"{TOOLS}/retire-hand-made", host.root, args.network])),
                pulumi.ResourceOptions(parent=self, depends_on=[certificate.ready, *pulled]),
            )
        self.register_outputs({})
