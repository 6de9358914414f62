"""What a test has on files, in a bucket."""

from __future__ import annotations

from registryctl.layout import REPOSITORIES
from registryctl.objects import ObjectStorage
from tests.registryctl.buckets import MemoryBucket
from tests.registryctl.world import World

LONG_AGO = 1_600_000_000 * 10**9


def filled(world: World, bucket: MemoryBucket) -> ObjectStorage:
    """The same as the world's files, all written long ago."""
    for path in world.root.rglob("*"):
        if path.is_file():
            bucket.put(str(path.relative_to(world.root)), path.read_bytes(), LONG_AGO)
    return ObjectStorage(bucket)


def tags(bucket: MemoryBucket, name: str) -> set[str]:
    """Those of a repository."""
    top = f"{REPOSITORIES}/{name}/_manifests/tags/"
    return {key.removeprefix(top).partition("/")[0] for key in bucket.keys if key.startswith(top)}
