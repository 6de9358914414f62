"""Images in an object store that are pulled again: what the store is asked for then, and what happens without it.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

import http
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import ACCEPTED, Api, digest_of
from tests.e2e.object_store import ObjectStore
from tests.e2e.support import Deployed, deploy, round_trip, wait_until_healthy
from tests.lab import gotools
from tests.lab.authority import Authority
from tests.lab.clients import Client
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

IMAGE = "team/app:1"
KEPT = "/var/opt/nginx/cache"
REMEMBERED = 30
LAYERS = 20
LAYER_BYTES = 200_000
LARGE = 24 * 1024 * 1024
AT_ONCE = 8
TAKEN = {"Accept": f"{ACCEPTED}, application/vnd.docker.distribution.manifest.list.v2+json"}
SECONDS = 90


@dataclass(frozen=True)
class World:
    """A registry, its store, and an image in it as Docker makes them."""

    store: ObjectStore
    registry: Deployed
    user: Client
    digest: str

    def pull(self, repository: str) -> None:
        """An image as containerd pulls it."""
        api = Api(self.registry)
        status, headers, _ = api.request("HEAD", f"/v2/{repository}/manifests/1", headers=TAKEN)
        assert status == http.HTTPStatus.OK
        digest = str(headers["Docker-Content-Digest"])
        content = self.got(api, f"/v2/{repository}/manifests/{digest}")
        for part in json.loads(content)["layers"]:
            assert digest_of(self.got(api, f"/v2/{repository}/blobs/{part['digest']}")) == part["digest"]

    def got(self, api: Api, path: str) -> bytes:
        """What is there."""
        status, _, content = api.request("GET", path, headers=TAKEN)
        assert status == http.HTTPStatus.OK, content
        return content

    def costs(self, do: Callable[[], object]) -> tuple[int, int]:
        """How many requests the store had meanwhile, and how many bytes it sent."""
        before = self.store.served()
        do()
        after = self.store.served()
        return after[0] - before[0], after[1] - before[1]


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack, client_host: LabHost) -> Iterator[World]:
    """All of it, store and host at the same time."""
    store = ObjectStore(new_host("store", image="blank"), Authority("CA of the store"))
    fqdn = "objects-cached.example.net"
    host = new_host("objects-cached", aliases=[fqdn])
    with ThreadPoolExecutor() as pool:
        serving = pool.submit(store.serve, gotools.build("weed"))
        registry = deploy(
            host, new_stack("objects-cached", host), fqdn, store.settings(rememberSeconds=REMEMBERED, cacheSize="1G")
        )
        serving.result()
    user = registry.client(client_host)
    yield World(store, registry, user, user.push(IMAGE))


def _pushed(world: World, repository: str) -> None:
    layers = [os.urandom(LAYER_BYTES) for _ in range(LAYERS)]
    Api(world.registry).image(repository, "1", *layers)


def test_the_second_pull_asks_the_store_for_the_tag_alone(world: World) -> None:
    """An image of twenty layers; three requests would be allowed."""
    _pushed(world, "team/twenty")
    requests, sent = world.costs(lambda: world.pull("team/twenty"))
    assert requests > LAYERS
    assert sent > LAYERS * LAYER_BYTES
    # The registry looks whether its store is there, too.
    again = [world.costs(lambda: world.pull("team/twenty")) for _ in range(3)]
    assert min(again)[0] <= 3, again
    assert max(sent for _, sent in again) < LAYER_BYTES, again


def test_docker_pulls_it_too(world: World) -> None:
    """By tag and by digest, each time without a local copy."""
    for _ in range(2):
        round_trip(world.user, IMAGE, world.digest)


def test_many_who_ask_for_the_same_cost_one(world: World) -> None:
    """A large layer that nobody has pulled yet."""
    layer = os.urandom(LARGE)
    found = Api(world.registry).blob("team/large", layer)
    path = f"/v2/team/large/blobs/{found['digest']}"

    def ask(_: int) -> str:
        return digest_of(world.got(Api(world.registry), path))

    def all_ask() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert set(pool.map(ask, range(AT_ONCE))) == {found["digest"]}

    _, sent = world.costs(all_ask)
    assert LARGE <= sent < 2 * LARGE


def test_what_is_kept_outlives_the_proxy(world: World) -> None:
    """And an image of nginx whose workers have another number begins anew, without an error."""
    _pushed(world, "team/stays")
    world.pull("team/stays")
    host = world.registry.host
    for change, most in (("true", LAYER_BYTES), (f"chown -R 4242 {KEPT}", LAYERS * LAYER_BYTES * 2)):
        host.run(f"docker stop nginx && {change} && docker start nginx")
        wait_until_healthy(host)
        _, sent = world.costs(lambda: world.pull("team/stays"))
        assert sent < most
    assert host.run(f"find {KEPT} -user 4242").stdout == ""
    assert host.run(f"find {KEPT} -type f | head -n 1").stdout != ""
    world.registry.stack.preview("--expect-no-changes")


def test_what_is_deleted_elsewhere_is_gone_in_time(world: World) -> None:
    """Though its content is still on the disk."""
    api = Api(world.registry)
    found = api.blob("team/gone", os.urandom(1000))
    path = f"/v2/team/gone/blobs/{found['digest']}"
    assert world.got(api, path)
    asked = time.monotonic()
    world.store.remove(f"team/gone/_layers/sha256/{found['digest'].partition(':')[2]}")
    while (status := api.request("GET", path)[0]) == http.HTTPStatus.OK:
        assert time.monotonic() < asked + REMEMBERED + 5
        time.sleep(1)
    assert status == http.HTTPStatus.NOT_FOUND


def test_without_the_store_pulls_go_on(world: World) -> None:
    """Of what was pulled lately, by tag; and all of it again once it is there."""
    _pushed(world, "team/warm")
    _pushed(world, "team/cold")
    world.pull("team/warm")
    gone = time.monotonic()
    world.store.stop()
    try:
        rounds = 0
        while time.monotonic() < gone + REMEMBERED - 5:
            world.pull("team/warm")
            rounds += 1
        assert rounds
        status, _, _ = Api(world.registry).request("GET", "/v2/team/cold/manifests/1", headers=TAKEN)
        assert status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    finally:
        world.store.start()
    deadline = time.monotonic() + SECONDS
    while Api(world.registry).request("GET", "/v2/team/cold/manifests/1", headers=TAKEN)[0] != http.HTTPStatus.OK:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    world.pull("team/cold")
