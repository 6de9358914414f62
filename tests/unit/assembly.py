"""Single components with all that they need, run under mocks; and what the program makes of some settings is kept."""

from __future__ import annotations

import json
from functools import cache, cached_property

from components.adoption import Adoption, AdoptionArgs
from components.certificate import Certificate, CertificateArgs
from components.host import Host, HostArgs
from components.images import Images, ImagesArgs
from components.network import Network
from components.nginx import Nginx, NginxArgs
from components.nginx_files import NginxFiles, NginxFilesArgs
from components.registry import Registry, RegistryArgs
from components.registry_ui import RegistryUi, RegistryUiArgs
from components.volumes import Volumes
from config import Secrets, Settings
from tests.unit.config.stack import Stack
from tests.unit.programs import part
from tests.unit.recorder import Recording


class Assembly:
    """One of each component, made when it is asked for.

    Its name is a letter, mostly the first of its kind; the proxy is `p`, its files `b`.
    """

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self.settings, self.secrets = settings, secrets
        self.host = host_of("h", settings, secrets)

    @cached_property
    def images(self) -> Images:
        return Images(
            "i", ImagesArgs(self.settings.images, with_certbot=self.settings.certificate.mode == "acme"), self.host
        )

    @cached_property
    def network(self) -> Network:
        return Network("n", self.settings.network, self.host, self.adoption)

    @cached_property
    def adoption(self) -> Adoption:
        args = AdoptionArgs(self.settings.host.adopt, self.settings.network.name)
        return Adoption("a", args, self.host, self.images, self.certificate)

    @cached_property
    def volumes(self) -> Volumes:
        return Volumes("v", self.host, self.settings.storage)

    @cached_property
    def registry(self) -> Registry:
        drain = self.settings.gc.drain_seconds
        settings, secrets = self.settings, self.secrets
        args = RegistryArgs(
            settings.registry,
            settings.limits,
            drain,
            secrets.registry_http_secret,
            settings.notifications,
            secrets.endpoint_headers,
            settings.storage,
            secrets.store_key,
        )
        return Registry("r", args, self.host, self.network, self.volumes, self.images)

    @cached_property
    def ui(self) -> RegistryUi:
        args = RegistryUiArgs(self.settings.ui, self.settings.site, self.settings.limits)
        return RegistryUi("u", args, self.host, self.network, self.volumes, self.images)

    @cached_property
    def certificate(self) -> Certificate:
        settings, secrets = self.settings, self.secrets
        args = CertificateArgs(
            settings.certificate, settings.site, secrets.certificate_private_key, secrets.acme_eab_hmac_key
        )
        return Certificate("c", args, self.host, self.images, self.volumes)

    @cached_property
    def nginx(self) -> Nginx:
        args = NginxArgs(self.settings.site, self.settings.limits, self.images.nginx)
        return Nginx("p", args, self.host, self.network, self.files, [self.registry.service, self.ui.service])

    @cached_property
    def files(self) -> NginxFiles:
        args = NginxFilesArgs(self.settings, self.secrets.accounts, self.secrets.account_marks)
        return NginxFiles("b", args, self.host, self.volumes, self.adoption, self.certificate)


def host_of(name: str, settings: Settings, secrets: Secrets) -> Host:
    """A host with what the settings say of it."""
    args = HostArgs(settings.host, settings.site, settings.network, settings.storage, secrets.ssh_private_key)
    return Host(name, args)


def assembled(component: str, preview: bool, changes: Stack | None = None) -> Recording:
    """A run with one component, an attribute of `Assembly`, from the least that a stack needs and some changes."""
    return _assembled(component, preview, json.dumps(changes or {}))


def assembled_anew(component: str, preview: bool, changes: Stack | None = None) -> Recording:
    """The same, though there may have been such a run."""
    return _assembled.__wrapped__(component, preview, json.dumps(changes or {}))


@cache
def _assembled(component: str, preview: bool, changes: str) -> Recording:
    def build(settings: Settings, secrets: Secrets) -> object:
        return getattr(Assembly(settings, secrets), component)

    return part(build, preview=preview, changes=json.loads(changes))
