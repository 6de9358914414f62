"""Images move from files to an object store and back, while clients push and pull.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`, or with more images
`make test-moving MOVED=20000`.
"""

import http.client
import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from typing import Any

import pytest

from registryctl.layout import blob_path
from tests.e2e.clean_up import DATA, Kept, Puller, Pusher, Worker, at_work, clean_up
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import Deployed, deploy, runs
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

FQDN = "moving.example.net"
PREFIX = "registries/moving"
MEGABYTES = int(os.environ.get("MOVED_MEGABYTES", "200"))
LAYER = 20 << 20
"""So large that a store gets it in pieces."""
COPY_SECONDS = 300 + MEGABYTES
WORKING_SECONDS = 900 + 4 * MEGABYTES
LONGEST_WAIT = 10
KILLED_AFTER = (0.7, 1.5, 3.0, 6.0)
KILL_SWITCH = """
for _ in $(seq 3000); do
    found=$(pgrep -f '^[^ ]*python3 .*registryctl move switch') && sleep {after} && kill -KILL $found && exit 0
    sleep 0.02
done
exit 1
"""


@dataclass(frozen=True)
class World:
    """A registry with files, a bucket beside, and images of which nothing may ever be lost."""

    store: ObjectStore
    registry: Deployed
    kept: Kept

    @property
    def host(self) -> LabHost:
        """The registry's."""
        return self.registry.host

    def names(self) -> set[str]:
        """What lies in the bucket below the prefix."""
        return {name.removeprefix(f"{PREFIX}/") for name in self.store.names()}

    def turn(self, driver: str) -> None:
        """Writes the driver into the stack's settings."""
        storage: dict[str, Any] = {**self.registry.settings["storage"], "driver": driver}
        self.registry.stack.configure({**self.registry.settings, "storage": storage})

    def copy(self) -> None:
        """`registryctl move`, killed some times on its way, and then to its end."""
        for seconds in KILLED_AFTER:
            self.host.run(["timeout", "-s", "KILL", str(seconds), "registryctl", "move"], check=False)
        self.host.run("registryctl move", timeout=COPY_SECONDS)


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> Iterator[World]:
    """Store and host at the same time. The bucket is there beside the files, and nothing uses it."""
    store = ObjectStore(new_host("moving-store", image="blank"), Authority("CA of the store"))
    host = new_host("moving", aliases=[FQDN])
    settings = store.settings(prefix=PREFIX)
    settings["storage"]["driver"] = "filesystem"
    with ThreadPoolExecutor() as pool:
        serving = pool.submit(store.serve, gotools.build("weed"))
        registry = deploy(host, new_stack("moving", host), FQDN, {**settings, "gc": {"maxShare": 100}})
        serving.result()
    kept = Kept.push(registry, "kept/app")
    api = Api(registry)
    for number in range(max(1, (MEGABYTES << 20) // LAYER)):
        api.image("kept/large", f"v{number}", os.urandom(LAYER))
    kept.images["kept/large", "v0"] = api.pull("kept/large", "v0")
    api.close()
    yield World(store, registry, kept)


class Reconnecting(Api):
    """As clients do: nginx ends idle connections when it reloads, which may be just when something is sent.

    `longest` is of all requests: the question before an upload waits too.
    """

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, bytes]:
        """Once more over a new connection, where a kept one has ended without an answer."""
        kept, began = self._connection is not None, time.monotonic()
        try:
            return super().request(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
            if not kept:
                raise
            return super().request(method, path, body, headers)
        finally:
            self.longest = max(self.longest, time.monotonic() - began)


def _workers(world: World, repository: str) -> tuple[list[Pusher], list[Worker]]:
    pushers = [Pusher(world.registry, f"{repository}/{number}") for number in range(2)]
    workers: list[Worker] = [*pushers, Puller(world.kept)]
    for worker in workers:
        worker.api = Reconnecting(world.registry)
    return pushers, workers


def _up_killed_at_the_switch(world: World, after: str) -> bool:
    """The tool that copies the last difference is killed, and the `up` fails; False: it had ended before."""
    with ThreadPoolExecutor() as pool:
        killing = pool.submit(world.host.run, KILL_SWITCH.format(after=after), timeout=180, check=False)
        done = world.registry.stack.up(check=False)
        killed = killing.result().returncode == 0
    assert (done.returncode != 0) == killed, done.stdout + done.stderr
    return killed


def _check(world: World, workers: list[Worker], pushers: list[Pusher]) -> None:
    assert [worker.failures for worker in workers] == [[] for _ in workers]
    assert all(worker.done > 3 for worker in workers)
    assert sum(pusher.check() for pusher in pushers) > 0
    world.kept.check()


def _move(world: World, driver: str, repository: str) -> None:
    """By one `up`, while clients work: none fails, and none waits long."""
    pushers, workers = _workers(world, repository)
    with at_work(workers, WORKING_SECONDS):
        world.copy()
        world.turn(driver)
        began = time.monotonic()
        world.registry.stack.up()
        print(f"\nup with driver {driver}: {time.monotonic() - began:.1f} s")
        time.sleep(5)
    waits = [worker.api.longest for worker in workers]
    print(f"the longest waits of two pushers and a puller: {waits}, who did {[worker.done for worker in workers]}")
    print(world.host.run("registryctl move status").stdout)
    _check(world, workers, pushers)
    assert max(waits) < LONGEST_WAIT


def _is_whole(world: World) -> None:
    """A clean-up finds all, and removes nothing that is needed."""
    assert clean_up(world.host).code == 0
    world.kept.check()
    world.registry.stack.preview("--expect-no-changes")


def _is_at_home(world: World) -> None:
    """All images are in files, and nothing of the bucket is used any more."""
    assert json.loads(world.host.run("registryctl move status --json").stdout)["target"] == ""
    assert not [name for name in world.names() if name.startswith("docker-registry/hosts/")]
    _is_whole(world)


def test_the_bucket_beside_changes_nothing(world: World) -> None:
    """The key is root's, the tools know where, the registry doesn't."""
    host = world.host
    assert host.run("stat -c %a /var/opt/docker-registry/etc/store-key").stdout == "600\n"
    assert "AWS_" not in host.run("docker inspect registry").stdout
    assert not any(name.startswith("docker/") for name in world.names())
    world.registry.stack.preview("--expect-no-changes")


def test_a_turned_driver_is_refused_before_the_copy(world: World) -> None:
    """Nothing is touched."""
    before = runs(world.host)
    world.turn("s3")
    done = world.registry.stack.up(check=False)
    assert done.returncode != 0
    assert "There are images in" in done.stdout + done.stderr
    world.turn("filesystem")
    world.registry.stack.up()
    assert runs(world.host) == before


def test_to_the_bucket(world: World) -> None:
    """No pull and no push fails, and no push waits long; all that was pushed is there, what was deleted is not."""
    files = world.host.run(f"find {DATA}/docker -name data | wc -l").stdout
    proxy = runs(world.host)["nginx"]
    _move(world, "s3", "busy")
    assert runs(world.host)["nginx"] == proxy
    # What was there lies where it lay.
    assert int(world.host.run(f"find {DATA}/docker -name data | wc -l").stdout) >= int(files)
    _is_whole(world)


def test_the_bucket_has_all(world: World) -> None:
    """Also once the files are away."""
    # As the documents have it; the disk has room for one copy.
    world.host.run(f"rm -r {DATA}/docker")
    world.kept.check()
    api = Api(world.registry)
    pushed = api.image("after/app", "1.0", os.urandom(50_000))
    assert blob_path(str(pushed["digest"])) in world.names()
    api.close()


def test_and_back(world: World) -> None:
    """As on the way there."""
    _move(world, "filesystem", "back")
    _is_at_home(world)


def test_again_and_back_killed_at_each_step(world: World) -> None:
    """The last step too: the next `up` goes on, and meanwhile pulls wait."""
    world.store.delete(f"{PREFIX}/{name}" for name in world.names())
    world.copy()
    world.turn("s3")
    world.registry.stack.up()
    world.host.run(f"rm -r {DATA}/docker")
    pushers, workers = _workers(world, "killed")
    with at_work(workers, WORKING_SECONDS):
        world.copy()
        world.turn("filesystem")
        assert _up_killed_at_the_switch(world, "0.1")
        for after in ("0.8", "1.5"):
            if not _up_killed_at_the_switch(world, after):
                break
        world.registry.stack.up()
        time.sleep(5)
    print(f"\nthe longest waits with killed ups: {[worker.api.longest for worker in workers]}")
    _check(world, workers, pushers)
    _is_at_home(world)
