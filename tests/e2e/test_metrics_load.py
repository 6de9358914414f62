"""What clients count is what the metrics say; `make metrics-load` is the whole of it, with `REQUESTS=10000`."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.load import Answer, Answers, Client, Image, pushed, summed, sums
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
RESTART = "docker restart registry"


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


def _load(registry: Deployed, image: Image, answers: Answers, *acts: str) -> None:
    """Half of the requests, and more until all is done that is to be done meanwhile."""
    accounts = [(USER, registry.password), (PULLER, PASSWORD)] * (CLIENTS // 2)
    enough = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        each = REQUESTS // CLIENTS // 2
        working = [pool.submit(Client(registry, account, answers).work, image, each, enough) for account in accounts]
        try:
            for act in acts:
                wanted = len(answers) + REQUESTS // 20
                while len(answers) < wanted and not any(one.done() for one in working):
                    time.sleep(0.05)
                registry.host.run(act)
        finally:
            enough.set()
        for one in working:
            one.result()


def _added(before: str, after: str, metric: str, *labels: str) -> Counter[tuple[str, ...]]:
    first = sums(before, metric, *labels)
    return Counter({key: n - first[key] for key, n in sums(after, metric, *labels).items() if n > first[key]})


def test_sums_agree(served: Deployed) -> None:
    """Requests and bytes, by kind and status and by account; across reloads, rotations and restarts."""
    image = pushed(served, "team/app")
    before, answers = _metrics(served), Answers()
    _load(served, image, answers, ROTATE, RELOAD, ROTATE)
    served.host.run("docker restart nginx")
    wait_until_healthy(served.host)
    _load(served, image, answers, ROTATE, RESTART, RELOAD)
    wait_until_healthy(served.host)
    after = _metrics(served)

    found = _added(before, after, "docker_registry_http_requests_total", "kind", "status")
    found = Counter({key: n for key, n in found.items() if key[0] in KINDS})
    counted = summed(answers, lambda _: 1, "kind", "status")
    print(
        f"\n{len(answers)} requests, {sum(map(_asked, answers))} bytes, {sum(map(_size, answers))} of answers: {found}"
    )
    assert len(answers) >= REQUESTS // CLIENTS // 2 * 2 * CLIENTS
    assert counted["upload", "201"] > 0
    assert found == counted
    for metric, labels in (("http", ("kind", "status")), ("account", ("account",))):
        its = {
            what: _added(before, after, f"docker_registry_{metric}_{what}_total", *labels)
            for what in ("requests", "response_body_bytes", "request_bytes")
        }
        sizes, most = summed(answers, _size, *labels), summed(answers, _asked, *labels)
        least = summed(answers, _surely_read, *labels)
        for key, number in summed(answers, lambda _: 1, *labels).items():
            assert its["requests"][key] == number, key
            assert its["response_body_bytes"][key] == sizes[key], key
            assert least[key] <= its["request_bytes"][key] <= most[key], key
    assert "\ndocker_registry_traffic_malformed_lines_total 0\n" in after
    _pulls_agree(served, image, answers)


def _size(answer: Answer) -> int:
    return answer.size


def _asked(answer: Answer) -> int:
    return answer.sent.heads + answer.sent.bodies


def _surely_read(answer: Answer) -> int:
    """The proxy may have left the body of an upload alone where the registry was away."""
    return _asked(answer) if answer.status < "400" else answer.sent.heads


def _pulls_agree(registry: Deployed, image: Image, answers: Answers) -> None:
    """The last pull, by tag or digest, and how often the tag was pulled since the image was pushed."""
    said = json.loads(registry.host.run("registryctl usage --json team/app").stdout)
    [tag] = said["repositories"][0]["tags"]
    last = datetime.fromisoformat(tag["lastPull"]).timestamp()
    pulls = [one for one in answers if one.pulled and one.status == "200"]
    print(f"{len(pulls)} pulls")
    assert abs(last - pulls[-1].moment) < 2
    earlier = _EARLIER.get(registry.fqdn, 0)
    assert tag["pulls30Days"] - earlier == sum(one.pulled == image.tag for one in pulls)
    _EARLIER[registry.fqdn] = tag["pulls30Days"]


_EARLIER: dict[str, int] = {}
"""Pulls that were counted in the phase before."""
