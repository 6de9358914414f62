"""Two hosts with one bucket: what one removes, while clients push at both; and one that goes.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from registryctl.layout import blob_path
from tests.e2e.clean_up import Kept, Puller, Pusher, at_work, clean_up, let_a_day_pass
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api, Document
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import Deployed, deploy
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.host import LabHost
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

NAMES = ("shared-one", "shared-two")
PREFIX = "registries/shared"
UNIT = "docker-registry-barrier"
ROUNDS = 3
WORKING_SECONDS = 300
SECONDS = 200


@dataclass(frozen=True)
class World:
    """Two registries with the same bucket, and images of which nothing may ever be lost."""

    store: ObjectStore
    one: Deployed
    two: Deployed
    kept: Kept

    def has(self, image: Document) -> bool:
        """Whether the store has the content of a manifest."""
        return f"{PREFIX}/{blob_path(str(image['digest']))}" in self.store.names()


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> Iterator[World]:
    """The store before the hosts: each of them is known there before it writes."""
    store = ObjectStore(new_host("shared-store", image="blank"), Authority("CA of the store"))
    shared = {
        **store.settings(prefix=PREFIX),
        "registry": {"httpSecret": Secret(secrets.token_hex(16))},
        "gc": {"maxShare": 100, "drainSeconds": 20},
    }

    store.serve(gotools.build("weed"))
    hosts = {name: new_host(name, aliases=[f"{name}.example.net"]) for name in NAMES}

    def up(name: str) -> Deployed:
        return deploy(hosts[name], new_stack(name, hosts[name]), f"{name}.example.net", shared)

    with ThreadPoolExecutor() as pool:
        made = list(pool.map(up, NAMES))
    yield World(store, made[0], made[1], Kept.push(made[0], "kept/app"))


def _listed(host: LabHost) -> dict[str, str]:
    found = json.loads(host.run("registryctl hosts --json").stdout)
    return {one["stack"].rpartition("/")[2]: one["state"] for one in found}


def _await(host: LabHost, command: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while host.run(command, check=False).returncode:
        assert time.monotonic() < deadline, host.run(f"journalctl -u {UNIT} -n 30 --no-pager").stdout
        time.sleep(0.5)


def test_each_knows_the_other(world: World) -> None:
    """By a command and by the status; a second `up` changes nothing."""
    names = [deployed.stack.name for deployed in (world.one, world.two)]
    assert _listed(world.one.host) == {names[0]: "this host", names[1]: "it is there"}
    assert _listed(world.two.host) == {names[1]: "this host", names[0]: "it is there"}
    _await(world.one.host, f"registry-status hosts | grep -q 'hosts: ok; with .*{names[1]}'", 60)
    for deployed in (world.one, world.two):
        deployed.stack.preview("--expect-no-changes")
        assert deployed.host.failed_units() == []


def test_clean_ups_under_load_at_both(world: World) -> None:
    """No push and no pull fails at either; what nobody needs is gone, and all that was pushed is there at both."""
    api = Api(world.one)
    garbage = [api.image("garbage/app", "", os.urandom(50_000)) for _ in range(3)]
    pushers = [Pusher(deployed, f"busy/{number}") for number, deployed in enumerate([world.one, world.two])]
    workers = [*pushers, Puller(world.kept)]
    with at_work(workers, WORKING_SECONDS):
        for number in range(ROUNDS):
            # By turns: each asks the other.
            cleaning, other = (world.one, world.two)[:: 1 if number % 2 == 0 else -1]
            for deployed in (cleaning, other):
                let_a_day_pass(deployed.host)
            run = clean_up(cleaning.host)
            assert run.code == 0, run.said
            cleaning.host.run("registryctl trash empty")
    assert [worker.failures for worker in workers] == [[], [], []]
    assert all(worker.done > ROUNDS for worker in workers)
    assert sum(pusher.check() for pusher in pushers) > 0
    world.kept.check()
    assert not any(world.has(image) for image in garbage)
    api.close()


def test_both_at_once(world: World) -> None:
    """One waits for the other; none fails."""
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda deployed: clean_up(deployed.host), [world.one, world.two]))
    assert [run.code for run in runs] == [0, 0], [run.said for run in runs]


def test_destroy_takes_the_entry_away(world: World) -> None:
    """Of the host that goes, once its registry is gone; the other cleans up alone."""
    world.two.stack.destroy()
    assert list(_listed(world.one.host)) == [world.one.stack.name]
    assert world.two.host.run("test -e /var/lib/docker-registry/bucket.json", check=False).returncode != 0
    assert clean_up(world.one.host).code == 0
    world.kept.check()
