"""Images in an object store go and come back: clean-up, deletion, retention, undo, while clients push and pull.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import OK

import pytest

from registryctl.hosts.times import MARGIN
from registryctl.layout import blob_path
from tests.e2e.clean_up import Kept, Puller, Pusher, at_work, clean_up, empty_trash, journal, let_a_day_pass, within
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api, Document
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import Deployed, deploy
from tests.lab import gotools
from tests.lab.authority import Authority

pytestmark = pytest.mark.e2e

FQDN = "removal.example.net"
PREFIX = "registries/removal"
ROUNDS = 4
WORKING_SECONDS = 300
BACK_SECONDS = 60
KILLED_WITHIN = """
registryctl gc & run=$!
for _ in $(seq 2000); do pgrep -f '^/bin/sleep [0-9.]+$' && break; sleep 0.01; done
kill -KILL $run
"""
"""It has begun to remove something: another process holds the barrier, should this one end."""
KILLED_AFTER = (0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 3.6)


@dataclass(frozen=True)
class World:
    """A registry whose images lie in a store, and images of which nothing may ever be lost."""

    store: ObjectStore
    registry: Deployed
    kept: Kept

    def has(self, image: Document) -> bool:
        """Whether the store has the content of a manifest."""
        return f"{PREFIX}/{blob_path(str(image['digest']))}" in self.store.names()


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> Iterator[World]:
    """Store and host at the same time."""
    store = ObjectStore(new_host("removal-store", image="blank"), Authority("CA of the store"))
    host = new_host("removal", aliases=[FQDN])
    policies = [{"repositories": ["retained/**"], "drop": ["pr-*"]}]
    settings = {
        **store.settings(prefix=PREFIX),
        "gc": {"maxShare": 100, "drainSeconds": 20},
        "retention": {"mode": "on", "policies": policies},
    }
    with ThreadPoolExecutor() as pool:
        serving = pool.submit(store.serve, gotools.build("weed"))
        registry = deploy(host, new_stack("removal", host), FQDN, settings)
        serving.result()
    yield World(store, registry, Kept.push(registry, "kept/app"))


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    """A client. It waits for as long as a run that was killed may hold pushes up."""
    found = Api(world.registry, patience=2 * MARGIN)
    yield found
    found.close()


def test_the_host_has_what_it_needs(world: World) -> None:
    """The client of the distribution, timers, and nothing that a second `up` would change."""
    host = world.registry.host
    host.run(["python3", "-c", "import botocore"])
    assert "docker-registry-gc.timer" in host.run("systemctl list-timers --no-pager").stdout
    world.registry.stack.preview("--expect-no-changes")
    assert host.failed_units() == []


def test_clean_ups_under_load(world: World, api: Api) -> None:
    """No push and no pull fails; what nobody needs is gone in the end, and all that was pushed is there."""
    host = world.registry.host
    garbage = [api.image("garbage/app", "", os.urandom(50_000)) for _ in range(3)]
    pushers = [Pusher(world.registry, f"busy/{number}") for number in range(2)]
    workers = [*pushers, Puller(world.kept)]
    with at_work(workers, WORKING_SECONDS):
        for _ in range(ROUNDS):
            let_a_day_pass(host)
            run = clean_up(host)
            assert run.code == 0, run.said
            empty_trash(host)
    assert [worker.failures for worker in workers] == [[], [], []]
    assert all(worker.done > ROUNDS for worker in workers)
    assert sum(pusher.check() for pusher in pushers) > 0
    world.kept.check()
    assert not any(world.has(image) for image in garbage)
    assert "garbage/app" not in api.repositories()


def test_a_deletion_is_undone_under_load(world: World, api: Api) -> None:
    """With all that the image needs, also after a clean-up; its push time is that of the undo."""
    host = world.registry.host
    gone = api.image("undone/app", "1.0", os.urandom(50_000), os.urandom(10))
    parts = api.pull("undone/app", "1.0")
    workers = [Pusher(world.registry, "busy/undo"), Puller(world.kept)]
    with at_work(workers, WORKING_SECONDS):
        host.run("registryctl rm --yes undone/app:1.0")
        assert (api.tags("undone/app"), api.serves("undone/app", gone["digest"])) == ([], False)
        let_a_day_pass(host)
        assert clean_up(host).code == 0
        assert world.has(gone)
        record = next(one for one in json.loads(host.run("registryctl trash --json").stdout) if one["reason"] == "rm")
        assert (record["tags"], record["repositories"]) == (1, ["undone/app"])
        said = host.run(["registryctl", "undo", record["run"]]).stdout
        assert "back   undone/app:1.0" in said
    assert [worker.failures for worker in workers] == [[], []]
    assert api.pull("undone/app", "1.0") == parts
    world.kept.check()


def test_retention_drops_and_undo_brings_back(world: World, api: Api) -> None:
    """By its policy; the last run is undone."""
    host = world.registry.host
    images = {tag: api.image("retained/app", tag, os.urandom(1000)) for tag in ("pr-1", "pr-2", "1.0")}
    said = host.run("registryctl retention").stdout
    assert "2 tags and 2 manifests of 1 repository" in said
    assert api.tags("retained/app") == ["1.0"]
    host.run("registryctl undo")
    assert sorted(api.tags("retained/app")) == sorted(images)
    assert all(image["digest"] in api.pull("retained/app", tag) for tag, image in images.items())


def test_the_usage_sums_up(world: World, api: Api) -> None:
    """To all that lies in the store."""
    api.image("used/app", "1.0", os.urandom(100_000))
    found = json.loads(world.registry.host.run("registryctl usage --json").stdout)
    its = {one["name"]: one for one in found["repositories"]}
    assert its["used/app"]["alone"] > 100_000
    whole = sum(one["alone"] for one in its.values()) + found["shared"] + found["trash"] + found["unneeded"]
    assert whole == found["total"]


def test_a_run_that_is_killed_while_it_removes(world: World, api: Api) -> None:
    """What it has sent the store may still be carried out: a push waits until that has ended, and comes through."""
    host = world.registry.host
    image = api.image("halfway/app", "1.0", os.urandom(10_000))
    api.delete("halfway/app", image["digest"])
    let_a_day_pass(host)
    assert host.run(KILLED_WITHIN, check=False, timeout=120).stdout.split()
    began = time.monotonic()
    pushed = api.image("halfway/other", "1.0", os.urandom(100))
    waited = time.monotonic() - began
    print(f"a push waited {waited:.0f} s")
    assert MARGIN / 2 < waited < MARGIN + BACK_SECONDS
    assert pushed["digest"] in api.pull("halfway/other", "1.0")
    world.kept.check()
    assert clean_up(host).code == 0
    assert not world.has(image)


def test_runs_that_are_killed(world: World, api: Api) -> None:
    """At any moment: images stay whole, pushes go on, and the next run completes it."""
    host = world.registry.host
    empty_trash(host)
    for number, seconds in enumerate(KILLED_AFTER):
        image = api.image("killed/app", f"v{number}", os.urandom(10_000))
        api.delete("killed/app", image["digest"])
        let_a_day_pass(host)
        host.run(f"timeout -s KILL {seconds} registryctl gc", check=False)
        assert api.image("killed/other", f"v{number}", os.urandom(100))["digest"] in api.pull(
            "killed/other", f"v{number}"
        )
    world.kept.check()
    let_a_day_pass(host)
    assert clean_up(host).code == 0
    assert "killed/app" not in api.repositories()
    world.kept.check()


def test_a_store_that_is_away(world: World, api: Api) -> None:
    """One line says so, nothing is removed, and no key is told; afterwards all is as before."""
    host = world.registry.host
    api.image("away/app", "", os.urandom(1000))
    let_a_day_pass(host)
    before = world.store.names()
    world.store.stop()
    try:
        done = host.run("registryctl gc", check=False, timeout=240)
        assert done.returncode == 1
        assert done.stderr.startswith("gc: the object store gives no answer: ")
        for words in ("rm --yes away/app:1", "undo", "usage", "trash"):
            assert host.run(f"registryctl {words}", check=False, timeout=240).returncode == 1, words
    finally:
        world.store.start()
    assert world.store.names() == before
    # Nobody keeps a connection that long; and the registry looks for its store every ten seconds.
    api.close()
    catalogue = "/v2/_catalog?n=1"
    assert within(BACK_SECONDS, lambda: world.registry.get(catalogue, password=world.registry.password).status == OK)
    assert clean_up(host).code == 0
    assert "away/app" not in api.repositories()
    world.kept.check()
    said = host.run("journalctl --no-pager -q -o cat", private=True).stdout + journal(host)
    assert world.store.key.secret not in said
