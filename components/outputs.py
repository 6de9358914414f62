"""What a stack tells its administrator."""

import json
from collections.abc import Sequence

import pulumi

from components.certificate import Certificate
from components.connection import CommandArgs
from components.container import Service
from components.host import Host
from config import Settings
from rendering.rights import rights_in_words
from rendering.rootfs import TOOLS
from rendering.tools import VERSION


def export_outputs(
    settings: Settings,
    host: Host,
    certificate: Certificate,
    services: Sequence[Service],
) -> None:
    """Exports URL, page, login line, accounts, certificate, paths, manifest and the versions that run."""
    host_port = settings.site.host_port
    containers = [service.container for service in services]
    ids = pulumi.Output.all(*(container.id for container in containers)).apply(
        lambda found: " ".join(i[:12] for i in found)
    )
    versions = host.command(
        "host-versions",
        CommandArgs(create=pulumi.Output.concat(f"{TOOLS}/running-versions {settings.images.ui} ", ids)),
        pulumi.ResourceOptions(parent=host, depends_on=containers),
    )
    pulumi.export("url", f"https://{host_port}")
    pulumi.export("uiUrl", f"https://{host_port}/ui/")
    pulumi.export("login", f"docker login {host_port}")
    pulumi.export("users", [user.name for user in settings.users])
    pulumi.export("rights", rights_in_words(settings.users, settings.access))
    pulumi.export("certificateExpiry", certificate.expiry)
    if certificate.authority is not None:
        pulumi.export("certificateAuthority", certificate.authority)
    pulumi.export("paths", _paths(host.root))
    pulumi.export("manifest", host.manifest.text(host.stack))
    pulumi.export("versions", versions.stdout.apply(lambda text: {"program": VERSION, **json.loads(text)}))


def _paths(root: str) -> dict[str, str]:
    return {
        "images": f"{root}/docker-registry/data",
        "accounts": f"{root}/nginx/etc/auth/registry.htpasswd",
        "certificates": f"{root}/nginx/etc/tls",
        "proxyLogs": f"{root}/nginx/logs",
        "tools": TOOLS,
    }
