"""Two hosts with one bucket, of which one is lost under load, and comes back as another; and both behind one name.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from tests.docs.blocks import ROOT
from tests.e2e.clean_up import within
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.load_of_tools import PUSHES, Load
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import USER, Deployed, deploy, wait_until_healthy
from tests.lab import gotools, images
from tests.lab.authority import Authority
from tests.lab.clients import Client
from tests.lab.docker import docker
from tests.lab.host import LabHost
from tests.lab.lab import Lab
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
    """Two registries that have a bucket and a certificate in common."""

    store: ObjectStore
    made: list[Deployed]
    client: LabHost
    load: Load

    def leads_to(self) -> None:
        """The client knows addresses: those of a lost host answer nothing."""
        lines = [f"{one.host.address} {one.fqdn}" for one in self.made]
        kept = [line for line in self.client.get_file("/etc/hosts").splitlines() if "example.net" not in line]
        self.client.run(["tee", "/etc/hosts"], stdin="\n".join([*kept, *lines, ""]))


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> World:
    """All of it at the same time."""
    store = ObjectStore(new_host("lost-store", image="blank"), Authority("CA of the store"))
    authority = Authority("CA of both registries")
    chain, key = authority.issue(*NAMES, SHARED)
    password = secrets.token_hex(16)
    shared = {
        **store.settings(),
        "users": [{"name": USER, "password": Secret(password)}],
        "registry": {"httpSecret": Secret(secrets.token_hex(16))},
        "certificate": {"mode": "files", "chain": chain, "privateKey": Secret(key)},
    }

    def one(name: str) -> Deployed:
        host = new_host(name.partition(".")[0])
        stack = new_stack(host.name, host)
        found = deploy(host, stack, name, {**shared, "site": {"fqdn": name, "aliases": [SHARED]}})
        write_private(found.ca, authority.certificate)
        return replace(found, password=password)

    with ThreadPoolExecutor() as pool:
        serving = pool.submit(store.serve, gotools.build("weed"))
        registries = [pool.submit(one, name) for name in NAMES]
        client = new_host("lost-client", image="client")
        made = [registry.result() for registry in registries]
        serving.result()
    found = World(store, made, client, Load(client, NAMES))
    found.leads_to()
    for registry in made:
        registry.client(client)
    return found


def _each(load: Load, count: int) -> bool:
    return all(done >= count for done in load.counts.values())


def _missing(load: Load, registry: Deployed) -> list[str]:
    """What was acknowledged and can't be pulled whole there."""
    api, found = Api(registry), []
    for name, digest in load.acknowledged.items():
        repository, _, tag = name.partition(":")
        if digest not in api.pull(repository, tag):
            found.append(name)
    api.close()
    return found


def test_a_lost_host_costs_nothing(world: World) -> None:
    """Whoever tries the other address goes on, and all that was acknowledged is there."""
    load = world.load
    with load.working():
        assert within(SECONDS, lambda: _each(load, EACH)), (load.counts, load.failed)
        before = dict(load.acknowledged)
        docker("kill", world.made[1].host.container)
        world.made[1].host.remove()
        after = {tool: done + EACH + 1 for tool, done in load.counts.items()}
        assert within(SECONDS, lambda: all(load.counts[tool] >= after[tool] for tool in PUSHES)), load.counts
    assert load.failed == []
    # The loss was noticed: something went by the other name.
    assert any(f"{NAMES[0]}/" in asked for asked in load.second), load.second
    assert len(load.acknowledged) >= len(before) + len(PUSHES) * EACH
    assert _missing(load, world.made[0]) == []


def test_its_replacement_comes_by_one_up(world: World, new_host: NewHost) -> None:
    """On a host that has nothing, with the same certificate and accounts; it has all images at once."""
    lost = world.made[1]
    certificate = world.made[0].certificate()
    host = new_host("lost-two", image="blank")
    lost.stack._run("state", "delete", "--all", "--yes", "--stack", lost.stack.name)
    lost.stack.host = host
    settings = dict(lost.settings)
    settings["host"] = {**settings["host"], "address": host.address, "hostKey": host.host_key}
    lost.stack.configure(settings)
    lost.stack.up()
    wait_until_healthy(host)
    world.made[1] = replace(lost, host=host, settings=settings)
    world.leads_to()
    assert world.made[1].certificate() == certificate
    assert _missing(world.load, world.made[1]) == []
    lost.stack.preview("--expect-no-changes")
    # Clients that were logged in are so still, and what is pushed there is at the other.
    load = Load(world.client, NAMES[::-1])
    with load.working():
        assert within(SECONDS, lambda: _each(load, 1)), (load.counts, load.failed)
    assert (load.failed, load.second) == ([], [])
    assert _missing(load, world.made[0]) == []


@pytest.fixture
def balancer(world: World, lab: Lab) -> Iterator[None]:
    """HAProxy as the document has it, but for names, addresses and the login. The shared name leads to it."""
    text = (ROOT / "docs/scaling.md").read_text().partition("```haproxy\n")[2].partition("```")[0]
    assert text
    login = base64.b64encode(f"{USER}:{world.made[0].password}".encode()).decode()
    changes = {
        "dr.example.net": SHARED,
        "/etc/ssl/certs/ca-certificates.crt": "/lab/ca.pem",
        "192.0.2.11": world.made[0].host.address,
        "192.0.2.12": world.made[1].host.address,
        "BASE64": login,
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    folder = world.client.folder / "haproxy"
    folder.mkdir(exist_ok=True)
    (folder / "haproxy.cfg").write_text(text)
    (folder / "ca.pem").write_text(world.made[0].ca.read_text())
    name = f"{lab.name}-haproxy"
    docker("rm", "--force", name, check=False)
    argv = ["run", "--detach", "--name", name, "--network", lab.name, "--network-alias", SHARED, *lab.labels()]
    docker(*argv, "--volume", f"{folder}:/lab:ro", images.build("haproxy"), "-f", "/lab/haproxy.cfg")
    yield
    docker("rm", "--force", name)


@pytest.mark.usefixtures("balancer")
def test_one_name_for_both(world: World) -> None:
    """Whichever is away, docker pulls and pushes by the shared name."""
    client = Client(world.client, SHARED)
    client.trust(world.made[0].ca.read_text())
    login = ["docker", "login", "--username", USER, "--password-stdin", SHARED]
    password = f"{world.made[0].password}\n"
    assert within(SECONDS, lambda: world.client.run(login, stdin=password, check=False).returncode == 0)
    digest = client.push("team/app:0")
    for number, away in enumerate(world.made, 1):
        away.host.run(["docker", "stop", "nginx"])
        # Until it is noticed that nobody answers there, a connection may meet that.
        assert within(SECONDS, lambda: all(_pulled(client, "team/app:0") for _ in range(5)))
        assert client.push(f"team/app:{number}") == digest
        away.host.run(["docker", "start", "nginx"])
        wait_until_healthy(away.host)
        assert within(SECONDS, lambda: all(_pulled(client, f"team/app:{number}") for number in (0, number)))


def _pulled(client: Client, name: str) -> bool:
    client.forget(name)
    return client.host.run(["docker", "pull", "--quiet", f"{SHARED}/{name}"], check=False).returncode == 0
