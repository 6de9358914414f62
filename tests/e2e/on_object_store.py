"""Images in an object store: two hosts with one bucket, the key that nobody sees, and a store that goes away.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

import hashlib
import http
import os
import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.object_store import BUCKET, ObjectStore
from tests.e2e.support import Deployed, deploy, round_trip, runs, wait_until_healthy
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.clients import Client
from tests.lab.host import LabHost
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

NAMES = ("one", "two")
SKOPEO = "skopeo --insecure-policy copy -q"
IMAGE = "team/app:1"
SECONDS = 150


@dataclass(frozen=True)
class World:
    """Two registries with the same bucket, and a client of both."""

    store: ObjectStore
    one: Deployed
    two: Deployed
    clients: tuple[Client, Client]
    digest: str
    """Of `IMAGE`, which was pushed at the first."""


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack, client_host: LabHost) -> Iterator[World]:
    """All of it, store and hosts at the same time: `up` needs no store."""
    store = ObjectStore(new_host("store", image="blank"), Authority("CA of the store"))
    shared = {**store.settings(), "registry": {"httpSecret": Secret(secrets.token_hex(16))}, "gc": {"enabled": False}}

    def one(name: str) -> Deployed:
        fqdn = f"objects-{name}.example.net"
        host = new_host(f"objects-{name}", aliases=[fqdn])
        return deploy(host, new_stack(f"objects-{name}", host), fqdn, shared)

    with ThreadPoolExecutor() as pool:
        serving = pool.submit(store.serve, gotools.build("weed"))
        made = list(pool.map(one, NAMES))
        serving.result()
    clients = []
    for deployed in made:
        clients.append(deployed.client(client_host))
        folder = f"/etc/containers/certs.d/{deployed.fqdn}"
        client_host.put_file(f"{folder}/ca.crt", deployed.ca.read_text())
    yield World(store, made[0], made[1], (clients[0], clients[1]), clients[0].push(IMAGE))
    for deployed in made:
        client_host.run(["rm", "-rf", f"/etc/containers/certs.d/{deployed.fqdn}"])


def _status(deployed: Deployed) -> int:
    return deployed.get("/v2/team/app/manifests/1", password=deployed.password).status


def _images(store: ObjectStore) -> set[str]:
    return {name for name in store.names() if name.startswith("docker/")}


def _entries(store: ObjectStore) -> set[str]:
    return {name for name in store.names() if name.startswith("docker-registry/hosts/")}


def _await(deployed: Deployed, status: int) -> None:
    deadline = time.monotonic() + SECONDS
    while (found := _status(deployed)) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def test_the_second_up_changes_nothing(world: World) -> None:
    """And all is well, with the store too; no unit of the host has failed."""
    world.one.stack.preview("--expect-no-changes")
    wait_until_healthy(world.one.host)
    said = world.one.host.run("registry-status", check=False)
    assert said.returncode == 0, said.stdout
    assert f"/{BUCKET}): ok; answers in " in said.stdout
    assert world.one.host.failed_units() == []


def test_what_is_pushed_at_one_is_pulled_at_the_other(world: World) -> None:
    """By docker and by skopeo, at once, and of several parts; all of it lies in the bucket."""
    here, there = world.clients
    round_trip(there, IMAGE, world.digest)
    host, names = here.host, (f"docker://{world.two.fqdn}/{IMAGE}", f"docker://{world.two.fqdn}/team/copy:1")
    host.run(f"rm -rf copied && {SKOPEO} {names[0]} dir:copied && {SKOPEO} dir:copied {names[1]}")
    round_trip(here, "team/copy:1", there.digest("team/copy:1"))
    layer = os.urandom(12 * 1024 * 1024)
    found = Api(world.one).blob("team/large", layer)
    status, _, content = Api(world.two).request("GET", f"/v2/team/large/blobs/{found['digest']}")
    assert (status, hashlib.sha256(content).digest()) == (http.HTTPStatus.OK, hashlib.sha256(layer).digest())
    assert any(world.digest.partition(":")[2] in name for name in world.store.names())
    # No image is on the host.
    assert world.one.host.run("find /var/opt/docker-registry/data -type f ! -name .volume").stdout == ""


def test_an_upload_goes_on_at_the_other(world: World) -> None:
    """Its state is in the client's URL, signed with the secret that both have."""
    parts = [os.urandom(6 * 1024 * 1024), os.urandom(1000)]
    digest = f"sha256:{hashlib.sha256(b''.join(parts)).hexdigest()}"
    one, two = Api(world.one), Api(world.two)
    _, headers = one.write("POST", "/v2/team/split/blobs/uploads/")
    where = urlsplit(headers["Location"])
    _, headers = one.write("PATCH", f"{where.path}?{where.query}", parts[0])
    where = urlsplit(headers["Location"])
    two.write("PUT", f"{where.path}?{where.query}&digest={digest}", parts[1])
    status, _, content = one.request("GET", f"/v2/team/split/blobs/{digest}")
    assert (status, content) == (http.HTTPStatus.OK, b"".join(parts))


def test_nobody_sees_the_key(world: World) -> None:
    """No log, list of processes, variable, record of Docker's or state has it, and but root nobody reads its file."""
    host, key = world.one.host, world.store.key.secret
    said = host.run(
        "for name in nginx registry; do docker logs $name 2>&1; docker inspect $name; done; ps axww; "
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'; cat /var/opt/nginx/logs/*.log; "
        "journalctl -q -o cat",
        private=True,
    ).stdout
    assert "AWS_SHARED_CREDENTIALS_FILE" in said
    assert key not in said
    assert key not in str(world.one.stack.export())
    file = "/var/opt/docker-registry/etc/store-key"
    assert host.run(["stat", "-c", "%a %U", file]).stdout.strip() == "600 root"
    found = host.run(f"grep -rlF -e '{key}' /var/opt /etc /var/lib/docker/containers /run || true", private=True)
    assert found.stdout.split() == [file]


def test_the_store_goes_away_and_comes_back(world: World) -> None:
    """Each request is a clear 503 before long, the status says why, and nothing has to be restarted."""
    before = runs(world.one.host)
    world.store.stop()
    try:
        _await(world.one, 503)
        said = world.one.get("/v2/team/app/manifests/1", password=world.one.password)
        assert (said.status, '"code":"UNAVAILABLE"' in said.body) == (503, True)
        done = world.one.host.run("registry-status store", check=False)
        assert (done.returncode, f"/{BUCKET}): away; " in done.stdout) == (2, True), done.stdout
    finally:
        world.store.start()
    _await(world.one, 200)
    round_trip(world.clients[0], IMAGE, world.digest)
    world.clients[0].push("team/app:2")
    assert runs(world.one.host) == before


def test_another_storage_is_refused(world: World) -> None:
    """The images would be hidden; nothing is touched."""
    before, settings = runs(world.one.host), world.one.settings
    others: list[dict[str, Any]] = [{"storage": {}}, world.store.settings(prefix="elsewhere")]
    for changes in others:
        world.one.stack.configure({**settings, **changes})
        done = world.one.stack.up(check=False)
        assert done.returncode != 0
        assert re.search(f"images are in the bucket https://[^ ]+/{BUCKET}, not in ", done.stdout + done.stderr)
    world.one.stack.configure(settings)
    world.one.stack.up()
    assert runs(world.one.host) == before


def test_destroy_leaves_the_bucket(world: World) -> None:
    """The other registry goes on, and this one has all images again by one `up`. Only its entry goes."""
    before = _images(world.store)
    assert before
    entries = _entries(world.store)
    world.one.stack.destroy()
    assert len(entries - _entries(world.store)) == 1
    assert _images(world.store) == before
    round_trip(world.clients[1], IMAGE, world.digest)
    world.one.stack.up()
    assert _images(world.store) == before
    # Its own authority outlived it.
    round_trip(world.clients[0], IMAGE, world.digest)
