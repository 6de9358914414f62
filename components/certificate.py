"""The certificate with which the proxy serves: the host's own, or one that the administrator brings."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi

from components.connection import Command, CommandArgs
from components.host import Directory, Host
from components.images import Images
from config.certificate import Certificate as CertificateSettings
from config.site import Site
from rendering.rootfs import TOOLS


@dataclass(frozen=True)
class CertificateArgs:
    """The settings, the site's name, and the private key of a certificate that the settings hold."""

    settings: CertificateSettings
    site: Site
    private_key: pulumi.Output[str] | None


class Certificate(pulumi.ComponentResource):
    """A certificate and its key on the host, in `nginx/etc/tls/MODE/current` below the storage root.

    A new pair is tested before it takes the place of the old one, and the running proxy reloads. No pair is ever
    deleted, by a change or by destroy. `chain` and `key` are the paths inside the proxy's container; `expiry` is its
    end in ISO 8601; `authority` is the PEM of the CA that clients must trust, None where they do already.
    """

    chain: str
    key: str
    expiry: pulumi.Output[str]
    authority: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        args: CertificateArgs,
        host: Host,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:certificate:Certificate", name, None, opts)
        self._name = name
        self._args = args
        self._host = host
        self._image = str(images.nginx.reference)
        mode = args.settings.mode
        self.chain = f"/etc/nginx/tls/{mode}/current/fullchain.pem"
        self.key = f"/etc/nginx/tls/{mode}/current/privkey.pem"

        directories = host.directories(
            f"{name}-directories", _directories(host.root), pulumi.ResourceOptions(parent=self)
        )
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[directories, images.nginx.resource])
        installed = self._self_signed() if mode == "self-signed" else self._files()
        lines = pulumi.Output.unsecret(installed.stdout).apply(lambda text: text.splitlines())
        self.expiry = lines.apply(lambda found: _iso(found[0]))
        # After the end and the fingerprint come the lines of the CA.
        self.authority = lines.apply(lambda found: "\n".join(found[2:]) + "\n") if mode == "self-signed" else None
        self.register_outputs({"expiry": self.expiry})

    def _self_signed(self) -> Command:
        command = [f"{TOOLS}/self-signed-certificate", self._image, self._host.root, self._args.site.fqdn]
        return self._host.command(f"{self._name}-self-signed", CommandArgs(create=shlex.join(command)), self._child)

    def _files(self) -> Command:
        settings, fqdn = self._args.settings, self._args.site.fqdn
        if self._args.private_key is None:
            command = [f"{TOOLS}/copy-certificate", self._image, self._host.root, fqdn]
            paths = [str(settings.chain_path), str(settings.private_key_path)]
            args = CommandArgs(create=shlex.join([*command, *paths]))
            return self._host.command(f"{self._name}-files", args, self._child)
        bundle = self._args.private_key.apply(lambda key: f"{settings.chain}\n{key}\n")
        size = pulumi.Output.unsecret(bundle.apply(lambda text: str(len(text.encode()))))
        command = [f"{TOOLS}/install-certificate", self._image, self._host.root, "files", fqdn]
        create = pulumi.Output.concat(shlex.join(command), " ", size)
        return self._host.command(f"{self._name}-files", CommandArgs(create=create, stdin=bundle), self._child)


def _iso(openssl_date: str) -> str:
    return datetime.strptime(openssl_date, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC).isoformat()


def _directories(root: str) -> list[Directory]:
    """Where certificates lie, and where certificate authorities and their client meet (nginx's user is 101)."""
    certbot = [
        "certbot",
        "certbot/nginx",
        "certbot/nginx/etc",
        "certbot/nginx/etc/conf.d",
        "certbot/logs",
        "certbot/webroot",
        "certbot/webroot/.well-known",
        "certbot/webroot/.well-known/acme-challenge",
    ]
    return [
        Directory("0750", "root:root", f"{root}/letsencrypt"),
        *(Directory("0750", "101:root", f"{root}/{path}") for path in certbot),
        *(Directory("0700", "root:root", f"{root}/{path}") for path in ("nginx", "nginx/etc", "nginx/etc/tls")),
    ]
