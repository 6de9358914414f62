"""The proxy's site, `conf.d/registry.conf`."""

from collections.abc import Sequence

from config.access import Access
from config.metrics import Metrics
from config.mirrors import Mirror
from config.nginx import Nginx
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
) -> HostFile:
    """The site for an nginx of `version` (None, as with a bare digest: a current one).

    With `files`, the registry's files inside the container, it serves blobs from there itself. `names` are all by which
    the host is known. `chain` and `key` are the certificate's paths inside the container.
    """
    return render(
        "/var/opt/nginx/etc/conf.d/registry.conf",
        root=root,
        site=site,
        names=names,
        nginx=nginx,
        access=access,
        files=files,
        remembers_manifests=version is None or version >= _JOINS_HEADERS_SINCE,
        certificate={"chain": chain, "key": key},
        stack=stack,
        metrics=metrics or Metrics(),
        mirrors=mirrored(mirrors),
        shares_memory=version is None or version >= _SHARES_MEMORY_SINCE,
        http2_directive=version is None or version >= _HTTP2_DIRECTIVE_SINCE,
    )
