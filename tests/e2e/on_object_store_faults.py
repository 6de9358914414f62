"""What users see while an object store is slow, broken or full, and that all is well afterwards without a restart.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from tests.e2e.clean_up import within
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.object_store import ObjectStore
from tests.e2e.store_front import StoreFront
from tests.e2e.support import USER, Deployed, deploy, runs
from tests.e2e.witness import Witness
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.clients import Client

pytestmark = pytest.mark.e2e

FQDN = "faults.example.net"
KEPT = "team/kept:1"
SECONDS = 240


@dataclass(frozen=True)
class World:
    """A registry that asks its store through the front, and a client that tries nothing twice."""

    store: ObjectStore
    front: StoreFront
    registry: Deployed
    client: Client

    def well(self) -> bool:
        """Whether the registry reads the store."""
        return self.registry.get("/v2/team/kept/manifests/1", password=self.registry.password).status == 200

    def said(self, command: str, seconds: int = 60) -> tuple[int, str, float]:
        """What a user is told: the exit code (124: nothing yet), the last line, and the seconds it took."""
        began = time.monotonic()
        done = self.client.host.run(f"timeout {seconds} {command} 2>&1", check=False)
        lines = done.stdout.strip().splitlines() or [""]
        return done.returncode, lines[-1], round(time.monotonic() - began, 1)

    def status(self) -> str:
        done = self.registry.host.run("registry-status store", check=False)
        return f"{done.returncode} {done.stdout.strip()}"

    def login(self) -> str:
        self.client.host.put_file("/root/password", self.registry.password + "\n", mode=0o600)
        return f"docker login -u {USER} --password-stdin {FQDN} </root/password"

    def fresh(self, name: str) -> str:
        """Another image, ready to be pushed; its reference."""
        reference = f"{FQDN}/{name}"
        make = f"head -c 3000000 /dev/urandom >/root/content; tar c -C /root content | docker import - {reference}"
        self.client.host.run(make)
        return reference


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> World:
    """All of it at the same time."""
    store = ObjectStore(new_host("faults-store"), Authority("CA of the store"))

    def front() -> StoreFront:
        store.serve(gotools.build("weed"))
        return StoreFront.on(store)

    def registry() -> Deployed:
        host = new_host("faults", aliases=[FQDN])
        endpoint = f"https://{store.host.address}:9443"
        return deploy(host, new_stack("faults", host), FQDN, store.settings(endpoint=endpoint))

    with ThreadPoolExecutor() as pool:
        made = pool.submit(front), pool.submit(registry)
        host = new_host("faults-client", image="client")
        daemon = json.loads(host.get_file("/etc/docker/daemon.json"))
        daemon |= {"max-upload-attempts": 1, "max-download-attempts": 1}
        host.put_file("/etc/docker/daemon.json", json.dumps(daemon))
        host.run(["systemctl", "restart", "docker"])
        world = World(store, made[0].result(), made[1].result(), made[1].result().client(host))
    world.client.push(KEPT)
    return world


def explore(world: World, name: str, making: AbstractContextManager[None], wait: float = 0) -> None:
    kept = f"{FQDN}/{KEPT}"
    reference = world.fresh(f"team/fresh-{name}:1")
    world.client.host.run(f"docker rmi -f {kept} busybox:1.37.0", check=False)
    before = runs(world.registry.host)
    witness = Witness((world.registry,), f"team/witness-{name}")
    with witness.pushing():
        assert within(60, lambda: len(witness.acknowledged) > 2)
        with making:
            time.sleep(wait)
            for _ in range(2):
                print(name, "STATUS", world.status())
                print(name, "LOGIN", world.said(world.login()))
                print(name, "PULL", world.said(f"docker pull -q {kept}", 100))
                print(name, "PUSH", world.said(f"docker push -q {reference}", 100))
                time.sleep(10)
            print(name, "STATUS", world.status())
            print(name, "GET", world.registry.get("/v2/team/kept/manifests/1", password=world.registry.password))
        began = time.monotonic()
        print(name, "WELL", within(SECONDS, world.well), time.monotonic() - began)
        acked = len(witness.acknowledged)
        assert within(60, lambda: len(witness.acknowledged) > acked)
    print(name, "REFUSED", len(witness.refused), sorted(set(witness.refused))[:8])
    print(name, "ACKED", len(witness.acknowledged), "LOST", witness.lost(world.registry))
    print(name, "PUSH", world.said(f"docker push -q {reference}", 60))
    print(name, "RUNS", runs(world.registry.host) == before)


@pytest.mark.parametrize("name", ["slow2", "slow20", "e500", "e403", "cut", "refused", "full", "skew", "frozen"])
def test_explore(world: World, name: str) -> None:
    making = {
        "slow2": lambda: world.front.faulty({"delay": 2}),
        "slow20": lambda: world.front.faulty({"delay": 20}),
        "e500": lambda: world.front.faulty({"status": 500}),
        "e403": lambda: world.front.faulty({"status": 403, "code": "InvalidAccessKeyId"}),
        "cut": world.front.cut_off,
        "refused": world.front.refused,
        "full": lambda: world.front.faulty(
            {"status": 507, "code": "XMinioStorageFull", "kinds": ["put", "part", "begin", "complete", "copy"]}
        ),
        "skew": lambda: world.front.faulty({"status": 403, "code": "RequestTimeTooSkewed"}),
        "frozen": world.front.frozen,
    }[name]()
    explore(world, name, making)
