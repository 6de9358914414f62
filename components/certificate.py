"""The certificate with which the proxy serves: from an authority, the host's own, or the administrator's."""

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi

from components.connection import Command, CommandArgs, size_of
from components.host import FileArgs, FilesArgs, Host
from components.images import Images, PulledImage
from components.manifest import Puts
from components.volumes import Volumes
from config.certificate import Acme
from config.certificate import Certificate as CertificateSettings
from config.site import Site
from rendering.bundle import Entry
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

    `chain` and `key` are the paths inside the proxy's container; `on_host` is the chain's on the host; `expiry` is
    its end in ISO 8601 when it was put in place; `authority` is the PEM of the CA that clients must trust, None where
    they do already.
    `ready`: it is in place. `go_ahead`: running services may be touched, because nobody can refuse it any more. Nobody
    refuses a self-signed one, so there that does not wait for it.
    """

    chain: str
    key: str
    on_host: str
    ready: Command
    go_ahead: Command
    expiry: pulumi.Output[str]
    authority: pulumi.Output[str] | None

    def __init__(
        self,
        name: str,
        args: CertificateArgs,
        host: Host,
        images: Images,
        volumes: Volumes,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:certificate:Certificate", name, None, opts)
        self._name = name
        self._args = args
        self._host = host
        self._images = images
        self._directories = volumes.ready
        mode = args.settings.mode
        home = f"/etc/letsencrypt/live/{args.site.fqdn}" if mode == "acme" else f"/etc/nginx/tls/{mode}/current"
        pair = f"{host.root}/{_on_host(home)}"
        self.on_host = f"{pair}/fullchain.pem"
        # The timer may have renewed it: only that it is there is known, and that the key is for root alone.
        self._puts = Puts(linked=[Entry(self.on_host, "", ""), Entry(f"{pair}/privkey.pem", "0600", "")])
        self.chain = f"{home}/fullchain.pem"
        self.key = f"{home}/privkey.pem"

        self._child = pulumi.ResourceOptions(parent=self, depends_on=[volumes.ready, images.nginx.resource])
        ways = {"self-signed": self._self_signed, "files": self._files, "acme": self._acme}
        self.ready = ways[mode]()
        self.go_ahead = volumes.ready if mode == "self-signed" else self.ready
        lines = pulumi.Output.unsecret(self.ready.stdout).apply(lambda text: text.splitlines())
        self.expiry = lines.apply(lambda found: _iso(found[0]))
        # After the end and the fingerprint come the lines of the CA.
        self.authority = lines.apply(lambda found: "\n".join(found[2:]) + "\n") if mode == "self-signed" else None
        self.register_outputs({"expiry": self.expiry})

    def _self_signed(self) -> Command:
        command = [f"{TOOLS}/self-signed-certificate", self._nginx(), self._host.root, self._args.site.fqdn]
        args = CommandArgs(shlex.join(command), puts=self._puts)
        return self._host.command(f"{self._name}-self-signed", args, self._child)

    def _files(self) -> Command:
        settings, fqdn = self._args.settings, self._args.site.fqdn
        if self._args.private_key is None:
            command = [f"{TOOLS}/copy-certificate", self._nginx(), self._host.root, fqdn]
            paths = [str(settings.chain_path), str(settings.private_key_path)]
            args = CommandArgs(shlex.join([*command, *paths]), puts=self._puts)
            return self._host.command(f"{self._name}-files", args, self._child)
        bundle = self._args.private_key.apply(lambda key: f"{settings.chain}\n{key}\n")
        command = [f"{TOOLS}/install-certificate", self._nginx(), self._host.root, "files", fqdn]
        create = pulumi.Output.concat(shlex.join(command), " ", size_of(bundle))
        args = CommandArgs(create, stdin=bundle, puts=self._puts)
        return self._host.command(f"{self._name}-files", args, self._child)

    def _acme(self) -> Command:
        settings, site = self._args.settings.acme_settings, self._args.site
        files = [self._challenge_site(), self._server_authority(settings)]
        placed = self._host.files(
            f"{self._name}-acme-files",
            FilesArgs([FileArgs(file=file, path=file.path) for file in files]),
            pulumi.ResourceOptions(parent=self, depends_on=[self._directories]),
        )
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
        opts = pulumi.ResourceOptions(depends_on=[placed, self._certbot().resource])
        return self._host.command(
            f"{self._name}-acme",
            CommandArgs(create, stdin=key, puts=self._puts),
            pulumi.ResourceOptions.merge(self._child, opts),
        )

    def _challenge_site(self) -> HostFile:
        """The configuration of the throw-away proxy."""
        return render("/var/opt/certbot/nginx/etc/conf.d/acme.conf", root=self._host.root)

    def _server_authority(self, settings: Acme) -> HostFile:
        """The bundle by which a private ACME server is trusted.

        Without one there is a file too: what is deleted goes last, and the bundle of the server before would be in
        the way until then.
        """
        path = on_host("/var/opt/letsencrypt/server-ca.pem", self._host.root)
        content = settings.server_ca or "# The ACME server is publicly trusted.\n"
        return HostFile(path, content)

    def _nginx(self) -> str:
        return str(self._images.nginx.reference)

    def _certbot(self) -> PulledImage:
        if self._images.certbot is None:
            raise ValueError("mode acme needs the certbot image")
        return self._images.certbot


def _on_host(home: str) -> str:
    """Where below the storage root a directory lies that the proxy's container has there."""
    return home.removeprefix("/etc/").replace("nginx/", "nginx/etc/", 1)


def _iso(openssl_date: str) -> str:
    return datetime.strptime(openssl_date, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC).isoformat()
