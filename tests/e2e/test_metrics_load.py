"""What clients count is what the metrics say; `make metrics-load` is the whole of it, with `REQUESTS=10000`."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.load import Client, Counted, Image, pushed, sums
from tests.e2e.support import USER, Deployed, deploy, wait_until_healthy
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

FQDN = "load.example.net"
REQUESTS = int(os.environ.get("REQUESTS") or 1000)
"""With the way past the registry, and as many without."""
CLIENTS = 4
READER, PULLER, PASSWORD = "prometheus", "puller", "of the lab's accounts"
KINDS = {"blob", "manifest", "tags", "upload"}
ROTATE = "logrotate --force --state /run/rotated /etc/logrotate.d/docker-opt"
RELOAD = "/usr/local/lib/docker-registry/nginx-reload"


@pytest.fixture(scope="module")
def registry(new_host: NewHost, new_stack: NewStack) -> Deployed:
    """One that nobody else asks."""
    host = new_host("load", aliases=[FQDN])
    made = deploy(host, new_stack("load", host), FQDN)
    users = [
        {"name": READER, "password": Secret(PASSWORD), "role": "metrics"},
        {"name": PULLER, "password": Secret(PASSWORD), "role": "pull"},
    ]
    settings = {
        **made.settings,
        "users": [*made.settings["users"], *users],
        "metrics": {"enabled": True, "schedule": "*-*-* *:*:00/5"},
    }
    return replace(made, settings=settings)


@pytest.fixture(scope="module", params=[True, False], ids=["fast path", "through the registry"])
def served(registry: Deployed, request: pytest.FixtureRequest) -> Iterator[Deployed]:
    """With and without the way past the registry; the counting goes on from one to the other."""
    registry.stack.configure({**registry.settings, "nginx": {"fastPath": request.param}})
    registry.stack.up()
    wait_until_healthy(registry.host)
    yield registry


def _metrics(registry: Deployed) -> str:
    """All that was asked until now. The proxy writes what it has after a second."""
    time.sleep(2.5)
    registry.host.run("systemctl start docker-registry-metrics")
    found = registry.get("/metrics", password=PASSWORD, user=READER)
    assert found.status == 200, found
    return found.body


def _load(registry: Deployed, image: Image, counted: Counted) -> None:
    """Half of the requests, with rotations and a reload meanwhile."""
    accounts = [(USER, registry.password), (PULLER, PASSWORD)] * (CLIENTS // 2)
    with ThreadPoolExecutor(CLIENTS) as pool:
        each = REQUESTS // CLIENTS // 2
        working = [pool.submit(Client(registry, account, counted).work, image, each) for account in accounts]
        for act in (ROTATE, RELOAD, ROTATE):
            time.sleep(0.5)
            registry.host.run(act)
        for one in working:
            one.result()


def _added(before: str, after: str, metric: str, *labels: str) -> Counter[tuple[str, ...]]:
    first = sums(before, metric, *labels)
    return Counter({key: n - first[key] for key, n in sums(after, metric, *labels).items() if n > first[key]})


def test_sums_agree(served: Deployed) -> None:
    """Requests and bytes, by kind and status and by account; across reloads, rotations and a restart of the proxy."""
    image = pushed(served, "team/app")
    before, counted = _metrics(served), Counted()
    _load(served, image, counted)
    served.host.run("docker restart nginx")
    wait_until_healthy(served.host)
    _load(served, image, counted)
    after = _metrics(served)

    found = _added(before, after, "docker_registry_http_requests_total", "kind", "status")
    found = Counter({key: n for key, n in found.items() if key[0] in KINDS})
    sent = _added(before, after, "docker_registry_http_response_body_bytes_total", "kind")
    print(f"\n{counted.requests.total()} requests, {counted.sizes.total()} bytes: {dict(found)}")
    assert counted.requests.total() == REQUESTS // CLIENTS // 2 * 2 * CLIENTS
    assert found == counted.requests
    assert {kind: sent[kind,] for kind in counted.sizes if counted.sizes[kind]} == +counted.sizes
    for metric, its in (("requests", counted.of_accounts), ("response_body_bytes", counted.sent_to)):
        by_account = _added(before, after, f"docker_registry_account_{metric}_total", "account")
        assert {name: by_account[name,] for name in its} == its
    assert "\ndocker_registry_traffic_malformed_lines_total 0\n" in after
    _pulls_agree(served, image, counted)


def _pulls_agree(registry: Deployed, image: Image, counted: Counted) -> None:
    """The last pull, by tag or digest, and how often the tag was pulled since the image was pushed."""
    said = json.loads(registry.host.run("registryctl usage --json team/app").stdout)
    [tag] = said["repositories"][0]["tags"]
    last = datetime.fromisoformat(tag["lastPull"]).timestamp()
    assert abs(last - max(counted.last.values())) < 2
    earlier = _EARLIER.get(registry.fqdn, 0)
    assert tag["pulls30Days"] - earlier == counted.pulls[image.tag]
    _EARLIER[registry.fqdn] = tag["pulls30Days"]


_EARLIER: dict[str, int] = {}
"""Pulls that were counted in the phase before."""
