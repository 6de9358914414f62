"""Two hosts with one bucket, of which one is lost under load, and another one comes in its place.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from tests.e2e.clean_up import within
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.load_of_tools import PULLS, PUSHES, Load
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import USER, Deployed, deploy, wait_until_healthy
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.clients import Client
from tests.lab.docker import docker
from tests.lab.host import LabHost
from tests.lab.paths import write_private
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

NAMES = ("lost-one.example.net", "lost-two.example.net")
SHARED = "lost.example.net"
SECONDS = 200
EACH = 2
"""Images that each tool pushes and pulls before the host is lost, and again after that."""


@dataclass
class World:
    """Two registries that have a bucket and a certificate in common, and a client that knows both."""

    store: ObjectStore
    made: list[Deployed]
    client: LabHost
    load: Load


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> World:
    """The store before the registries: `up` asks for it. The client tries first the address that will be lost."""
    names = [name.partition(".")[0] for name in NAMES]
    with ThreadPoolExecutor() as pool:
        storing, using = (
            pool.submit(new_host, "lost-store", image="blank"),
            pool.submit(new_host, "lost-client", "client"),
        )
        hosts = list(pool.map(new_host, names))
        store = ObjectStore(storing.result(), Authority("CA of the store"))
        store.serve(gotools.build("weed"))
        client = using.result()
    authority = Authority("CA of both registries")
    chain, key = authority.issue(*NAMES, SHARED)
    password = secrets.token_hex(16)
    shared = {
        **store.settings(),
        "users": [{"name": USER, "password": Secret(password)}],
        "registry": {"httpSecret": Secret(secrets.token_hex(16))},
        "certificate": {"mode": "files", "chain": chain, "privateKey": Secret(key)},
    }

    def one(name: str, host: LabHost) -> Deployed:
        site = {"fqdn": SHARED, "aliases": [name]}
        found = deploy(host, new_stack(host.name, host), SHARED, {**shared, "site": site})
        write_private(found.ca, authority.certificate)
        return replace(found, password=password)

    with ThreadPoolExecutor() as pool:
        made = list(pool.map(one, NAMES, hosts))
    lines = [f"{host.address} {name} {SHARED}" for name, host in list(zip(NAMES, hosts, strict=True))[::-1]]
    client.run(["tee", "-a", "/etc/hosts"], stdin="\n".join([*lines, ""]))
    for name in (*NAMES, SHARED):
        user = Client(client, name)
        user.trust(authority.certificate)
        user.login(USER, password)
    return World(store, made, client, Load(client, NAMES))


def _each(load: Load, count: int) -> bool:
    return all(done >= count for done in load.counts.values())


def _missing(load: Load, registry: Deployed) -> list[str]:
    """What was acknowledged and is not there, or not whole."""
    api = Api(registry)
    found = [
        name
        for name, digest in load.acknowledged.items()
        if digest not in api.pull(name.partition(":")[0], name.partition(":")[2])
    ]
    api.close()
    return found


def test_a_lost_host_costs_nothing(world: World) -> None:
    """Whoever tries the other address goes on, and all that was acknowledged is there."""
    load = world.load
    with load.working():
        assert within(SECONDS, lambda: _each(load, EACH)), (load.counts, load.failed)
        before = len(load.acknowledged)
        docker("kill", world.made[1].host.container)
        after = {tool: done + EACH + 1 for tool, done in load.counts.items()}
        assert within(SECONDS, lambda: all(load.counts[tool] >= after[tool] for tool in PUSHES)), load.counts
    print(f"{before} images before, {len(load.acknowledged)} in the end; by the other address: {len(load.second)}")
    assert load.failed == []
    # The loss was noticed: something went by the other name.
    assert any(f"{NAMES[0]}/" in asked for asked in load.second), load.second
    assert len(load.acknowledged) >= before + len(PUSHES) * EACH
    assert _missing(load, world.made[0]) == []


@pytest.mark.parametrize("tool", PULLS)
def test_a_name_with_both_addresses_is_enough(world: World, tool: str) -> None:
    """Each tool tries the next address by itself, also where the lost host's comes first."""
    name = next(iter(world.load.acknowledged))
    world.client.run("mkdir -p /root/shared")
    world.client.run(PULLS[tool].format(home="/root/shared", name=name, host=SHARED), timeout=60)


def test_its_replacement_comes_by_one_up(world: World, new_host: NewHost) -> None:
    """With the same name and address, the certificate of the other one and all images; no certificate is ordered."""
    lost, certificate = world.made[1], world.made[0].certificate()
    lost.host.remove()
    host = new_host(lost.host.name)
    assert host.address == lost.host.address
    lost.stack._run("state", "delete", "--all", "--yes", "--stack", lost.stack.name)
    lost.stack.host = host
    settings = {**lost.settings, "host": {**lost.settings["host"], "hostKey": host.host_key}}
    lost.stack.configure(settings)
    lost.stack.up()
    wait_until_healthy(host)
    world.made[1] = replace(lost, host=host, settings=settings)
    assert world.made[1].certificate() == certificate
    assert _missing(world.load, world.made[1]) == []
    lost.stack.preview("--expect-no-changes")
    # Clients that were logged in are so still, and what is pushed there is at the other.
    load = Load(world.client, NAMES[::-1])
    with load.working():
        assert within(SECONDS, lambda: _each(load, 1)), (load.counts, load.failed)
    assert (load.failed, load.second) == ([], [])
    assert _missing(load, world.made[0]) == []


def test_the_lost_one_is_forgotten(world: World) -> None:
    """Until then the bucket counts it, and nothing is removed; its replacement is another host to it."""
    two = world.made[1]
    mine = [one for one in _listed(two.host) if one["stack"].rpartition("/")[2] == two.stack.name]
    [gone] = [one["identity"] for one in mine if one["state"] != "this host"]
    world.made[0].host.run(["registryctl", "hosts", "forget", gone, "--wait", "10"])
    assert sorted(one["state"] for one in _listed(two.host)) == ["it is there", "this host"]


def _listed(host: LabHost) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(host.run("registryctl hosts --json").stdout)
    return found
