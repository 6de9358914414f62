"""A mirror with a bound, on a host: it is kept small while clients pull from it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.other_registries import OtherRegistry, other_registry
from tests.e2e.support import Deployed, deploy, runs
from tests.lab.clients import TEST_IMAGE, Client
from tests.lab.host import LabHost
from tests.lab.lab import Lab

pytestmark = pytest.mark.e2e

FQDN = "bounds.example.net"
PREFIX = "hub.example.org"
NAME = f"{PREFIX}/library/{TEST_IMAGE}"
DATA = f"/var/opt/docker-registry-mirrors/{PREFIX}/data"
BLOBS = f"find {DATA} -path '*/blobs/*' -name data"
TRIM = "registryctl mirrors trim --grace 1"
UNIT = "docker-registry-mirrors"


@dataclass(frozen=True)
class World:
    """A registry with a mirror that may have next to nothing, and somebody who pulls."""

    deployed: Deployed
    client: Client
    open: OtherRegistry

    def pull(self) -> str:
        """Wholly; what the client says."""
        host, name = self.client.host, f"docker://{FQDN}/{NAME}"
        return host.run(f"rm -rf bounded && skopeo --insecure-policy copy {name} dir:bounded").stdout


def _mirror(registry: OtherRegistry, **bounds: object) -> dict[str, Any]:
    return {"prefix": PREFIX, "upstream": registry.url, "insecure": True, **bounds}


@pytest.fixture(scope="module")
def world(lab: Lab, new_host: NewHost, new_stack: NewStack, client_host: LabHost) -> Iterator[World]:
    """With the bound from the first `up` on."""
    host = new_host("bounds", aliases=[FQDN])
    with other_registry(lab, "bounded") as registry:
        settings = {"mirrors": [_mirror(registry, maxSize="1k")]}
        deployed = deploy(host, new_stack("bounds", host), FQDN, settings)
        client = deployed.client(client_host)
        client_host.run(f"mkdir -p /etc/containers/certs.d/{FQDN}")
        client_host.put_file(f"/etc/containers/certs.d/{FQDN}/ca.crt", deployed.ca.read_text())
        yield World(deployed, client, registry)


def test_what_is_in_use_stays_and_is_told(world: World) -> None:
    """By the timer's service, and by the status."""
    host = world.deployed.host
    world.pull()
    before = host.run(BLOBS).stdout
    said = host.run(f"systemctl start {UNIT} && registry-status timers mirrors", check=False).stdout
    assert f"timer {UNIT}: ok" in said
    assert f"mirror {PREFIX}: too-large" in said
    assert host.run(BLOBS).stdout == before != ""


def test_it_is_kept_small_while_clients_pull(world: World) -> None:
    """No pull fails, and in the end nothing is left that is too much; nothing restarts for it."""
    host = world.deployed.host
    world.pull()
    before = runs(host)
    host.run(f"find {DATA} -type f -exec touch -d '1 day ago' {{}} +")
    assert f"gone: {NAME} (longest unused)" in host.run(TRIM).stdout
    with ThreadPoolExecutor(1) as pool:
        pulls = pool.submit(lambda: [world.pull() for _ in range(5)])
        while not pulls.done():
            host.run(TRIM)
        assert len(pulls.result()) == 5
    host.run(f'until [ -z "$({BLOBS})" ]; do {TRIM} >/dev/null; done', timeout=120)
    assert host.run("registry-status mirrors").stdout.startswith(f"mirror {PREFIX}: ok; 0 MB")
    world.pull()
    assert runs(host) == before


def test_without_the_bound_nothing_goes_any_more(world: World) -> None:
    """The timer goes with it, and nothing else changes."""
    deployed = world.deployed
    host = deployed.host
    world.pull()
    before = runs(host)
    deployed.stack.configure({**deployed.settings, "mirrors": [_mirror(world.open)]})
    deployed.stack.up()
    assert host.run(f"systemctl cat {UNIT}.timer", check=False).returncode != 0
    assert host.run(["ls", "/var/lib/docker-registry/mirrors"], check=False).returncode != 0
    assert host.run(TRIM).stdout == ""
    assert runs(host) == before
    assert host.run(BLOBS).stdout
    deployed.stack.preview("--expect-no-changes")
