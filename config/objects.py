"""What can't be done where the images lie in an object store: it is refused, never done by half."""

from __future__ import annotations

from collections.abc import Iterator

from config.backup import Backup
from config.errors import Fault, shown
from config.faults import key_of
from config.host import Host
from config.images import Images
from config.limits import Limits
from config.mirrors import Mirror
from config.nginx import Nginx
from config.storage import Storage

# The first that keeps apart repositories and tags of which one's name begins with the other's.
_SINCE = (3, 1, 2)
# Four uploads at once.
_CHUNKS = 8
# Whose images have a dictionary that all workers share.
_CACHE_SINCE = (1, 26)
_WHY = "because storage.driver is s3"


def objects_apart(images: Images, storage: Storage) -> Iterator[Fault]:
    """Earlier versions hide repositories and tags."""
    version = images.registry.version
    if storage.objects is not None and version is not None and version < _SINCE[: len(version)]:
        expected = f"registry:3.1.2 or later, {_WHY}: earlier ones hide there what has a longer name than another"
        yield Fault(key_of("images", ("registry",)), shown(str(images.registry)), expected)


def objects_cached(images: Images, storage: Storage) -> Iterator[Fault]:
    """An older proxy can't remember what the registry said."""
    s3, version = storage.s3, images.nginx.version
    if s3 is not None and s3.cache_size and s3.cache_bytes and not can_cache(version):
        expected = f"0, or no value, because images.nginx is {images.nginx}: nginx:1.26 or later can keep images"
        yield Fault(key_of("storage", ("s3", "cacheSize")), shown(s3.cache_size), expected)


def can_cache(version: tuple[int, ...] | None) -> bool:
    """Whether an nginx of this version can keep what was pulled; None, as with a bare digest: a current one."""
    return version is None or version >= _CACHE_SINCE


def objects_fit(storage: Storage, limits: Limits) -> Iterator[Fault]:
    """A few uploads at a time have room."""
    most = limits.registry_memory // _CHUNKS
    if storage.s3 is not None and storage.s3.chunk_size > most:
        memory = limits.registry_memory
        expected = f"at most {most}, because limits.registryMemory is {memory} and an upload holds twice that"
        yield Fault(key_of("storage", ("s3", "chunkSize")), shown(storage.s3.chunk_size), expected)


def objects_by_the_registry(host: Host, storage: Storage, nginx: Nginx, mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """Who would look for images among the host's files finds none."""
    if storage.s3 is not None and storage.objects is None and nginx.fast_path:
        expected = (
            "false, because storage.s3 is set: to turn the driver would replace the proxy's container, and pulls fail"
        )
        yield Fault(key_of("nginx", ("fastPath",)), "true", expected)
    if storage.objects is None:
        return
    if nginx.fast_path:
        yield Fault(key_of("nginx", ("fastPath",)), "true", f"false, {_WHY}: nginx has no files to serve")
    if host.adopt:
        yield Fault(key_of("host", ("adopt",)), "true", f"false, {_WHY}: a registry set up by hand has its images here")
    if mirrors:
        expected = f"none, {_WHY}: nobody can tell whether a mirror would hide images there"
        yield Fault(key_of("mirrors"), "a list", expected)


def objects_without_backup(storage: Storage, backup: Backup) -> Iterator[Fault]:
    """It reads files."""
    if storage.objects is not None and backup.repository is not None:
        expected = f"no value, {_WHY}: a backup reads the host's files; use the store's own versioning or replication"
        yield Fault(key_of("backup", ("repository",)), shown(backup.repository), expected)
