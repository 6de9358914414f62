"""The proxy: TLS, accounts, and the way to the registry and its page."""

import shlex
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.adoption import Adoption
from components.certificate import Certificate
from components.connection import Command
from components.container import ContainerArgs, bind, container
from components.host import Directory, FileArgs, Host
from components.images import Images
from components.network import Network
from components.registry import Registry
from components.registry_ui import RegistryUi
from config.nginx import Nginx as NginxSettings
from config.secrets import Credential
from config.site import Site
from config.users import Htpasswd
from rendering.htpasswd import accounts_file
from rendering.proxy import site_file
from rendering.rootfs import TOOLS, HostFile, fingerprint, on_host, render

_RELOAD = f"{TOOLS}/nginx-reload"

# Where the host's tools tell the proxy that they hold writes off.
_RUN = "/run/docker-registry"


@dataclass(frozen=True)
class NginxArgs:
    """The proxy's settings, the site it serves, and who may use it."""

    settings: NginxSettings
    site: Site
    accounts: pulumi.Output[list[Credential]]
    hashing: Htpasswd


class Nginx(pulumi.ComponentResource):
    """Container `nginx`, its site and the accounts.

    A changed site, certificate or account file is tested where nginx can test it and then taken up by a reload, which
    drops no request. Changed ports, image or start script replace the container.
    """

    container: docker.Container

    def __init__(
        self,
        name: str,
        args: NginxArgs,
        host: Host,
        network: Network,
        adoption: Adoption,
        certificate: Certificate,
        registry: Registry,
        registry_ui: RegistryUi,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:nginx:Nginx", name, None, opts)
        self._name = name
        self._args = args
        self._host = host
        self._image = images.nginx
        home = f"{host.root}/nginx"
        directories = host.directories(
            f"{name}-directories",
            [
                *(
                    Directory("0700", "root:root", f"{home}/{path}")
                    for path in ("etc/auth", "etc/conf.d", "etc/start", "logs")
                ),
                Directory("0755", "root:root", _RUN),
            ],
            # The parents are the certificate's. A proxy that was set up by hand reads these files on every request: it
            # has to be gone before they are changed.
            pulumi.ResourceOptions(parent=self, depends_on=[certificate, adoption.done]),
        )
        start = render("/var/opt/nginx/etc/start/nginx-start", root=host.root)
        files = [
            self._accounts(directories),
            self._start(start, directories),
            self._site(certificate, self._log_format(directories)),
            self._run(directories),
        ]
        self.container = container(
            f"{name}-container",
            ContainerArgs(
                name="nginx",
                image=images.nginx,
                command=["/bin/sh", "/etc/nginx/start/nginx-start"],
                volumes=_volumes(host.root),
                ports=_ports(args.site),
                tmpfs={
                    "/run": "rw,noexec,nosuid,mode=0755,size=4m",
                    "/tmp": "rw,noexec,nosuid,size=16m",  # noqa: S108 - inside the container
                    "/var/cache/nginx": "rw,noexec,nosuid,mode=0755,size=64m",
                },
                capabilities=["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"],
                # nginx finishes its requests on SIGQUIT; on SIGTERM it cuts them.
                stop_signal="SIGQUIT",
                healthy=_HEALTHY,
                config=fingerprint(start.content),
            ),
            host,
            network,
            host.docker_options(self, after=[*files, registry.container, registry_ui.container]),
        )
        self.register_outputs({})

    def _file(self, name: str, args: FileArgs, after: Command) -> Command:
        return self._host.file(f"{self._name}-{name}", args, pulumi.ResourceOptions(parent=self, depends_on=[after]))

    def _accounts(self, directories: Command) -> Command:
        args, root = self._args, self._host.root
        file = args.accounts.apply(
            lambda accounts: accounts_file(accounts, args.hashing, realm=args.site.fqdn, root=root)
        )
        path = on_host("/var/opt/nginx/etc/auth/registry.htpasswd", root)
        return self._file("accounts", FileArgs(file=file, path=path, mode="0600", then=_RELOAD, kept=True), directories)

    def _start(self, start: HostFile, directories: Command) -> Command:
        return self._file("start", FileArgs(file=start, path=start.path, mode="0700"), directories)

    def _log_format(self, directories: Command) -> Command:
        file = render("/var/opt/nginx/etc/conf.d/log.conf", root=self._host.root)
        return self._configuration("log-format", file, directories)

    def _run(self, directories: Command) -> Command:
        """Makes the directory anew at every boot, which clears it, and with it every hold on writes."""
        file = render("/etc/tmpfiles.d/docker-registry.conf")
        return self._file("run", FileArgs(file=file, path=file.path, mode="0644"), directories)

    def _site(self, certificate: Certificate, log_format: Command) -> Command:
        # It names the log's format, which has to be there first.
        site = site_file(
            site=self._args.site,
            nginx=self._args.settings,
            version=self._image.reference.version,
            chain=certificate.chain,
            key=certificate.key,
            stack=self._host.stack,
            root=self._host.root,
        )
        return self._configuration("site", site, log_format)

    def _configuration(self, name: str, file: HostFile, after: Command) -> Command:
        """A file that nginx itself tests first, and then takes up without a restart."""
        words = [f"{TOOLS}/nginx-test", str(self._image.reference), self._host.root, file.path.rsplit("/", 1)[-1]]
        args = FileArgs(file=file, path=file.path, mode="0600", verify=shlex.join(words), then=_RELOAD)
        return self._file(name, args, after)


# The proxy answers over TLS and reaches the registry. Alpine images have wget at least, Debian's have curl.
_HEALTHY = (
    "curl -fsk -o /dev/null https://127.0.0.1/healthz "
    "|| wget -q --no-check-certificate -O /dev/null https://127.0.0.1/healthz"
)


def _volumes(root: str) -> list[docker.ContainerVolumeArgs]:
    return [
        bind(f"{root}/certbot/webroot", "/var/www/letsencrypt"),
        bind(f"{root}/letsencrypt", "/etc/letsencrypt"),
        bind(f"{root}/nginx/etc/auth", "/etc/nginx/auth"),
        bind(f"{root}/nginx/etc/conf.d", "/etc/nginx/conf.d"),
        bind(f"{root}/nginx/etc/start", "/etc/nginx/start"),
        bind(f"{root}/nginx/etc/tls", "/etc/nginx/tls"),
        bind(_RUN, _RUN),
        bind(f"{root}/nginx/logs", "/var/log/nginx", read_only=False),
    ]


def _ports(site: Site) -> list[docker.ContainerPortArgs]:
    """The published ports, sorted and each with its address: otherwise every refresh would find a difference."""
    address = str(site.listen_address)
    pairs = sorted([(80, site.http_port), (443, site.https_port)])
    return [docker.ContainerPortArgs(internal=inside, external=outside, ip=address) for inside, outside in pairs]
