"""The registry's page: Joxit's UI, served under `/ui/` of the same host."""

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.container import ContainerArgs, Service, service
from components.host import Host
from components.images import Images
from components.network import Network
from components.volumes import Volumes
from config.limits import Limits
from config.site import Site
from config.ui import Ui as UiSettings


@dataclass(frozen=True)
class RegistryUiArgs:
    """The page's settings and limits, and the site under which browsers see it."""

    settings: UiSettings
    site: Site
    limits: Limits


class RegistryUi(pulumi.ComponentResource):
    """Container `registry-ui`. Any changed setting replaces it; it holds no data."""

    service: Service

    def __init__(
        self,
        name: str,
        args: RegistryUiArgs,
        host: Host,
        network: Network,
        volumes: Volumes,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:registry-ui:RegistryUi", name, None, opts)
        self.service = service(
            f"{name}-container",
            ContainerArgs(
                name="registry-ui",
                image=images.ui,
                command=["/bin/sh", "-c", _START],
                environment=_environment(args),
                volumes=[docker.ContainerVolumeArgs(volume_name=volumes.ui_logs.name, container_path="/var/log/nginx")],
                # Its start script rewrites the page in place, as root, in files of another user.
                read_only=False,
                capabilities=[
                    "CAP_CHOWN",
                    "CAP_DAC_OVERRIDE",
                    "CAP_NET_BIND_SERVICE",
                    "CAP_SETGID",
                    "CAP_SETUID",
                ],
                stop_signal="SIGQUIT",
                memory=args.limits.ui_memory,
                processes=args.limits.ui_processes,
                healthy="wget -q -O /dev/null http://127.0.0.1/ || curl -fsS -o /dev/null http://127.0.0.1/",
            ),
            host,
            network,
            host.docker_options(self),
        )
        self.register_outputs({})


# The page's files belong to its workers' user. On the host his number, 101, is somebody's, whom the kernel would let at
# them by /proc; it asks for the group's number too, and nobody has "sys" as his own. The image does the rest.
_START = (
    r"sed -E 's/^([[:space:]]*user[[:space:]]+[^ ;]+)[^;]*;/\1 sys;/' /etc/nginx/nginx.conf >/run/nginx.conf"
    " && exec /docker-entrypoint.sh nginx -c /run/nginx.conf -g 'daemon off;'"
)


def _environment(args: RegistryUiArgs) -> dict[str, str]:
    """Joxit's variables. The registry's address is the page's own, so that no browser needs CORS."""
    return {
        "CATALOG_ELEMENTS_LIMIT": str(args.settings.catalog_limit),
        "DELETE_IMAGES": str(args.settings.delete_enabled).lower(),
        # Otherwise each browser would ask a public site.
        "ENABLE_VERSION_NOTIFICATION": "false",
        "PULL_URL": args.site.host_port,
        "REGISTRY_TITLE": args.settings.title,
        "REGISTRY_URL": f"https://{args.site.host_port}",
        "SHOW_CONTENT_DIGEST": str(args.settings.show_content_digest).lower(),
        "SINGLE_REGISTRY": "true",
    }
