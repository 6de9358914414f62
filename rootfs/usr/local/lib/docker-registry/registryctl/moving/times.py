"""When tags were pushed that were moved to a bucket: a store sets the times of its objects itself."""

from __future__ import annotations

import json
from collections.abc import Collection

from registryctl.bucket import Bucket
from registryctl.layout import REPOSITORIES
from registryctl.storage import NotThere, Storage, Unreadable

KEY = "docker-registry/pushed.json"
_LIMIT = 1 << 30
TAG = "/current/link"


def load(bucket: Bucket) -> dict[str, tuple[int, int]]:
    """Path → when it was written by the store's clock, and when it was pushed; that counts while the first is so."""
    try:
        found = json.loads(bucket.read(KEY, _LIMIT))
        return {f"{REPOSITORIES}/{path}": (int(moved), int(pushed)) for path, (moved, pushed) in found.items()}
    except NotThere:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        # With times of the move retention would choose anyhow.
        raise Unreadable(f"{KEY}: it does not say when tags were pushed ({error})") from error


def keep(bucket: Bucket, source: Storage, links: Collection[str]) -> None:
    """Writes it. What is in the bucket is known to be what was copied from the source."""
    moved = {one.key: one.time for one in bucket.list(f"{REPOSITORIES}/") if one.key.endswith(TAG)}
    found = {path[len(REPOSITORIES) + 1 :]: (moved[path], source.time(path)) for path in links if path in moved}
    bucket.write(KEY, json.dumps(found, separators=(",", ":")).encode())
