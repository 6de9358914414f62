"""A private Docker registry on one host."""

from components.adoption import Adoption, AdoptionArgs
from components.backup import Backup, BackupArgs
from components.certificate import Certificate, CertificateArgs
from components.facts import Facts
from components.garbage_collection import GarbageCollection
from components.host import Host, HostArgs
from components.hosts import Hosts
from components.images import Images, ImagesArgs
from components.logs import Logs
from components.metrics import Metrics
from components.mirror import Mirror, MirrorArgs
from components.network import Network
from components.nginx import Nginx, NginxArgs
from components.nginx_files import NginxFiles, NginxFilesArgs
from components.notify import Notify, NotifyArgs
from components.outputs import export_outputs
from components.registry import Registry, RegistryArgs
from components.registry_ui import RegistryUi, RegistryUiArgs
from components.renewal import Renewal
from components.retention import Retention
from components.status import warn_of_problems
from components.trimming import Trimming
from components.volumes import Volumes
from config import load

settings, secrets = load()

host = Host(
    "host",
    HostArgs(
        settings.host,
        settings.site,
        settings.network,
        settings.storage,
        secrets.ssh_private_key,
        backs_up=secrets.backup is not None,
    ),
)
images = Images("images", ImagesArgs(settings.images, with_certbot=settings.certificate.mode == "acme"), host)
volumes = Volumes("volumes", host, settings.storage)
certificate = Certificate(
    "certificate",
    CertificateArgs(settings.certificate, settings.site, secrets.certificate_private_key, secrets.acme_eab_hmac_key),
    host,
    images,
    volumes,
)
adoption = Adoption("adoption", AdoptionArgs(settings.host.adopt, settings.network.name), host, images, certificate)
network = Network("network", settings.network, host, adoption)

registry = Registry(
    "registry",
    RegistryArgs(
        settings.registry,
        settings.limits,
        settings.gc.drain_seconds,
        secrets.registry_http_secret,
        settings.notifications,
        secrets.endpoint_headers,
        settings.storage,
        secrets.store_key,
    ),
    host,
    network,
    volumes,
    images,
)
registry_ui = RegistryUi(
    "registry-ui", RegistryUiArgs(settings.ui, settings.site, settings.limits), host, network, volumes, images
)
mirrors = [
    Mirror(
        f"mirror-{mirror.prefix}",
        MirrorArgs(
            mirror,
            settings.limits,
            settings.registry.log_level,
            secrets.mirrors.get(mirror.prefix),
            settings.nginx.mirror_fast_path,
        ),
        host,
        network,
        volumes,
        images,
    )
    for mirror in settings.mirrors
]
nginx_files = NginxFiles(
    "nginx-files",
    NginxFilesArgs(settings, secrets.accounts, secrets.account_marks, [mirror.ready for mirror in mirrors]),
    host,
    volumes,
    adoption,
    certificate,
)
nginx = Nginx(
    "nginx",
    NginxArgs(settings.site, settings.limits, images.nginx),
    host,
    network,
    nginx_files,
    [registry.service, registry_ui.service],
)

facts = Facts("facts", settings, host, certificate, registry.service)
logs = Logs("logs", settings.logs, host)
renewal = Renewal("renewal", settings.certificate.renewal, host, facts)
retention = Retention("retention", settings.retention, host, facts)
garbage_collection = GarbageCollection("gc", settings.gc, host, facts, [registry.service, nginx.service])
trimming = [Trimming("trimming", host, facts)] if any(mirror.is_bounded for mirror in settings.mirrors) else []
hosts = [Hosts("hosts", host, facts)] if settings.storage.objects else []
backup = Backup("backup", BackupArgs(settings.backup, secrets.backup), host, facts)

services = [registry.service, registry_ui.service, nginx.service]
metrics = Metrics("metrics", settings.metrics, host, facts, services)
notify = Notify("notify", NotifyArgs(settings.status.notify, secrets.notify), host, facts, services)
timers = [
    renewal.timer,
    *(one for its in (garbage_collection, retention, backup, metrics, notify) for one in its.timers),
    *(one for its in trimming for one in its.timers),
    *(one for its in hosts for one in its.units),
]
warn_of_problems(
    host, facts, after=[*(service.ready for service in [*services, *(mirror.service for mirror in mirrors)]), *timers]
)
export_outputs(settings, host, certificate, services)
