"""Bodies that a request to read has not, sent by whoever may pull by a mirror."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from config.mirrors import Mirror
from tests.lab.docker import docker
from tests.rendering.mirror_world import MANIFEST, digest_of, mirroring, upstream
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

ASKING, TRUSTED = "hub.example.org", "trusted.example.org"
LAYER = b"of everybody" * 1000


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Two mirrors of one registry: the second one trusts tags for a while."""
    home = tmp_path_factory.mktemp("bodies")
    with upstream(home / "upstream") as other, proxied([user("alice")]) as found:
        other.push("app", "1", LAYER)
        mirrors = [
            Mirror(prefix=ASKING, insecure=True, upstream=other.url),
            Mirror(prefix=TRUSTED, insecure=True, upstream=other.url, tag_seconds=3),
        ]
        found.configure([user("alice")], mirrors=mirrors)
        found.reload()
        run = found.home / "run"
        with mirroring(mirrors[0], run, home / "asking"), mirroring(mirrors[1], run, home / "trusted"):
            yield found


@pytest.mark.parametrize("says", ["Content-Length: 400000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["manifests/1", "tags/list", f"blobs/{digest_of(LAYER)}"])
@pytest.mark.parametrize("prefix", [ASKING, TRUSTED])
def test_they_fill_no_memory(proxy: Proxy, prefix: str, path: str, says: str) -> None:
    """Whatever is asked for, and however long they are said to be."""
    whole = f"/v2/{prefix}/app/{path}"
    with proxy.connection("alice").begun("GET", whole, f"Accept: {MANIFEST}", says) as tls:
        # It may be cut off where that is too much.
        with suppress(ConnectionError):
            tls.sendall(b"60000\r\n" + b"x" * 0x60000)
            tls.recv(4096)
        assert docker("exec", proxy.name, "find", "/tmp/bodies", "-type", "f").stdout == ""  # noqa: S108 - inside the container
