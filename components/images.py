"""The images of the containers, pulled by the host."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.host import Host
from config.images import ImageReference
from config.images import Images as ImageSettings


@dataclass(frozen=True)
class ImagesArgs:
    """Which images; a digest pins one to its content. Certbot's is only pulled where it is needed."""

    settings: ImageSettings
    with_certbot: bool = False


@dataclass(frozen=True)
class PulledImage:
    """An image on the host: the reference it was asked for by, and the id that its containers run."""

    reference: ImageReference
    id: pulumi.Output[str]
    resource: docker.RemoteImage


class Images(pulumi.ComponentResource):
    """Images on the host.

    A changed reference pulls the new image before anything is stopped, and replaces the container that runs it.
    The old image stays on the host: it may be the way back.
    """

    nginx: PulledImage
    registry: PulledImage
    ui: PulledImage
    certbot: PulledImage | None = None

    def __init__(self, name: str, args: ImagesArgs, host: Host, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("registry:images:Images", name, None, opts)
        self.nginx = self._pull(f"{name}-nginx", args.settings.nginx, host)
        self.registry = self._pull(f"{name}-registry", args.settings.registry, host)
        self.ui = self._pull(f"{name}-ui", args.settings.ui, host)
        if args.with_certbot:
            self.certbot = self._pull(f"{name}-certbot", args.settings.certbot, host)
        self.register_outputs({})

    def _pull(self, name: str, reference: ImageReference, host: Host) -> PulledImage:
        image = docker.RemoteImage(
            name,
            name=str(reference),
            keep_locally=True,
            opts=pulumi.ResourceOptions(parent=self, provider=host.provider, depends_on=[host.ready]),
        )
        return PulledImage(reference, image.image_id, image)
