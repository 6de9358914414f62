"""The proxy: TLS, accounts, and the way to the registry and its page."""

import shlex
from collections.abc import Sequence
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
from components.volumes import Volumes
from config import Settings
from config.secrets import Credential
from config.site import Site
from rendering.access import access_file, passwords_file
from rendering.htpasswd import accounts_file
from rendering.proxy import FILES, site_file
from rendering.rootfs import TOOLS, HostFile, fingerprint, on_host, render

_RESOURCES = {
    "registry.conf": "site",
    "accounts.conf": "passwords",
    "access.conf": "rights",
    "log.conf": "log-format",
}
_RELOAD = f"{TOOLS}/nginx-reload"

# Where the host's tools tell the proxy that they hold writes off.
_RUN = "/run/docker-registry"


@dataclass(frozen=True)
class NginxArgs:
    """All settings, of which the proxy needs a little of many, and the passwords or hashes of the users."""

    settings: Settings
    accounts: pulumi.Output[list[Credential]]


class Nginx(pulumi.ComponentResource):
    """Container `nginx`, its site, the accounts and their rights.

    A changed site, certificate, account or right is tested where nginx can test it and then taken up by a reload,
    which drops no request. Changed ports, image, start script or `fastPath` replace the container.
    """

    container: docker.Container
    ready: Command

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
        volumes: Volumes,
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
            pulumi.ResourceOptions(parent=self, depends_on=[certificate.directories, *adoption.retired]),
        )
        start = render("/var/opt/nginx/etc/start/nginx-start", root=host.root)
        # The site refers to them; each stands for itself.
        beside = [self._configuration(file, [directories]) for file in self._beside_the_site()]
        files = [
            self._accounts(directories),
            self._start(start, directories),
            *beside,
            self._configuration(self._site(certificate), [directories, certificate.installed, *beside]),
            self._run(directories),
        ]
        self.container, self.ready = container(
            f"{name}-container",
            ContainerArgs(
                name="nginx",
                image=images.nginx,
                command=["/bin/sh", "/etc/nginx/start/nginx-start"],
                volumes=[*_volumes(host.root), *_registry_files(args.settings, volumes)],
                ports=_ports(args.settings.site),
                tmpfs={
                    "/run": "rw,noexec,nosuid,mode=0755,size=4m",
                    "/tmp": "rw,noexec,nosuid,size=16m",  # noqa: S108 - inside the container
                    "/var/cache/nginx": "rw,noexec,nosuid,mode=0755,size=64m",
                },
                capabilities=["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETUID"],
                # nginx finishes its requests on SIGQUIT; on SIGTERM it cuts them.
                stop_signal="SIGQUIT",
                healthy=_HEALTHY,
                memory=args.settings.limits.nginx_memory,
                processes=args.settings.limits.nginx_processes,
                config=fingerprint(start.content),
                needs=[registry.ready],
            ),
            host,
            network,
            host.docker_options(self, after=[*files, registry.container, registry_ui.container]),
        )
        self.register_outputs({})

    def _file(self, name: str, args: FileArgs, after: Sequence[Command]) -> Command:
        return self._host.file(
            f"{self._name}-{name}", args, pulumi.ResourceOptions(parent=self, depends_on=list(after))
        )

    def _accounts(self, directories: Command) -> Command:
        settings, root = self._args.settings, self._host.root
        file = self._args.accounts.apply(
            lambda accounts: accounts_file(accounts, settings.htpasswd, realm=settings.site.fqdn, root=root)
        )
        path = on_host("/var/opt/nginx/etc/auth/registry.htpasswd", root)
        args = FileArgs(file=file, path=path, mode="0600", then=_RELOAD, kept=True)
        return self._file("accounts", args, [directories])

    def _start(self, start: HostFile, directories: Command) -> Command:
        return self._file("start", FileArgs(file=start, path=start.path, mode="0700"), [directories])

    def _beside_the_site(self) -> list[HostFile]:
        settings, host = self._args.settings, self._host
        access, stack, root = settings.access, host.stack, host.root
        return [
            passwords_file(access=access, nginx=settings.nginx, site=settings.site, stack=stack, root=root),
            access_file(users=settings.users, access=access, stack=stack, root=root),
            render("/var/opt/nginx/etc/conf.d/log.conf", root=root),
        ]

    def _run(self, directories: Command) -> Command:
        """Makes the directory anew at every boot, which clears it, and with it every hold on writes."""
        file = render("/etc/tmpfiles.d/docker-registry.conf")
        return self._file("run", FileArgs(file=file, path=file.path, mode="0644"), [directories])

    def _site(self, certificate: Certificate) -> HostFile:
        settings = self._args.settings
        return site_file(
            site=settings.site,
            names=settings.names,
            nginx=settings.nginx,
            access=settings.access,
            files=FILES if _has_fast_path(settings) else None,
            version=self._image.reference.version,
            chain=certificate.chain,
            key=certificate.key,
            stack=self._host.stack,
            root=self._host.root,
        )

    def _configuration(self, file: HostFile, after: Sequence[Command]) -> Command:
        """A file of nginx's configuration: tested with the others that are in place, and then loaded."""
        name = file.path.rsplit("/", 1)[-1]
        verify = shlex.join([f"{TOOLS}/nginx-test", str(self._image.reference), self._host.root, name])
        args = FileArgs(file=file, path=file.path, mode="0600", verify=verify, then=_RELOAD)
        return self._file(_RESOURCES[name], args, after)


# The proxy answers over TLS and reaches the registry. Alpine images have wget at least, Debian's have curl.
_HEALTHY = (
    "curl -fsk -o /dev/null https://127.0.0.1/healthz "
    "|| wget -q --no-check-certificate -O /dev/null https://127.0.0.1/healthz"
)


def _has_fast_path(settings: Settings) -> bool:
    return settings.nginx.fast_path and settings.storage.driver == "filesystem"


def _registry_files(settings: Settings, volumes: Volumes) -> list[docker.ContainerVolumeArgs]:
    return [bind(volumes.files, FILES)] if _has_fast_path(settings) else []


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
