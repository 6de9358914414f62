"""All settings of a stack, and the contradictions between concerns."""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from config.access import Access
from config.backup import Backup
from config.certificate import Certificate
from config.environment import attached_networks
from config.errors import SECRET, Fault, shown
from config.faults import key_of
from config.gc import GarbageCollection, collects_safely
from config.host import Host
from config.images import Images
from config.limits import Limits
from config.logs import Logs
from config.metrics import Metrics
from config.mirrors import (
    Mirror,
    mirrors_are_followed,
    mirrors_count,
    mirrors_elsewhere,
    mirrors_once,
    mirrors_run,
)
from config.network import Network
from config.nginx import Nginx
from config.notifications import Notifications
from config.objects import (
    objects_apart,
    objects_by_the_registry,
    objects_cached,
    objects_fit,
    objects_without_backup,
)
from config.pem import covers, leaf_names
from config.registry import Registry
from config.retention import Retention
from config.site import Site
from config.status import Status
from config.storage import Storage
from config.transparent import transparent_names
from config.ui import Ui
from config.users import Htpasswd, User

_CATALOG_LIMIT = 1000
_LIMITED_FROM = (2, 8, 2)
# Its images have njs 0.8.4, and so a dictionary that all workers share.
_SHARES_MEMORY_FROM = (1, 26)


class Settings(BaseModel):
    """All settings of a stack. It holds no secret: those are in `Secrets`, as secret outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Host
    site: Site
    users: tuple[User, ...] = Field(min_length=1)
    storage: Storage = Field(default_factory=Storage)
    network: Network = Field(default_factory=Network)
    images: Images = Field(default_factory=Images)
    htpasswd: Htpasswd = Field(default_factory=Htpasswd)
    access: Access = Field(default_factory=Access)
    certificate: Certificate = Field(default_factory=Certificate)
    registry: Registry = Field(default_factory=Registry)
    retention: Retention = Field(default_factory=Retention)
    ui: Ui = Field(default_factory=Ui)
    nginx: Nginx = Field(default_factory=Nginx)
    limits: Limits = Field(default_factory=Limits)
    logs: Logs = Field(default_factory=Logs)
    gc: GarbageCollection = Field(default_factory=GarbageCollection)
    backup: Backup = Field(default_factory=Backup)
    metrics: Metrics = Field(default_factory=Metrics)
    notifications: Notifications = Field(default_factory=Notifications)
    status: Status = Field(default_factory=Status)
    mirrors: tuple[Mirror, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which clients may come, `site.fqdn` first, each once; not those of mirrors."""
        acme = self.certificate.acme_settings.names if self.certificate.mode == "acme" else ()
        others = {mirror.transparent.name for mirror in self.mirrors if mirror.transparent}
        return tuple(name for name in dict.fromkeys([self.site.fqdn, *self.site.aliases, *acme]) if name not in others)


def contradictions(concerns: Mapping[str, Any]) -> Iterator[Fault]:
    """The faults that lie between two concerns, by their names; None stands for one that is wrong in itself."""
    for check in (
        _ports,
        _subnet,
        _addresses,
        _passwords,
        _names,
        _repositories,
        _deletion,
        _retention,
        _catalog,
        _hsts,
        _untagged,
        _immutable,
        _same_place,
        _roles,
        _unpulled,
        _logged,
        mirrors_once,
        mirrors_elsewhere,
        mirrors_run,
        mirrors_are_followed,
        mirrors_count,
        objects_apart,
        objects_cached,
        objects_by_the_registry,
        objects_fit,
        objects_without_backup,
        transparent_names,
    ):
        # A check's parameters have the names of the concerns that it compares.
        compared: dict[str, Any] = {name: concerns[name] for name in inspect.signature(check).parameters}
        if None not in compared.values():
            yield from check(**compared)


def _ports(host: Host, site: Site) -> Iterator[Fault]:
    if host.is_local:
        return
    for name, port in (("httpPort", site.http_port), ("httpsPort", site.https_port)):
        if port == host.port:
            yield Fault(key_of("site", (name,)), shown(port), "a port other than host.port, on which SSH listens")


def _subnet(host: Host, network: Network) -> Iterator[Fault]:
    key, found = key_of("network", ("subnet",)), shown(str(network.subnet))
    if host.is_local:
        for attached in attached_networks():
            if attached.overlaps(network.subnet):
                yield Fault(key, found, f"a network other than {attached}, to which this machine is attached")
        return
    try:
        address = ipaddress.ip_address(host.address)
    except ValueError:
        return
    if address in network.subnet:
        yield Fault(key, found, f"a network without the host's own address, {address}")


def _addresses(site: Site, network: Network) -> Iterator[Fault]:
    expected = f"an address outside network.subnet, {network.subnet}, which is the containers' own"
    if site.listen_address in network.subnet:
        yield Fault(key_of("site", ("listenAddress",)), shown(str(site.listen_address)), expected)
    for index, peer in enumerate(site.peers):
        if ipaddress.ip_address(peer.partition(":")[0]) in network.subnet:
            yield Fault(key_of("site", ("peers", index)), shown(peer), expected)


def _passwords(users: tuple[User, ...], htpasswd: Htpasswd) -> Iterator[Fault]:
    schemes = [user.scheme or htpasswd.scheme for user in users]
    for index, (user, scheme) in enumerate(zip(users, schemes, strict=True)):
        if scheme == "bcrypt" and user.password and not user.password.fits_bcrypt:
            of = "its scheme" if user.scheme else "htpasswd.scheme"
            expected = f"a password of at most 72 bytes in UTF-8, because {of} is bcrypt"
            yield Fault(key_of("users", (index, "password")), SECRET, expected)
    if htpasswd.bcrypt_cost is not None and "bcrypt" not in [htpasswd.scheme, *schemes]:
        expected = "no value, because neither htpasswd.scheme nor a user's is bcrypt"
        yield Fault(key_of("htpasswd", ("bcryptCost",)), shown(htpasswd.bcrypt_cost), expected)


def _names(site: Site, certificate: Certificate) -> Iterator[Fault]:
    for index, name in enumerate(certificate.acme.names if certificate.acme else ()):
        if name == site.fqdn:
            expected = "further names only: site.fqdn is in the certificate anyway"
            yield Fault(key_of("certificate", ("acme", "names", index)), shown(name), expected)
    if certificate.chain is None:
        return
    names = leaf_names(certificate.chain)
    if not covers(names, site.fqdn):
        found = f"a certificate for {', '.join(names)}" if names else "a certificate without DNS names"
        yield Fault(key_of("certificate", ("chain",)), found, f"a certificate for {site.fqdn}, as site.fqdn says")


def _repositories(site: Site, users: tuple[User, ...], access: Access, retention: Retention) -> Iterator[Fault]:
    """Patterns with the registry's name before them, as `docker push` has it, fit no repository."""
    lists: dict[str, Sequence[str]] = {
        key_of("access", ("anonymousPull",)): access.anonymous_pull,
        key_of("access", ("immutable", "tags")): access.immutable.tags,
        key_of("access", ("immutable", "unless")): access.immutable.unless,
    }
    for index, user in enumerate(users):
        lists[key_of("users", (index, "repositories"))] = user.repositories or ()
        lists[key_of("users", (index, "pullOnly"))] = user.pull_only
    for index, policy in enumerate(retention.policies):
        lists[key_of("retention", ("policies", index, "repositories"))] = policy.repositories
    for key, patterns in lists.items():
        for index, pattern in enumerate(patterns):
            before, slash, rest = pattern.partition("/")
            if slash and before in (site.fqdn, *site.aliases):
                yield Fault(f"{key}[{index}]", shown(pattern), f"it without the registry's own name: {rest}")


def _deletion(registry: Registry, ui: Ui) -> Iterator[Fault]:
    if ui.delete_enabled and not registry.delete_enabled:
        expected = "false, because registry.deleteEnabled is false: the registry would refuse"
        yield Fault(key_of("ui", ("deleteEnabled",)), "true", expected)


def _retention(registry: Registry, retention: Retention) -> Iterator[Fault]:
    if retention.mode == "off":
        return
    key, found = key_of("retention", ("mode",)), shown(retention.mode)
    if not registry.delete_enabled:
        yield Fault(key, found, "off, because registry.deleteEnabled is false: the registry would refuse")
    if not retention.policies:
        yield Fault(
            key_of("retention", ("policies",)), "none", f"at least one, because retention.mode is {retention.mode}"
        )


def _catalog(images: Images, ui: Ui) -> Iterator[Fault]:
    version = images.registry.version
    # A tag such as `2` stands for the newest 2.x; without a version the newest of all is assumed.
    older = version is not None and version < _LIMITED_FROM[: len(version)]
    if not older and ui.catalog_limit > _CATALOG_LIMIT:
        expected = f"a whole number from 1 to {_CATALOG_LIMIT}, because {images.registry} refuses more"
        yield Fault(key_of("ui", ("catalogLimit",)), shown(ui.catalog_limit), expected)


def _hsts(certificate: Certificate, nginx: Nginx) -> Iterator[Fault]:
    if nginx.hsts and certificate.mode == "self-signed":
        expected = "false, because certificate.mode is self-signed: browsers would lock everybody out"
        yield Fault(key_of("nginx", ("hsts",)), "true", expected)


def _immutable(images: Images, access: Access) -> Iterator[Fault]:
    version = images.nginx.version
    if access.immutable.tags and version is not None and version < _SHARES_MEMORY_FROM[: len(version)]:
        expected = f"none, because {images.nginx} can't tell of two pushes which was first; nginx:1.26 and later can"
        yield Fault(key_of("access", ("immutable", "tags")), "a list", expected)


def _untagged(images: Images, gc: GarbageCollection) -> Iterator[Fault]:
    if gc.delete_untagged and not collects_safely(images.registry):
        expected = f"false, because {images.registry} would remove the platforms of tagged images too"
        yield Fault(key_of("gc", ("deleteUntagged",)), "true", expected)


def _same_place(storage: Storage, backup: Backup) -> Iterator[Fault]:
    own = ("docker-registry", "docker-registry-ui", "docker-registry-mirrors", "nginx", "letsencrypt", "certbot")
    repository = PurePosixPath(backup.repository or "none")
    if any(repository.is_relative_to(storage.root / name) for name in own):
        expected = "a directory that is none of the registry's own: what is lost with them would be lost too"
        yield Fault(key_of("backup", ("repository",)), shown(str(repository)), expected)


def _roles(users: tuple[User, ...], metrics: Metrics) -> Iterator[Fault]:
    for index, user in enumerate(users):
        if user.role == "metrics" and not metrics.enabled:
            expected = "pull, push or admin, because metrics.enabled is false: this user could do nothing"
            yield Fault(key_of("users", (index, "role")), shown(user.role), expected)


def _unpulled(retention: Retention, metrics: Metrics) -> Iterator[Fault]:
    for index, policy in enumerate(retention.policies):
        if policy.unpulled_days is not None and not metrics.enabled:
            expected = "no value, because metrics.enabled is false: nobody counts pulls"
            key = key_of("retention", ("policies", index, "unpulledDays"))
            yield Fault(key, shown(policy.unpulled_days), expected)


def _logged(registry: Registry, notifications: Notifications) -> Iterator[Fault]:
    if registry.log_level in {"info", "debug"} and any(one.headers for one in notifications.endpoints):
        expected = "warn or error, because below that the registry logs the headers of notifications.endpoints"
        yield Fault(key_of("registry", ("logLevel",)), shown(registry.log_level), expected)
