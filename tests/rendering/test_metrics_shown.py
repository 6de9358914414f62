"""The real proxy shows metrics to accounts of their role, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.access import Access
from config.metrics import Metrics
from registryctl.metrics.publish import for_proxy
from tests.rendering.proxy_connection import Connection
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

USERS = [user("alice"), user("bob", role="pull"), user("prometheus", role="metrics")]
TEXTS = {"/metrics": "host_up 1\n", "/metrics/registry": "registry_up 1\n"}


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """With metrics that a tool of the host has put there."""
    with proxied(USERS) as found:
        _put(found)
        yield found


def _put(proxy: Proxy) -> None:
    for path, text in TEXTS.items():
        for_proxy(proxy.home / "run", f"{'registry' if 'registry' in path else 'host'}.prom", text)


@pytest.mark.parametrize("path", TEXTS)
def test_the_role_reads_them(path: str, proxy: Proxy) -> None:
    """As text that nothing on the way keeps, whatever the client has already."""
    prometheus = proxy.connection("prometheus")
    found = prometheus.ask("GET", path, If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT", Range="bytes=0-3")
    assert (found.status, found.body.decode()) == (200, TEXTS[path])
    assert found.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert found.headers["cache-control"] == "no-store"
    assert not found.headers.keys() & {"etag", "last-modified"}
    head = prometheus.ask("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(TEXTS[path])))
    assert prometheus.ask("GET", f"{path}?collect=all").status == 200


@pytest.mark.parametrize("path", TEXTS)
def test_nobody_else_does(path: str, proxy: Proxy) -> None:
    """Without an account, with a wrong one, with any other role; and nobody changes anything."""
    anonymous = proxy.connection(None).ask("GET", path)
    assert (anonymous.status, anonymous.headers["www-authenticate"]) == (401, 'Basic realm="Registry realm"')
    assert Connection(proxy.address, "nobody").ask("GET", path).status == 401
    for name in ("alice", "bob"):
        refused = proxy.connection(name).ask("GET", path)
        assert (refused.status, refused.json["errors"][0]["code"]) == (403, "DENIED")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert proxy.connection("prometheus").ask(method, path).status == 405


@pytest.mark.parametrize(
    "path",
    ["/metrics-of-host", "/metrics-of-registry", "/metrics/", "/metrics/host", "/%6detrics", "/metrics/registry/x"],
)
def test_there_is_no_other_way(path: str, proxy: Proxy) -> None:
    """Neither past the question for a password nor by another spelling."""
    for name in ("prometheus", "alice", None):
        assert proxy.connection(name).ask("GET", path).status in {401, 404}
    assert proxy.connection("prometheus").ask("GET", path).status == 404


@pytest.mark.parametrize("path", ["/v2/team/app/tags/list", "/v2/team/app/manifests/v1", "/v2/team/app/blobs/uploads/"])
def test_the_role_reads_nothing_else(path: str, proxy: Proxy) -> None:
    """It logs in, and sees no repository."""
    prometheus = proxy.connection("prometheus")
    assert prometheus.ask("GET", "/v2/").status == 200
    assert prometheus.ask("GET", path).status in {403, 405}
    assert prometheus.ask("POST", path).status in {403, 405}
    assert prometheus.ask("GET", "/v2/_catalog").json == {"repositories": []}


def test_where_everybody_pulls_not_everybody_reads_them(proxy: Proxy) -> None:
    """What is open is the images."""
    proxy.configure(USERS, Access(anonymous_pull=("*",)))
    proxy.reload()
    assert proxy.connection(None).ask("GET", "/metrics").status == 401
    assert proxy.connection("alice").ask("GET", "/metrics").status == 403
    assert proxy.connection("prometheus").ask("GET", "/metrics").status == 200
    assert proxy.connection("prometheus", bearer=True).ask("GET", "/metrics").status == 200
    proxy.configure(USERS)
    proxy.reload()


def test_before_the_first_run_there_are_none(proxy: Proxy) -> None:
    """Which Prometheus counts as a target that is down."""
    for name in ("host", "registry"):
        for_proxy(proxy.home / "run", f"{name}.prom", "")
    for path in TEXTS:
        found = proxy.connection("prometheus").ask("GET", path)
        assert (found.status, found.json["errors"][0]["code"]) == (503, "UNAVAILABLE")
    _put(proxy)


def test_where_they_are_off_there_is_no_such_page(proxy: Proxy) -> None:
    """For nobody."""
    proxy.configure(USERS[:2], metrics=Metrics())
    proxy.reload()
    for name in ("alice", None):
        for path in TEXTS:
            assert proxy.connection(name).ask("GET", path).status == 404
    proxy.configure(USERS)
    proxy.reload()
