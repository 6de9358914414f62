"""When tags were pushed that were moved to a bucket: a store sets the times of its objects itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from registryctl.bucket import Bucket
from registryctl.layout import REPOSITORIES
from registryctl.storage import NotThere, Unreadable

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


def keep(bucket: Bucket, found: Mapping[str, tuple[int, int]]) -> None:
    """Writes what `load` would tell, where it does not already."""
    with suppress(Unreadable):
        if load(bucket) == found:
            return
    said = {path[len(REPOSITORIES) + 1 :]: when for path, when in found.items()}
    bucket.write(KEY, json.dumps(said, separators=(",", ":")).encode())
