"""An object store as the registry's storage: what the registry's container has besides, and how it gets the key."""

import json

from config.s3 import S3
from config.secrets import StoreKey
from rendering.rootfs import HostFile

KEY = "store-key"
"""The file of the key, among the registry's."""

JOINED = "/run/registry/joined"
"""That this host is known among those that write to the bucket, inside the container."""

_AUTHORITIES = "store-ca.pem"
_INSIDE = "/etc/distribution"


def key_text(key: StoreKey) -> str:
    """The key, as Amazon's SDK reads it from a file: so it is in no configuration, command line or environment."""
    return f"[default]\naws_access_key_id = {key.access_key}\naws_secret_access_key = {key.secret_key}\n"


def authorities(objects: S3 | None, home: str) -> list[HostFile]:
    """The CA certificates of the store, if it has its own."""
    return [HostFile(f"{home}/{_AUTHORITIES}", objects.server_ca)] if objects and objects.server_ca else []


def on_host(objects: S3 | None, root: str) -> dict[str, object]:
    """How the host's own tools reach the store, with paths on the host; none where there is no store."""
    return {"store": _store(objects, root) if objects else None}


def store_text(objects: S3, root: str) -> str:
    """The same, as the host's facts have it, for what needs it before they are there."""
    return json.dumps(on_host(objects, root), indent=2) + "\n"


def _store(objects: S3, root: str) -> dict[str, object]:
    home = f"{root}/docker-registry/etc"
    return {
        "bucket": objects.bucket,
        "prefix": objects.prefix or "",
        "endpoint": objects.endpoint or "",
        "region": objects.region_name,
        "pathStyle": objects.path_style,
        "authorities": f"{home}/{_AUTHORITIES}" if objects.server_ca else None,
        "key": f"{home}/{KEY}" if objects.secret_key else None,
    }


def environment(objects: S3 | None) -> dict[str, str]:
    """Which storage it has; where the SDK finds both, and what the writer waits for: paths inside the container."""
    found = {"STORAGE": "s3", "WRITER_WAITS_FOR": JOINED} if objects else {}
    if objects and objects.secret_key:
        found["AWS_SHARED_CREDENTIALS_FILE"] = f"{_INSIDE}/{KEY}"
    if objects and objects.server_ca:
        found["AWS_CA_BUNDLE"] = f"{_INSIDE}/{_AUTHORITIES}"
    return found


def sysctls(objects: S3 | None) -> dict[str, str]:
    """How long the registry's network waits for a store whose packets get lost.

    The SDK doesn't bound that, and Linux tries for a quarter of an hour to send on a connection. With these it is half
    a minute, and a connection that doesn't come about is given up after some seven seconds, each of the four times that
    it is tried. A store that answers slowly is waited for as before. What a writer had sent when it was killed is given
    up after some three seconds, not after two minutes: by then it would come where others count on no more writes.
    """
    if not objects:
        return {}
    return {"net.ipv4.tcp_retries2": "6", "net.ipv4.tcp_syn_retries": "2", "net.ipv4.tcp_orphan_retries": "3"}
