"""The certificate with which the proxy serves: from an authority, the host's own, or the administrator's."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi

from components.connection import Command, CommandArgs, size_of
from components.host import Directory, FileArgs, Host
from components.images import Images, PulledImage
from config.certificate import Acme
from config.certificate import Certificate as CertificateSettings
from config.site import Site
from rendering.rootfs import TOOLS, HostFile, on_host, render


@dataclass(frozen=True)
class CertificateArgs:
    """The settings, the site's name and address, and the secrets of the mode that is set.

    `private_key` belongs to a certificate that the settings hold, `eab_hmac_key` to an account at an ACME server.
    """

    settings: CertificateSettings
    site: Site
    private_key: pulumi.Output[str] | None
    eab_hmac_key: pulumi.Output[str] | None


class Certificate(pulumi.ComponentResource):
    """A certificate and its key on the host.

    A new pair is tested before it takes the place of the old one, and the running proxy reloads. No pair and no
    account is ever deleted, by a change or by destroy. Another mode, name, server or key type is one `up`: the old
    certificate serves until the new one is in place.

    `chain` and `key` are the paths inside the proxy's container; `expiry` is its end in ISO 8601 when it was put in
    place; `authority` is the PEM of the CA that clients must trust, None where they do already. `directories` are its
    own, and the parents of the proxy's. `installed` is what must have succeeded before the site refers to it; `granted`
    what must have before anything else that runs is touched: the same where somebody may refuse it, no more than the
    directories where nobody is asked.
    """

    chain: str
    key: str
    installed: Command
    granted: Command
    directories: Command
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
        self._images = images
        mode = args.settings.mode
        home = f"/etc/letsencrypt/live/{args.site.fqdn}" if mode == "acme" else f"/etc/nginx/tls/{mode}/current"
        self.chain = f"{home}/fullchain.pem"
        self.key = f"{home}/privkey.pem"

        self.directories = directories = host.directories(
            f"{name}-directories", _directories(host.root), pulumi.ResourceOptions(parent=self)
        )
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[directories, images.nginx.resource])
        ways = {"self-signed": self._self_signed, "files": self._files, "acme": self._acme}
        self.installed = ways[mode]()
        self.granted = directories if mode == "self-signed" else self.installed
        lines = pulumi.Output.unsecret(self.installed.stdout).apply(lambda text: text.splitlines())
        self.expiry = lines.apply(lambda found: _iso(found[0]))
        # After the end and the fingerprint come the lines of the CA.
        self.authority = lines.apply(lambda found: "\n".join(found[2:]) + "\n") if mode == "self-signed" else None
        self.register_outputs({"expiry": self.expiry})

    def _self_signed(self) -> Command:
        command = [f"{TOOLS}/self-signed-certificate", self._nginx(), self._host.root, self._args.site.fqdn]
        return self._host.command(f"{self._name}-self-signed", CommandArgs(create=shlex.join(command)), self._child)

    def _files(self) -> Command:
        settings, fqdn = self._args.settings, self._args.site.fqdn
        if self._args.private_key is None:
            command = [f"{TOOLS}/copy-certificate", self._nginx(), self._host.root, fqdn]
            paths = [str(settings.chain_path), str(settings.private_key_path)]
            args = CommandArgs(create=shlex.join([*command, *paths]))
            return self._host.command(f"{self._name}-files", args, self._child)
        bundle = self._args.private_key.apply(lambda key: f"{settings.chain}\n{key}\n")
        command = [f"{TOOLS}/install-certificate", self._nginx(), self._host.root, "files", fqdn]
        create = pulumi.Output.concat(shlex.join(command), " ", size_of(bundle))
        return self._host.command(f"{self._name}-files", CommandArgs(create=create, stdin=bundle), self._child)

    def _acme(self) -> Command:
        settings, site = self._args.settings.acme_settings, self._args.site
        after = [self._challenge_site(), self._server_authority(settings)]
        command = shlex.join(
            [
                *(f"{TOOLS}/issue-certificate", "--nginx", self._nginx(), "--certbot", str(self._certbot().reference)),
                *("--root", self._host.root, "--listen", f"{site.listen_address}:{site.http_port}"),
                *("--server", settings.directory, "--key-type", settings.key_type),
                *(("--email", settings.email) if settings.email else ()),
                *(("--profile", settings.profile) if settings.profile else ()),
            ]
        )
        names = shlex.join([site.fqdn, *settings.names])
        key = self._args.eab_hmac_key
        create: pulumi.Input[str] = f"{command} {names}"
        if key is not None:
            create = pulumi.Output.concat(
                command,
                " --eab-key-id ",
                shlex.quote(str(settings.eab_key_id)),
                " --eab-bytes ",
                size_of(key),
                " ",
                names,
            )
        opts = pulumi.ResourceOptions(depends_on=[*after, self._certbot().resource])
        return self._host.command(
            f"{self._name}-acme",
            CommandArgs(create=create, stdin=key),
            pulumi.ResourceOptions.merge(self._child, opts),
        )

    def _challenge_site(self) -> Command:
        """The configuration of the throw-away proxy."""
        return self._file("challenge-site", render("/var/opt/certbot/nginx/etc/conf.d/acme.conf", root=self._host.root))

    def _server_authority(self, settings: Acme) -> Command:
        """The bundle by which a private ACME server is trusted.

        Without one there is a file too: what is deleted goes last, and the bundle of the server before would be in
        the way until then.
        """
        path = on_host("/var/opt/letsencrypt/server-ca.pem", self._host.root)
        content = settings.server_ca or "# The ACME server is publicly trusted.\n"
        return self._file("server-authority", HostFile(path, content))

    def _file(self, name: str, file: HostFile) -> Command:
        opts = pulumi.ResourceOptions(parent=self, depends_on=[self.directories])
        return self._host.file(f"{self._name}-{name}", FileArgs(file=file, path=file.path), opts)

    def _nginx(self) -> str:
        return str(self._images.nginx.reference)

    def _certbot(self) -> PulledImage:
        if self._images.certbot is None:
            raise ValueError("mode acme needs the certbot image")
        return self._images.certbot


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
