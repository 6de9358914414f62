"""The settings of a stack: typed, documented, validated before any resource is touched."""

from config.access import Access
from config.acme import Acme
from config.backup import Backup
from config.certificate import Certificate
from config.errors import ConfigurationError, Fault
from config.gc import GarbageCollection
from config.host import Host
from config.images import ImageReference, Images
from config.limits import Limits
from config.loader import load
from config.logs import Logs
from config.metrics import Metrics
from config.mirrors import Mirror
from config.network import Network
from config.nginx import Nginx
from config.registry import Registry, UploadPurging
from config.renewal import Renewal
from config.retention import Policy, Retention
from config.secrets import Account, BackupSecrets, Login, Secrets
from config.settings import Settings
from config.site import Site
from config.storage import Storage
from config.ui import Ui
from config.users import Htpasswd, User

__all__ = [
    "Access",
    "Account",
    "Acme",
    "Backup",
    "BackupSecrets",
    "Certificate",
    "ConfigurationError",
    "Fault",
    "GarbageCollection",
    "Host",
    "Htpasswd",
    "ImageReference",
    "Images",
    "Limits",
    "Login",
    "Logs",
    "Metrics",
    "Mirror",
    "Network",
    "Nginx",
    "Policy",
    "Registry",
    "Renewal",
    "Retention",
    "Secrets",
    "Settings",
    "Site",
    "Storage",
    "Ui",
    "UploadPurging",
    "User",
    "load",
]
