"""A private Docker registry on one host."""

import gc

import pulumi

from components.adoption import Adoption, AdoptionArgs
from components.certificate import Certificate, CertificateArgs
from components.facts import Facts, FactsArgs
from components.garbage_collection import GarbageCollection, GarbageCollectionArgs
from components.host import Host, HostArgs
from components.images import Images, ImagesArgs
from components.logs import Logs, LogsArgs
from components.network import Network, NetworkArgs
from components.nginx import Nginx, NginxArgs
from components.outputs import export_outputs
from components.registry import Registry, RegistryArgs
from components.registry_ui import RegistryUi, RegistryUiArgs
from components.renewal import Renewal, RenewalArgs
from components.retention import Retention, RetentionArgs
from components.status import warn_of_problems
from components.volumes import Volumes, VolumesArgs
from config import load

# What is loaded by now stays to the end. Python would look through it again and again, a tenth of a second in all.
gc.freeze()

settings, secrets = load()
stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"

host = Host("host", HostArgs(settings, secrets, stack))
images = Images("images", ImagesArgs(settings.images, with_certbot=settings.certificate.mode == "acme"), host)
certificate = Certificate(
    "certificate",
    CertificateArgs(settings.certificate, settings.site, secrets.certificate_private_key, secrets.acme_eab_hmac_key),
    host,
    images,
)
adoption = Adoption("adoption", AdoptionArgs(settings.host.adopt, settings.network.name), host, images, certificate)
network = Network("network", NetworkArgs(settings.network), host, adoption)
volumes = Volumes("volumes", VolumesArgs(host.root), host)

registry = Registry(
    "registry",
    RegistryArgs(settings.registry, settings.limits, secrets.registry_http_secret),
    host,
    network,
    volumes,
    images,
)
registry_ui = RegistryUi(
    "registry-ui", RegistryUiArgs(settings.ui, settings.site, settings.limits), host, network, volumes, images
)
nginx = Nginx(
    "nginx",
    NginxArgs(settings, secrets.user_credentials),
    host,
    network,
    adoption,
    certificate,
    registry,
    registry_ui,
    volumes,
    images,
)
facts = Facts("facts", FactsArgs(settings), host, certificate)
logs = Logs("logs", LogsArgs(settings.logs), host)
garbage_collection = GarbageCollection(
    "gc", GarbageCollectionArgs(settings.gc, settings.images.registry), host, registry, nginx, facts
)
renewal = Renewal("renewal", RenewalArgs(settings.certificate.renewal), host, facts)
retention = Retention("retention", RetentionArgs(settings.retention), host, facts, images)

warn_of_problems(
    host,
    facts=facts.written,
    after=[
        *(registry.ready, registry_ui.ready, nginx.ready),
        *(renewal.timer, *garbage_collection.timers, *retention.timers),
    ],
)
export_outputs(settings, host, certificate, registry, registry_ui, nginx)
