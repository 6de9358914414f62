"""A registry that was set up by hand makes way for the stack."""

import shlex
from collections.abc import Sequence
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
    `retired` is what must have succeeded before a file is changed that a proxy which was set up by hand reads, `done`
    before anything takes the place of what ran, by hand or as the stack's.
    """

    retired: Sequence[Command] = ()
    done: Command

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
        self.done = certificate.granted
        if args.wanted:
            pulled = [image.resource for image in (images.nginx, images.registry, images.ui)]
            retire = host.command(
                f"{name}-retire",
                CommandArgs(create=shlex.join([f"{TOOLS}/retire-hand-made", host.root, args.network])),
                pulumi.ResourceOptions(parent=self, depends_on=[certificate.installed, *pulled]),
            )
            self.retired = [retire]
            self.done = retire
        self.register_outputs({})
