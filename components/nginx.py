"""The proxy: TLS, accounts, and the way to the registry and its page."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.container import ContainerArgs, Service, service
from components.host import Host
from components.images import PulledImage
from components.network import Network
from components.nginx_files import NginxFiles
from config.limits import Limits
from config.site import Site

MEMORY = {
    "/run": "rw,noexec,nosuid,mode=0755,size=4m",
    "/tmp": "rw,noexec,nosuid,size=64m",  # noqa: S108 - inside the container
    "/var/cache/nginx": "rw,noexec,nosuid,mode=0755,size=64m",
    "/var/cache/nginx/accounts": "rw,noexec,nosuid,mode=0700,size=64m",
}
"""Its file systems in memory. Passwords have their own, in which all that nginx remembers has room: while one can't be
written, its client is not let in."""


@dataclass(frozen=True)
class NginxArgs:
    """The ports of the site, the limits, and the image."""

    site: Site
    limits: Limits
    image: PulledImage


class Nginx(pulumi.ComponentResource):
    """Container `nginx`, which passes requests to its `upstreams`, the registry and the page.

    Changed ports, image, start script or `fastPath` replace the container; other files are taken up as it runs.
    """

    service: Service

    def __init__(
        self,
        name: str,
        args: NginxArgs,
        host: Host,
        network: Network,
        files: NginxFiles,
        upstreams: Sequence[Service],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:nginx:Nginx", name, None, opts)
        self.service = service(
            f"{name}-container",
            ContainerArgs(
                name="nginx",
                image=args.image,
                command=["/bin/sh", "/etc/nginx/start/nginx-start"],
                volumes=files.mounts,
                ports=_ports(args.site),
                tmpfs={**MEMORY, **files.memory},
                capabilities=["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"],
                # nginx finishes its requests on SIGQUIT; on SIGTERM it cuts them.
                stop_signal="SIGQUIT",
                healthy=_HEALTHY,
                memory=args.limits.nginx_memory,
                processes=args.limits.nginx_processes,
                config=files.start,
                needs=[upstream.ready for upstream in upstreams],
            ),
            host,
            network,
            host.docker_options(self, after=[*files.ready, *(upstream.container for upstream in upstreams)]),
        )
        self.register_outputs({})


# The proxy answers over TLS and reaches the registry. Alpine images have wget at least, Debian's have curl.
_HEALTHY = (
    "curl -fsk -o /dev/null https://127.0.0.1/healthz "
    "|| wget -q --no-check-certificate -O /dev/null https://127.0.0.1/healthz"
)


def _ports(site: Site) -> list[docker.ContainerPortArgs]:
    """The published ports, sorted and each with its address: otherwise every refresh would find a difference."""
    address = str(site.listen_address)
    pairs = sorted([(80, site.http_port), (443, site.https_port)])
    return [docker.ContainerPortArgs(internal=inside, external=outside, ip=address) for inside, outside in pairs]
