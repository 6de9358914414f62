"""A registry whose store can be made slow, broken and full, and a client of it."""

from __future__ import annotations

import http
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.object_store import ObjectStore
from tests.e2e.store_front import PORT, StoreFront
from tests.e2e.support import USER, Deployed, deploy
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.clients import TEST_IMAGE, Client

FQDN = "faults.example.net"
KEPT = "team/kept:1"
_PASSWORD = "/root/password"


@dataclass(frozen=True)
class Said:
    """What a command of a user came to."""

    code: int
    """124: it had not ended."""

    last: str
    """Its last line."""


@dataclass(frozen=True)
class World:
    """A registry that asks its store through the front, and a client of it."""

    store: ObjectStore
    front: StoreFront
    registry: Deployed
    client: Client
    digest: str
    """Of `KEPT`, which is there."""

    def pull(self, seconds: int) -> Said:
        """docker pulls what it hasn't."""
        self.client.host.run(["docker", "rmi", "--force", f"{FQDN}/{KEPT}", TEST_IMAGE], check=False)
        return self._said(f"docker pull -q {FQDN}/{KEPT}", seconds)

    def push(self, name: str, seconds: int) -> Said:
        """docker pushes what `fresh` made."""
        return self._said(f"docker push -q {FQDN}/{name}", seconds)

    def fresh(self, name: str, size: int = 3_000_000) -> None:
        """Another image, ready to be pushed."""
        make = f"head -c {size} /dev/urandom >/root/content && tar c -C /root content | docker import - {FQDN}/{name}"
        self.client.host.run(make)

    def login(self, seconds: int) -> Said:
        """docker asks whether the password is right."""
        self.client.host.put_file(_PASSWORD, f"{self.registry.password}\n", mode=0o600)
        return self._said(f"docker login -u {USER} --password-stdin {FQDN} <{_PASSWORD}", seconds)

    def status(self) -> Said:
        """What the host says of the store."""
        done = self.registry.host.run(["registry-status", "store"], check=False)
        return Said(done.returncode, done.stdout.strip())

    def reads(self) -> bool:
        """Whether the registry reads the store."""
        found = self.registry.get("/v2/team/kept/manifests/1", password=self.registry.password)
        return found.status == http.HTTPStatus.OK

    def _said(self, command: str, seconds: int) -> Said:
        done = self.client.host.run(f"timeout {seconds} {command} 2>&1", check=False)
        return Said(done.returncode, (done.stdout.strip().splitlines() or [""])[-1])


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> World:
    """All of it at the same time."""
    store = ObjectStore(new_host("faults-store"), Authority("CA of the store"))

    def front() -> StoreFront:
        store.serve(gotools.build("weed"))
        return StoreFront.on(store)

    def registry() -> Deployed:
        host = new_host("faults", aliases=[FQDN])
        endpoint = f"https://{store.host.address}:{PORT}"
        return deploy(host, new_stack("faults", host), FQDN, store.settings(endpoint=endpoint))

    with ThreadPoolExecutor() as pool:
        serving, deploying = pool.submit(front), pool.submit(registry)
        host = new_host("faults-client", image="client")
        daemon = json.loads(host.get_file("/etc/docker/daemon.json"))
        # Five by default, after pauses of five seconds and more: what is said in the end is the same.
        host.put_file("/etc/docker/daemon.json", json.dumps({**daemon, "max-download-attempts": 1}))
        host.run(["systemctl", "restart", "docker"])
        made = deploying.result()
        client, before = made.client(host), serving.result()
    return World(store, before, made, client, client.push(KEPT))
