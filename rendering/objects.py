"""An object store as the registry's storage: what the registry's container has besides, and how it gets the key."""

from config.s3 import S3
from config.secrets import StoreKey
from rendering.rootfs import HostFile

KEY = "store-key"
"""The file of the key, among the registry's."""

_AUTHORITIES = "store-ca.pem"
_INSIDE = "/etc/distribution"


def key_text(key: StoreKey) -> str:
    """The key, as Amazon's SDK reads it from a file: so it is in no configuration, command line or environment."""
    return f"[default]\naws_access_key_id = {key.access_key}\naws_secret_access_key = {key.secret_key}\n"


def authorities(objects: S3 | None, home: str) -> list[HostFile]:
    """The CA certificates of the store, if it has its own."""
    return [HostFile(f"{home}/{_AUTHORITIES}", objects.server_ca)] if objects and objects.server_ca else []


def on_host(objects: S3 | None, root: str) -> dict[str, str | None]:
    """Where the host's own tools find the CA certificates and the key: paths on the host, none where there are none."""
    home = f"{root}/docker-registry/etc"
    return {
        "store_authorities": f"{home}/{_AUTHORITIES}" if objects and objects.server_ca else None,
        "store_key": f"{home}/{KEY}" if objects and objects.secret_key else None,
    }


def environment(objects: S3 | None) -> dict[str, str]:
    """Where the SDK finds both: paths inside the container."""
    found = {}
    if objects and objects.secret_key:
        found["AWS_SHARED_CREDENTIALS_FILE"] = f"{_INSIDE}/{KEY}"
    if objects and objects.server_ca:
        found["AWS_CA_BUNDLE"] = f"{_INSIDE}/{_AUTHORITIES}"
    return found
