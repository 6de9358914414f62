"""The real proxy in a container of its own, before a real registry: for what no stand-in of nginx can show."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from components.nginx import MEMORY
from config.access import Access
from config.metrics import Metrics
from config.mirrors import Mirror
from config.nginx import Nginx
from config.secrets import Account
from config.site import Site
from config.users import Htpasswd, User
from rendering.access import access_file, accounts_file, immutable_file
from rendering.htpasswd import hash_of, htpasswd_file
from rendering.mirrors import FILES as MIRRORED
from rendering.mirrors import PROXY_SCRIPTS
from rendering.proxy import CACHE, FILES, MARKS, MARKS_OPTIONS, Cache, site_file
from rendering.rootfs import HostFile, render
from tests.lab.docker import docker
from tests.lab.images import source_image
from tests.rendering.proxy_connection import FQDN, PASSWORD, Connection
from tests.rendering.sites import CHAIN, CURRENT, KEY
from tests.storage_oracle.registries import executable
from tests.storage_oracle.size import memory
from tests.unit.config import pki

GENERATION = "1-2"
_BESIDE = ("log.conf", "gate.js", "asked.js", "catalogue.js", "rows.js", "cache.js", *PROXY_SCRIPTS)
MODULE = "load_module /usr/lib/nginx/modules/ngx_http_js_module.so;"
START_SECONDS = 20
_WHERE: dict[str, Any] = {"stack": "acme/docker-registry/prod", "root": "/var/opt"}
_REGISTRY = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
  maintenance: {{readonly: {{enabled: {reads}}}, uploadpurging: {{enabled: false}}}}
http: {{net: unix, addr: {socket}, secret: only-for-tests}}
"""


@dataclass
class Proxy:
    """A proxy that runs, its registry, and the folder that both have in common."""

    home: Path
    name: str
    address: str = ""
    fast: bool = True
    """Whether it serves blobs by itself."""
    cache: Cache | None = None
    """What it keeps, as of an object store."""
    site: Site = field(default_factory=lambda: Site(fqdn=FQDN))

    def connection(self, user: str | None, *, bearer: bool = False) -> Connection:
        """A new connection."""
        return Connection(self.address, user, bearer)

    @property
    def storage(self) -> Path:
        """The registry's files."""
        return self.home / "data"

    def configure(
        self,
        users: Sequence[User],
        access: Access | None = None,
        nginx: Nginx | None = None,
        metrics: Metrics | None = None,
        mirrors: Sequence[Mirror] = (),
    ) -> None:
        """Puts the files of some settings into the proxy's folders; a running one has to reload."""
        files = FILES if self.fast else None
        for file in files_of(
            users, access or Access(), nginx or Nginx(), metrics, files, mirrors, self.cache, self.site
        ):
            (self.home / "etc/conf.d" / Path(file.path).name).write_text(file.content)
        credentials = [Account(name=user.name, password=None, hash=_hash()) for user in users]
        accounts = htpasswd_file(credentials, Htpasswd(), fqdn=FQDN, root="/var/opt")
        (self.home / "etc/auth/registry.htpasswd").write_text(accounts.content)

    def reload(self) -> None:
        """As the host's tool does, until only new workers take requests."""
        before = self._workers()
        docker("exec", self.name, "/bin/sh", "/etc/nginx/start/nginx-start", "accounts")
        docker("exec", self.name, "nginx", "-q", "-g", MODULE, "-s", "reload")
        end = time.monotonic() + START_SECONDS
        while not (now := self._workers()) or now & before:
            assert time.monotonic() < end, self.errors()[-2000:]
            time.sleep(0.1)

    def _workers(self) -> set[str]:
        """Those that take requests. Those that compare passwords have their own priority, and are not reloaded."""
        lines = docker("top", self.name, "-o", "pid,nice,cmd").stdout.splitlines()
        return {line.split()[0] for line in lines if line.endswith("nginx: worker process") and line.split()[1] != "10"}

    def find(self) -> None:
        """Waits until it answers, by whatever address it has by now."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.address = docker("inspect", "--format", form, self.name).stdout.strip()
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connection(None).ask("GET", "/v2/")
            except OSError:
                said = docker("logs", self.name, check=False)
                assert time.monotonic() < end, said.stdout + said.stderr
                time.sleep(0.1)
            else:
                return

    def errors(self) -> str:
        """What nginx has complained of."""
        return (self.home / "logs/error.log").read_text()


@cache
def _hash() -> str:
    """Of everybody's password: each that is made takes some milliseconds."""
    return hash_of(Account(name="everybody", password=PASSWORD, hash=None), Htpasswd(), FQDN)


def files_of(
    users: Sequence[User],
    access: Access,
    nginx: Nginx,
    metrics: Metrics | None = None,
    files: str | None = FILES,
    mirrors: Sequence[Mirror] = (),
    cache: Cache | None = None,
    site: Site | None = None,
) -> list[HostFile]:
    """The files of conf.d for some settings; metrics are enabled, unless they say otherwise."""
    metrics = metrics or Metrics(enabled=True)
    site = site or Site(fqdn=FQDN)
    return [
        accounts_file(users=users, htpasswd=Htpasswd(), access=access, nginx=nginx, site=site, **_WHERE),
        access_file(users=users, access=access, metrics=metrics.enabled, mirrors=mirrors, **_WHERE),
        immutable_file(access=access, nginx=nginx, **_WHERE),
        site_file(
            site=site,
            names=[FQDN],
            access=access,
            nginx=nginx,
            files=files,
            version=CURRENT,
            chain=CHAIN,
            key=KEY,
            metrics=metrics,
            mirrors=mirrors,
            cache=cache,
            **_WHERE,
        ),
        *(render(f"/var/opt/nginx/etc/conf.d/{name}") for name in _BESIDE),
    ]


@contextmanager
def proxied(
    users: Sequence[User],
    access: Access | None = None,
    *,
    zone: str = "UTC",
    registry: str = "3.1.2",
    room: str = "",
) -> Iterator[Proxy]:
    """A proxy with some accounts, all of which have the same password, before an empty registry of some version.

    With `room` the disk on which it may keep something is no larger.
    """
    with ExitStack() as held:
        home = Path(held.enter_context(tempfile.TemporaryDirectory(dir=memory() or "/tmp", prefix="rp")))  # noqa: S108
        proxy = Proxy(home, f"registry-proxy-{os.getpid()}-{home.name}")
        for part in (
            "etc/conf.d",
            "etc/auth",
            "etc/start",
            "tls/files/current",
            "logs",
            "data/docker",
            "run/writers",
            "mirrors",
            "cache",
        ):
            (home / part).mkdir(parents=True)
        (home / "run/writers" / GENERATION).mkdir()
        home.chmod(0o755)
        for folder in (home / "run", home / "run/writers", home / "run/writers" / GENERATION):
            folder.chmod(0o777)
        leaf = pki.issue(FQDN)
        (home / "tls/files/current/fullchain.pem").write_text(leaf.pem)
        (home / "tls/files/current/privkey.pem").write_text(leaf.key_pem)
        for name in ("nginx-start", "nginx-cache", "passwords.conf", "main.conf"):
            content = render(f"/var/opt/nginx/etc/start/{name}", nginx=Nginx()).content
            (home / "etc/start" / name).write_text(content)
        proxy.configure(users, access)
        writer = home / "run/writers" / GENERATION
        for name in ("journal", "whole"):
            (writer / name).touch()
            (writer / name).chmod(0o666)
        held.enter_context(_registry(registry, home, home / "run/reader.socket", reads=True))
        held.enter_context(_registry(registry, home, writer / "socket", reads=False))
        (home / "run/writers/current").write_text(GENERATION + "\n")
        held.callback(docker, "rm", "-f", proxy.name, check=False)
        _start(proxy, zone, room)
        yield proxy


def _start(proxy: Proxy, zone: str, room: str) -> None:
    image = source_image("nginx:1.28.0")
    mounts = {
        "etc/conf.d": "/etc/nginx/conf.d",
        "etc/auth": "/etc/nginx/auth",
        "etc/start": "/etc/nginx/start",
        "tls": "/etc/nginx/tls",
        "logs": "/var/log/nginx",
        "run": "/run/registry",
        "data/docker": FILES,
        "mirrors": MIRRORED,
        **({} if room else {"cache": CACHE}),
    }
    memory_inside = {**MEMORY, MARKS: MARKS_OPTIONS, **({CACHE: f"rw,size={room}"} if room else {})}
    argv = [
        "run",
        "--detach",
        "--stop-signal=SIGQUIT",
        f"--name={proxy.name}",
        f"--env=TZ={zone}",
        *(f"--tmpfs={place}:{options}" for place, options in memory_inside.items()),
    ]
    argv += [f"--volume={proxy.home / inside}:{outside}" for inside, outside in mounts.items()]
    docker(*argv, "--entrypoint=/bin/sh", image, "/etc/nginx/start/nginx-start")
    proxy.find()


@contextmanager
def _registry(version: str, home: Path, address: Path, *, reads: bool) -> Iterator[None]:
    config = address.with_name(f"{address.name}.yml")
    config.write_text(_REGISTRY.format(root=home / "data", socket=address, reads=str(reads).lower()))
    log = (home / f"registry-{reads}.log").open("ab")
    process = subprocess.Popen(
        [shutil.which("env") or "env", "OTEL_TRACES_EXPORTER=none", str(executable(version)), "serve", str(config)],
        stdout=log,
        stderr=log,
        umask=0,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not address.exists():
            assert process.poll() is None, "the registry ended at its start"
            assert time.monotonic() < end
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)
        log.close()
