"""Metrics of a registry: they come without a pause, and who may read them reads all of them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.clean_up import clean_up
from tests.e2e.prometheus import Prometheus, prometheus, queries, within
from tests.e2e.role_users import forget
from tests.e2e.support import USER, Deployed, runs
from tests.e2e.traffic import Asking
from tests.lab.lab import Lab
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

READER = "prometheus"
PASSWORD = "reads numbers alone"
TEXTFILE = "/var/lib/textfile"
PLACE = "/run/docker-registry/sockets/metrics"
TIMER = "docker-registry-metrics"
NOT_HERE = {"Share of 5xx", "Age of the last good backup"}
"""Panels that show nothing where nothing fails, and nothing is backed up: test_alerts sees them."""


@pytest.fixture(scope="module")
def registry(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry with metrics for a while; no container is another for them, and no request fails."""
    before = runs(deployed.host)
    deployed.host.run(["mkdir", TEXTFILE])
    reader = {"name": READER, "password": Secret(PASSWORD), "role": "metrics"}
    metrics = {"enabled": True, "schedule": "*-*-* *:*:00/5", "textfile": TEXTFILE}
    deployed.stack.configure({**deployed.settings, "users": [*deployed.settings["users"], reader], "metrics": metrics})
    with Asking(deployed) as asking:
        deployed.stack.up()
    assert asking.failures == []
    assert asking.answers > 20
    assert runs(deployed.host) == before
    yield deployed
    forget(deployed, "counted")
    before = runs(deployed.host)
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()
    assert runs(deployed.host) == before
    # Neither Prometheus nor node_exporter goes on to tell of what is no longer written.
    left = deployed.host.run(f"ls {TEXTFILE} {PLACE}; rmdir {TEXTFILE} {PLACE}").stdout
    assert ".prom" not in left
    assert deployed.get("/metrics", password=deployed.password).status == 404


def read(registry: Deployed, path: str = "/metrics") -> dict[str, float]:
    """The samples, as Prometheus gets them."""
    found = registry.get(path, password=PASSWORD, user=READER)
    assert found.status == 200, found
    lines = (line.rpartition(" ") for line in found.body.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_the_host_s_metrics_are_there_and_new(registry: Deployed) -> None:
    """The timer has written them already, and goes on; the host's clock and this one's are the same."""
    deadline = time.monotonic() + 30
    while registry.get("/metrics", password=PASSWORD, user=READER).status == 503:
        assert time.monotonic() < deadline
        time.sleep(1)
    written = "docker_registry_metrics_timestamp_seconds"
    first = read(registry)
    while (found := read(registry))[written] == first[written]:
        assert time.monotonic() < deadline + 30
        time.sleep(1)
    assert abs(time.time() - found[written]) < 15
    assert found[f'docker_registry_status{{concern="timers",item="{TIMER}"}}'] == 0
    assert found['docker_registry_state{concern="containers",item="nginx",state="ok"}'] == 1
    assert 0 < found['docker_registry_disk_used_ratio{disk="data"}'] < 1
    assert found["docker_registry_accounts"] == 2


def test_the_registry_s_own_are_those_of_both_processes(registry: Deployed) -> None:
    """By a way that nobody has besides the tool."""
    found = read(registry, "/metrics/registry")
    for process in ("reader", "writer"):
        assert found[f'go_goroutines{{process="{process}"}}'] > 1
        assert any(name.startswith("registry_storage_") and f'process="{process}"' in name for name in found)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/registry"])
def test_nobody_else_reads_them(registry: Deployed, path: str) -> None:
    """401 without an account, 403 with another role."""
    assert registry.get(path).status == 401
    assert registry.get(path, password="wrong", user=READER).status == 401
    assert registry.get(path, password=registry.password).status == 403


def test_only_who_has_to_reads_the_files(registry: Deployed) -> None:
    """Root and the proxy's workers; and everybody what is meant for node_exporter."""
    shown = registry.host.run(f"stat -c '%a %u:%g %n' {PLACE} {PLACE}/*.prom {TEXTFILE}/*").stdout.splitlines()
    assert shown == [
        f"750 0:3 {PLACE}",
        f"640 0:3 {PLACE}/host.prom",
        f"640 0:3 {PLACE}/registry.prom",
        f"644 0:0 {TEXTFILE}/docker-registry.prom",
    ]
    text = registry.host.get_file(f"{TEXTFILE}/docker-registry.prom")
    assert "docker_registry_metrics_timestamp_seconds" in text
    secrets = (PASSWORD, registry.password)
    assert not [secret for secret in secrets if secret in text]


# --- Prometheus -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def watching(lab: Lab, registry: Deployed) -> Iterator[Prometheus]:
    """It finds both addresses well."""
    with prometheus(lab, registry, READER, PASSWORD) as found:
        yield found


def _push_and_pull(registry: Deployed) -> None:
    """A blob, in a repository of its own; and its tags and a manifest, of which there are none."""
    blob = b"counted"
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    credentials = base64.b64encode(f"{USER}:{registry.password}".encode()).decode()
    connection = registry.connect("https")

    def ask(method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        kind = {"Content-Type": "application/octet-stream"} if body else {}
        connection.request(method, path, body, {"Authorization": f"Basic {credentials}", **kind})
        answer = connection.getresponse()
        answer.read()
        return answer

    place = urlsplit(ask("POST", "/v2/counted/app/blobs/uploads/").headers["Location"])
    assert ask("PUT", f"{place.path}?{place.query}&digest={digest}", blob).status == 201
    assert ask("GET", f"/v2/counted/app/blobs/{digest}").status == 200
    for path in ("tags/list", "manifests/v1"):
        ask("GET", f"/v2/counted/app/{path}")
    connection.close()


def test_every_panel_of_the_dashboard_has_data(registry: Deployed, watching: Prometheus) -> None:
    """From what clients do and the host says."""
    asked = queries()
    assert asked.keys() >= NOT_HERE
    _push_and_pull(registry)
    # What other tests left may be the larger part, and `gc.maxShare` would hold.
    assert clean_up(registry.host, "--force").code == 0
    registry.host.run(["systemctl", "start", "docker-registry-gc"], timeout=300)

    empty = set(asked)

    def all_shown() -> bool:
        nonlocal empty
        _push_and_pull(registry)
        empty = {title for title, its in asked.items() for query in its if not watching.result(query)}
        return empty <= NOT_HERE

    within(90, all_shown, lambda: f"nothing in {empty}")
    found = read(registry)
    assert found[f'docker_registry_account_requests_total{{account="{USER}"}}'] > 0
    total = sum(value for name, value in found.items() if name.startswith("docker_registry_storage_bytes{"))
    assert total == json.loads(registry.host.run("registryctl usage --json").stdout)["total"] > 0
    [hits] = watching.result('sum(docker_registry_http_requests_total{kind="blob",group="counted",cache="hit"})')
    assert float(hits["value"][1]) > 0


def test_alerts_fire_by_their_causes_and_end_with_them(registry: Deployed, watching: Prometheus) -> None:
    """A container and a timer that somebody stopped, and a burst of wrong passwords."""
    quiet = watching.firing()
    causes = {
        "DockerRegistryContainerBroken": ("docker stop registry-ui", "docker start registry-ui"),
        "DockerRegistryTimerLate": (
            "systemctl stop docker-registry-gc.timer",
            "systemctl start docker-registry-gc.timer",
        ),
    }
    assert not quiet & {*causes, "DockerRegistryLoginsFail", "DockerRegistryDown"}, quiet
    for begin, _ in causes.values():
        registry.host.run(begin)
    for number in range(70):
        registry.get("/v2/", password=f"wrong {number}", user=f"guess{number}")
    within(60, lambda: watching.firing() >= {*causes, "DockerRegistryLoginsFail"})
    for _, end in causes.values():
        registry.host.run(end)
    within(90, lambda: not watching.firing() & causes.keys())


def test_a_registry_that_shows_no_metrics_is_down(registry: Deployed, watching: Prometheus) -> None:
    """And up again when it does."""
    registry.host.run(f"systemctl stop {TIMER}.timer {TIMER}.service; rm {PLACE}/host.prom")
    within(30, lambda: "DockerRegistryDown" in watching.firing())
    registry.host.run(["systemctl", "start", f"{TIMER}.timer"])
    within(60, lambda: "DockerRegistryDown" not in watching.firing())
