"""What the proxy reads: its site, the accounts and their rights, and how it starts."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.adoption import Adoption
from components.certificate import Certificate
from components.connection import Command, CommandArgs
from components.container import bind
from components.host import FileArgs, FilesArgs, Host
from components.mirror import way_of_proxy
from components.volumes import SOCKETS, SOCKETS_INSIDE, Volumes
from config import Settings
from config.secrets import Account
from rendering.access import access_file, accounts_file, immutable_file
from rendering.bundle import Entry
from rendering.htpasswd import htpasswd_file
from rendering.mirrors import FILES as MIRRORED
from rendering.mirrors import PROXY_SCRIPTS as MIRROR_SCRIPTS
from rendering.mirrors import home_of_all
from rendering.proxy import CACHE, FILES, MARKS, MARKS_OPTIONS, Cache, cache_of, site_file
from rendering.rootfs import TOOLS, HostFile, fingerprint, on_host, render

_RELOAD = f"{TOOLS}/nginx-reload"


@dataclass(frozen=True)
class NginxFilesArgs:
    """All settings, of which the proxy needs a little of many, and the accounts with their passwords or hashes.

    The marks say in a preview whose password is another. `mirrored` are the commands after which requests may be led to
    mirrors.
    """

    settings: Settings
    accounts: pulumi.Output[list[Account]]
    marks: Mapping[str, str] = field(default_factory=dict)
    mirrored: Sequence[Command] = ()


class NginxFiles(pulumi.ComponentResource):
    """The proxy's files on the host.

    A changed site, account or right is tested where nginx can test it and then taken up by a reload, which drops no
    request. Accounts don't wait for the certificate; what the site and the rights say does. `mounts` are what the
    proxy's container sees of the host, and `memory` its file systems in memory beside those that it always has; `start`
    changes with what it reads only when it starts. `ready` are all files that it needs to start.
    """

    mounts: Sequence[docker.ContainerVolumeArgs]
    memory: Mapping[str, str]
    start: str
    ready: Sequence[Command]

    def __init__(
        self,
        name: str,
        args: NginxFilesArgs,
        host: Host,
        volumes: Volumes,
        adoption: Adoption,
        certificate: Certificate,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:nginx-files:NginxFiles", name, None, opts)
        self._name = name
        self._args = args
        self._host = host
        self._volumes = volumes
        root = host.root
        at_start = self._read_at_start()
        # A hand-made proxy reads these files on every request, so retire it before changing them.
        after = [volumes.ready, adoption.ready]
        self.ready = [
            self._htpasswd(after),
            self._configuration(certificate, at_start, [*after, certificate.ready, *args.mirrored]),
            *([self._cache_directory(after)] if self._cache else []),
        ]
        self.start = fingerprint("".join(file.content for file in at_start))
        self.mounts = [*_mounts(root), *self._registry_files(), *self._mirrored_files(), *self._cached()]
        self.memory = {MARKS: MARKS_OPTIONS} if self._cache else {}
        self.register_outputs({})

    def _htpasswd(self, after: Sequence[Command]) -> Command:
        settings, root = self._args.settings, self._host.root
        file = self._args.accounts.apply(
            lambda accounts: htpasswd_file(accounts, settings.htpasswd, fqdn=settings.site.fqdn, root=root)
        )
        path = on_host("/var/opt/nginx/etc/auth/registry.htpasswd", root)
        args = FilesArgs(
            [FileArgs(file=file, path=path, mode="0600")],
            [Entry(f"{root}/nginx/etc/auth", "0700", "root:root")],
            then=_RELOAD,
            kept=True,
            note=", ".join(f"{name} {mark}" for name, mark in self._args.marks.items()),
        )
        return self._host.files(
            f"{self._name}-htpasswd", args, pulumi.ResourceOptions(parent=self, depends_on=list(after))
        )

    def _configuration(
        self, certificate: Certificate, at_start: Sequence[HostFile], after: Sequence[Command]
    ) -> Command:
        """What isn't secret: tested as a whole where a proxy serves by it, and then loaded."""
        settings, root = self._args.settings, self._host.root
        start, *others = at_start
        modes = {
            start: "0700",
            **dict.fromkeys(
                [*others, render("/var/opt/nginx/etc/start/main.conf", root=root, nginx=settings.nginx)], "0600"
            ),
            **dict.fromkeys([*self._beside_the_site(), self._site(certificate)], "0600"),
            # Makes the directories of the sockets anew at every boot, which clears them, before Docker starts.
            render("/etc/tmpfiles.d/docker-registry.conf"): "0644",
        }
        args = FilesArgs(
            [FileArgs(file=file, path=file.path, mode=mode) for file, mode in modes.items()],
            [
                *(Entry(f"{root}/nginx/{path}", "0700", "root:root") for path in ("etc/conf.d", "etc/start", "logs")),
                # Docker can't mount what is not there.
                *([way_of_proxy(home_of_all(root), served=True)] if settings.nginx.mirror_fast_path else []),
            ],
            verify=shlex.join([f"{TOOLS}/nginx-test", str(settings.images.nginx), root]),
            then=_RELOAD,
        )
        return self._host.files(
            f"{self._name}-configuration", args, pulumi.ResourceOptions(parent=self, depends_on=list(after))
        )

    def _read_at_start(self) -> list[HostFile]:
        names = ("nginx-start", "passwords.conf", *(["nginx-cache"] if self._cache else []))
        return [render(f"/var/opt/nginx/etc/start/{name}", root=self._host.root) for name in names]

    def _beside_the_site(self) -> list[HostFile]:
        settings, host = self._args.settings, self._host
        access, stack, root = settings.access, host.stack, host.root
        return [
            accounts_file(
                users=settings.users,
                htpasswd=settings.htpasswd,
                access=access,
                nginx=settings.nginx,
                site=settings.site,
                stack=stack,
                root=root,
            ),
            access_file(
                users=settings.users,
                access=access,
                stack=stack,
                root=root,
                metrics=settings.metrics.enabled,
                mirrors=settings.mirrors,
            ),
            immutable_file(access=access, nginx=settings.nginx, stack=stack, root=root),
            render("/var/opt/nginx/etc/conf.d/log.conf", root=root),
            *(render(f"/var/opt/nginx/etc/conf.d/{name}", root=root) for name in self._scripts()),
        ]

    def _scripts(self) -> Sequence[str]:
        mirrors = MIRROR_SCRIPTS if self._args.settings.mirrors else ()
        return ["gate.js", "asked.js", "catalogue.js", "rows.js", *mirrors, *(["cache.js"] if self._cache else [])]

    def _site(self, certificate: Certificate) -> HostFile:
        settings = self._args.settings
        return site_file(
            site=settings.site,
            names=settings.names,
            nginx=settings.nginx,
            access=settings.access,
            files=FILES if self._has_fast_path() else None,
            version=settings.images.nginx.version,
            chain=certificate.chain,
            key=certificate.key,
            stack=self._host.stack,
            root=self._host.root,
            metrics=settings.metrics,
            mirrors=settings.mirrors,
            cache=self._cache if settings.storage.objects else None,
        )

    @property
    def _cache(self) -> Cache | None:
        # Also while the images are still, or again, files: to turn the driver then replaces no container.
        settings = self._args.settings
        return cache_of(settings.storage.s3, settings.images.nginx.version)

    def _cache_directory(self, after: Sequence[Command]) -> Command:
        """Docker can't mount what is not there. Its owner is the proxy's to choose."""
        args = CommandArgs(f"mkdir -p -m 0700 {_cache_home(self._host.root)}")
        return self._host.command(
            f"{self._name}-cache", args, pulumi.ResourceOptions(parent=self, depends_on=list(after))
        )

    def _has_fast_path(self) -> bool:
        return self._args.settings.nginx.fast_path and self._args.settings.storage.driver == "filesystem"

    def _registry_files(self) -> list[docker.ContainerVolumeArgs]:
        return [bind(self._volumes.files, FILES)] if self._has_fast_path() else []

    def _mirrored_files(self) -> list[docker.ContainerVolumeArgs]:
        """All mirrors' at once: another mirror then needs no other container."""
        served = self._args.settings.nginx.mirror_fast_path
        return [bind(home_of_all(self._host.root), MIRRORED)] if served else []

    def _cached(self) -> list[docker.ContainerVolumeArgs]:
        return [bind(_cache_home(self._host.root), CACHE, read_only=False)] if self._cache else []


def _cache_home(root: str) -> str:
    return f"{root}/nginx/cache"


def _mounts(root: str) -> list[docker.ContainerVolumeArgs]:
    return [
        bind(f"{root}/certbot/webroot", "/var/www/letsencrypt"),
        bind(f"{root}/letsencrypt", "/etc/letsencrypt"),
        bind(f"{root}/nginx/etc/auth", "/etc/nginx/auth"),
        bind(f"{root}/nginx/etc/conf.d", "/etc/nginx/conf.d"),
        bind(f"{root}/nginx/etc/start", "/etc/nginx/start"),
        bind(f"{root}/nginx/etc/tls", "/etc/nginx/tls"),
        # The proxy keeps the journals of writes there.
        bind(SOCKETS, SOCKETS_INSIDE, read_only=False),
        bind(f"{root}/nginx/logs", "/var/log/nginx", read_only=False),
    ]
