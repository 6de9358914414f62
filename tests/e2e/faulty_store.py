"""A registry whose store can be made slow, broken and full, and a client of it."""

from __future__ import annotations

import http
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.e2e.clean_up import within
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import ACCEPTED, Api, RefusedError, digest_of
from tests.e2e.object_store import ObjectStore
from tests.e2e.store_front import StoreFront
from tests.e2e.support import USER, Deployed, deploy, runs
from tests.e2e.witness import Witness
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.clients import TEST_IMAGE, Client

FQDN = "faults.example.net"
KEPT = "team/kept:1"
REMEMBERED = 30
SECONDS = 120
_WARM = "team/warm"
_PASSWORD = "/root/password"
# Without one of these kinds the registry would make another image of it, by a tag.
_TAKEN = {"Accept": f"{ACCEPTED}, application/vnd.docker.distribution.manifest.list.v2+json"}


@dataclass(frozen=True)
class Said:
    """What a command came to."""

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
        """docker pushes what it has as `KEPT`, by another name and with a layer that nobody has."""
        make = f"head -c 3000000 /dev/urandom >/root/content && tar c -C /root content | docker import - {FQDN}/{name}"
        self.client.host.run(make)
        return self._said(f"docker push -q {FQDN}/{name}", seconds)

    def login(self, seconds: int) -> Said:
        """docker asks whether the password is right."""
        self.client.host.put_file(_PASSWORD, f"{self.registry.password}\n", mode=0o600)
        return self._said(f"docker login -u {USER} --password-stdin {FQDN} <{_PASSWORD}", seconds)

    def pull_warm(self) -> None:
        """As containerd pulls it. Nobody does so for the first time. Raises `RefusedError`."""
        api = Api(self.registry)

        def got(path: str, method: str = "GET") -> tuple[str, bytes]:
            status, headers, content = api.request(method, path, headers=_TAKEN)
            if status != http.HTTPStatus.OK:
                raise RefusedError(f"{method} {path}", status, content)
            return str(headers["Docker-Content-Digest"]), content

        digest, _ = got(f"/v2/{_WARM}/manifests/1", "HEAD")
        manifest = got(f"/v2/{_WARM}/manifests/{digest}")[1]
        assert digest_of(manifest) == digest
        for layer in json.loads(manifest)["layers"]:
            assert digest_of(got(f"/v2/{_WARM}/blobs/{layer['digest']}")[1]) == layer["digest"]
        api.close()

    def status(self, concern: str = "store") -> Said:
        """What the host says of the store."""
        done = self.registry.host.run(f"registry-status {concern}", check=False)
        return Said(done.returncode, done.stdout.strip())

    @contextmanager
    def unharmed(self, repository: str) -> Iterator[None]:
        """Somebody pushes meanwhile. In the end all works without a restart, and all that was acknowledged is there."""
        before, witness = runs(self.registry.host), Witness((self.registry,), repository)
        self.pull_warm()
        with witness.pushing():
            assert within(SECONDS, lambda: len(witness.acknowledged) > 1), witness.refused
            yield
            count, lifted = len(witness.acknowledged), time.monotonic()
            assert within(SECONDS, lambda: self.status().code == 0), self.status()
            assert within(SECONDS, lambda: len(witness.acknowledged) > count), witness.refused[-3:]
        print(f"{repository}: well again after {time.monotonic() - lifted:.1f} s")
        assert witness.lost(self.registry) == []
        assert runs(self.registry.host) == before

    def _said(self, command: str, seconds: int) -> Said:
        done = self.client.host.run(f"timeout {seconds} {command} 2>&1", check=False)
        return Said(done.returncode, (done.stdout.strip().splitlines() or [""])[-1])


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> World:
    """The store before the registry: `up` asks for it."""
    with ThreadPoolExecutor() as pool:
        storing = pool.submit(new_host, "faults-store")
        hosting = pool.submit(new_host, "faults", aliases=[FQDN])
        using = pool.submit(new_host, "faults-client", image="client")
        store = ObjectStore(storing.result(), Authority("CA of the store"))
        store.serve(gotools.build("weed"))
        front, host, client_host = StoreFront.on(store), hosting.result(), using.result()
    daemon = json.loads(client_host.get_file("/etc/docker/daemon.json"))
    # Five by default, after pauses of five seconds and more: what is said in the end is the same.
    client_host.put_file("/etc/docker/daemon.json", json.dumps({**daemon, "max-download-attempts": 1}))
    client_host.run(["systemctl", "restart", "docker"])
    settings = store.settings(endpoint=front.endpoint, rememberSeconds=REMEMBERED, cacheSize="1G")
    registry = deploy(host, new_stack("faults", host), FQDN, settings)
    client = registry.client(client_host)
    Api(registry).image(_WARM, "1", *[os.urandom(50_000) for _ in range(3)])
    return World(store, front, registry, client, client.push(KEPT))
