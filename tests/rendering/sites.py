"""Sites of the proxy for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.access import Access
from config.metrics import Metrics
from config.mirrors import Mirror
from config.nginx import Nginx
from config.site import Site
from config.transparent import Transparent
from config.users import Htpasswd, PasswordHash, User
from rendering.access import access_file, accounts_file, immutable_file
from rendering.proxy import FILES, Cache, site_file
from rendering.rootfs import HostFile

CURRENT, OLD = (1, 28, 0), (1, 24, 0)
CHAIN, KEY = "/etc/nginx/tls/files/current/fullchain.pem", "/etc/nginx/tls/files/current/privkey.pem"


def site_of(
    nginx: Nginx | None = None,
    site: Site | None = None,
    access: Access | None = None,
    *,
    version: tuple[int, ...] | None = CURRENT,
    files: str | None = FILES,
    metrics: Metrics | None = None,
    mirrors: Sequence[Mirror] = (),
    cache: Cache | None = None,
) -> HostFile:
    """The proxy's site for some settings; all others are the defaults, and the name is `dr.example.net`."""
    site = site or Site(fqdn="dr.example.net")
    return site_file(
        site=site,
        names=[site.fqdn, *site.aliases],
        access=access or Access(),
        nginx=nginx or Nginx(),
        files=files,
        version=version,
        chain=CHAIN,
        key=KEY,
        stack="acme/docker-registry/prod",
        root="/var/opt",
        metrics=metrics,
        mirrors=mirrors,
        cache=cache,
    )


def rights_of(access: Access | None = None, users: Sequence[User] = (), *, metrics: bool = False) -> list[HostFile]:
    """The files beside the site that say whose password it is and who may do what, for some settings."""
    access = access or Access()
    where: dict[str, Any] = {"stack": "acme/docker-registry/prod", "root": "/var/opt"}
    return [
        accounts_file(
            users=users,
            htpasswd=Htpasswd(),
            access=access,
            nginx=Nginx(realm="Ours; {yours} #too"),
            site=Site(fqdn="dr.example.net"),
            **where,
        ),
        access_file(users=users, access=access, metrics=metrics, **where),
        immutable_file(access=access, nginx=Nginx(), **where),
    ]


def user(name: str, **settings: object) -> User:
    """A user with a hash and some settings, made without the checks, which want the hash itself."""
    defaults = {
        "password": None,
        "scheme": None,
        "role": "admin",
        "repositories": None,
        "pull_only": (),
        "expires": None,
    }
    return User.model_construct(name=name, hash=PasswordHash("apr1"), **{**defaults, **settings})  # type: ignore[arg-type]


STRANGE_NAMES = (
    *('we"ird', "$x", "${y}", "back\\slash", "~tilde", "\\b", "default", "include", "hostnames", "volatile"),
    *("x{y};", "ümlaut", "'", "*", "*.x", ".x", "a" * 255),
)
"""Names of users that mean something to nginx, or to a shell, or are long."""


def lines(text: str) -> list[str]:
    """The directives, without comments and indentation."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def block(text: str, head: str, occurrence: int = 0) -> list[str]:
    """The directives directly or deeper inside a block, such as `location /v2/`."""
    found = lines(text)
    start = [index for index, line in enumerate(found) if line == head + " {"][occurrence]
    depth = 0
    for end in range(start, len(found)):
        depth += found[end].endswith("{") - (found[end] == "}")
        if depth == 0:
            return found[start + 1 : end]
    raise AssertionError(f"{head} has no end")


MIRRORS = (Mirror(prefix="docker.io", repositories=("library/*", "a.b/c-*")), Mirror(prefix="ghcr.io", tag_seconds=60))
_TRANSPARENT = Transparent(name="hub.example.net", addresses=("198.51.100.7", "198.51.100.0/24", "2001:db8::/32"))
VARIANTS: dict[str, HostFile] = {
    "defaults": site_of(),
    "modern": site_of(Nginx(tls_profile="modern")),
    "hsts": site_of(Nginx(hsts=True)),
    "old-docker": site_of(Nginx(refuse_old_docker=True)),
    "old-nginx": site_of(version=OLD),
    "unknown-nginx": site_of(version=None),
    "anonymous": site_of(access=Access(anonymous_pull=("public/*",))),
    "no-files": site_of(files=None),
    "store": site_of(files=None, cache=Cache(megabytes=10240, remembered=60)),
    "store-asked-each-time": site_of(files=None, metrics=Metrics(enabled=True), cache=Cache(1 << 20, remembered=0)),
    "metrics": site_of(metrics=Metrics(enabled=True)),
    "mirrors": site_of(mirrors=MIRRORS),
    "mirrors-without-files": site_of(
        Nginx(mirror_fast_path=True),
        files=None,
        metrics=Metrics(enabled=True),
        mirrors=[Mirror(prefix="docker.io", tag_seconds=60, transparent=_TRANSPARENT), *MIRRORS[1:]],
    ),
    "everything": site_of(
        Nginx(
            tls_profile="modern",
            hsts=True,
            refuse_old_docker=True,
            connect_timeout=75,
            read_timeout=86400,
            realm="Our images; {yours} #too",
        ),
        Site(
            fqdn="images.example.net",
            http_port=8080,
            https_port=8443,
            aliases=("i.example.net",),
            peers=("192.0.2.11", "192.0.2.12:8080"),
        ),
        Access(anonymous_pull=("*",), attempts_per_minute=1),
        version=OLD,
        mirrors=[*MIRRORS, Mirror(prefix=f"{'a' * 60}.example", transparent=_TRANSPARENT)],
    ),
}
"""Every option at least once."""
