"""Single components with all that they need, run under mocks; and what the program makes of some settings is kept."""

from __future__ import annotations

import json
from functools import cache, cached_property

from components.adoption import Adoption, AdoptionArgs
from components.certificate import Certificate, CertificateArgs
from components.host import Host, HostArgs
from components.images import Images, ImagesArgs
from components.network import Network, NetworkArgs
from components.nginx import Nginx, NginxArgs
from components.registry import Registry, RegistryArgs
from components.registry_ui import RegistryUi, RegistryUiArgs
from components.volumes import Volumes, VolumesArgs
from config import Secrets, Settings
from tests.unit.config.stack import Stack
from tests.unit.programs import part
from tests.unit.recorder import STACK_NAME, Recording


class Assembly:
    """One of each component, made when it is asked for and called by the first letter of its kind; the proxy is `p`."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self.settings, self.secrets = settings, secrets
        self.host = Host("h", HostArgs(settings, secrets, STACK_NAME))

    @cached_property
    def images(self) -> Images:
        return Images(
            "i", ImagesArgs(self.settings.images, with_certbot=self.settings.certificate.mode == "acme"), self.host
        )

    @cached_property
    def network(self) -> Network:
        return Network("n", NetworkArgs(self.settings.network), self.host, self.adoption)

    @cached_property
    def adoption(self) -> Adoption:
        args = AdoptionArgs(self.settings.host.adopt, self.settings.network.name)
        return Adoption("a", args, self.host, self.images, self.certificate)

    @cached_property
    def volumes(self) -> Volumes:
        return Volumes("v", VolumesArgs(self.host.root), self.host)

    @cached_property
    def registry(self) -> Registry:
        args = RegistryArgs(self.settings.registry, self.settings.limits, self.secrets.registry_http_secret)
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
        return Certificate("c", args, self.host, self.images)

    @cached_property
    def nginx(self) -> Nginx:
        args = NginxArgs(self.settings, self.secrets.user_credentials)
        needed = (self.adoption, self.certificate, self.registry, self.ui, self.volumes, self.images)
        return Nginx("p", args, self.host, self.network, *needed)


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
