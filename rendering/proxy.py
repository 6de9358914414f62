"""The proxy's site, `conf.d/registry.conf`."""

from collections.abc import Sequence
from dataclasses import dataclass

from config.access import Access
from config.metrics import Metrics
from config.mirrors import Mirror
from config.nginx import Nginx
from config.objects import can_cache
from config.s3 import S3
from config.site import Site
from rendering.mirrors import mirrored
from rendering.rootfs import HostFile, render

# https://nginx.org/en/docs/http/ngx_http_v2_module.html: the directive, in place of a parameter of "listen".
_HTTP2_DIRECTIVE_SINCE = (1, 25, 1)
# https://nginx.org/en/CHANGES: before that, a variable has only the first line of a header that comes in several.
_JOINS_HEADERS_SINCE = (1, 23, 0)
# Its images have njs 0.8.4, and so a dictionary that all workers share.
_SHARES_MEMORY_SINCE = (1, 26)

FILES = "/var/lib/registry/docker"
"""Where the proxy's container has the registry's files, if it may read them: as in the registry's own."""

CACHE = "/var/cache/nginx/store"
"""Where the proxy's container keeps what was pulled from an object store."""

MARKS = "/run/asked"
"""Where it marks what it was told lately. It is in memory, with room for so many marks and no more."""
MARKS_OPTIONS = "rw,noexec,nosuid,mode=0777,size=1m,nr_inodes=50000"

# What is asked for and kept at a time. With less, a large layer would cost the store more requests; with more, others
# would wait longer for their part of it.
_SLICE_MEGABYTES = 64
# A megabyte of memory is for some 8,000 blobs, of which 128 KB each make a gigabyte.
_MOST_KEYS_MEGABYTES = 64
_LEAST_KEYS_MEGABYTES = 4
# What is free on the disk for everything else.
_FREE_MEGABYTES = 2048


@dataclass(frozen=True)
class Cache:
    """What the proxy keeps of images in an object store: sizes in MiB, and seconds for which it trusts an answer."""

    megabytes: int
    remembered: int
    path: str = CACHE
    slice: int = _SLICE_MEGABYTES
    min_free: int = _FREE_MEGABYTES

    @property
    def keys(self) -> int:
        """Memory for the names of what is kept."""
        return max(_LEAST_KEYS_MEGABYTES, min(self.megabytes // 1024, _MOST_KEYS_MEGABYTES))


def cache_of(objects: S3 | None, version: tuple[int, ...] | None) -> Cache | None:
    """What an nginx of `version` keeps of images in a store; None: nothing."""
    if objects is None or not objects.cache_bytes or not can_cache(version):
        return None
    return Cache(megabytes=objects.cache_bytes >> 20, remembered=objects.remember_seconds)


def site_file(
    *,
    site: Site,
    names: Sequence[str],
    nginx: Nginx,
    access: Access,
    files: str | None,
    version: tuple[int, ...] | None,
    chain: str,
    key: str,
    stack: str,
    root: str,
    metrics: Metrics | None = None,
    mirrors: Sequence[Mirror] = (),
    cache: Cache | None = None,
) -> HostFile:
    """The site for an nginx of `version` (None, as with a bare digest: a current one).

    With `files`, the registry's files inside the container, it serves blobs from there itself; with `cache` it keeps
    what was pulled. `names` are all by which the host is known. `chain` and `key` are the certificate's paths inside
    the container.
    """
    joins_headers = version is None or version >= _JOINS_HEADERS_SINCE
    return render(
        "/var/opt/nginx/etc/conf.d/registry.conf",
        root=root,
        site=site,
        names=names,
        nginx=nginx,
        access=access,
        files=files,
        cache=cache,
        marks=MARKS,
        # What it remembers depends on the types that a client takes, and it has to know all of them.
        remembers_manifests=joins_headers,
        certificate={"chain": chain, "key": key},
        stack=stack,
        metrics=metrics or Metrics(),
        mirrors=mirrored(mirrors, trusts_tags=joins_headers),
        shares_memory=version is None or version >= _SHARES_MEMORY_SINCE,
        http2_directive=version is None or version >= _HTTP2_DIRECTIVE_SINCE,
    )
