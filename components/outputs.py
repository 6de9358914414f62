"""What a stack tells its administrator."""

import json

import pulumi

from components.certificate import Certificate
from components.connection import CommandArgs
from components.host import Host
from components.nginx import Nginx
from components.registry import Registry
from components.registry_ui import RegistryUi
from config import Settings
from rendering.rootfs import TOOLS


def export_outputs(
    settings: Settings,
    host: Host,
    certificate: Certificate,
    registry: Registry,
    registry_ui: RegistryUi,
    nginx: Nginx,
) -> None:
    """Exports URL, page, login line, accounts, certificate, paths and the versions that run."""
    authority = settings.site.authority
    containers = [registry.container, registry_ui.container, nginx.container]
    ids = pulumi.Output.all(*(container.id for container in containers)).apply(
        lambda found: " ".join(i[:12] for i in found)
    )
    versions = host.command(
        "host-versions",
        CommandArgs(create=pulumi.Output.concat(f"{TOOLS}/running-versions {settings.images.ui} ", ids)),
        pulumi.ResourceOptions(parent=host, depends_on=containers),
    )
    pulumi.export("url", f"https://{authority}")
    pulumi.export("uiUrl", f"https://{authority}/ui/")
    pulumi.export("login", f"docker login {authority}")
    pulumi.export("users", [user.name for user in settings.users])
    pulumi.export("certificateExpiry", certificate.expiry)
    if certificate.authority is not None:
        pulumi.export("certificateAuthority", certificate.authority)
    pulumi.export("paths", _paths(host.root))
    pulumi.export("versions", versions.stdout.apply(json.loads))


def _paths(root: str) -> dict[str, str]:
    return {
        "images": f"{root}/docker-registry/data",
        "accounts": f"{root}/nginx/etc/auth/registry.htpasswd",
        "certificates": f"{root}/nginx/etc/tls",
        "proxyLogs": f"{root}/nginx/logs",
        "tools": TOOLS,
    }
