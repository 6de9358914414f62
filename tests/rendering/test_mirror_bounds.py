"""A mirror that is kept small while clients pull from it, behind the real proxy: no pull fails, and the bound holds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.mirrors import Mirror
from registryctl.mirrors.choice import Bounds
from registryctl.mirrors.files import MirrorFiles
from registryctl.mirrors.trim import Run, Trimmed
from tests.rendering.mirror_world import MANIFEST, Upstream, await_true, mirroring, upstream
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

PREFIX = "hub.example.org"
CLIENTS, PHASES, PHASE_SECONDS, GRACE = 4, 5, 1.2, 1.0
SIZE = 200_000


@dataclass
class World:
    """A proxy, a registry that is mirrored, and what its mirror has."""

    proxy: Proxy
    upstream: Upstream
    data: Path

    def ask(self, path: str) -> Answer:
        """One request, on a connection of its own."""
        return self.proxy.connection("alice").ask("GET", f"/v2/{PREFIX}/{path}", Accept=MANIFEST)

    def pull(self, repository: str, reference: str, layer: bytes) -> None:
        """As a client does."""
        manifest = self.ask(f"{repository}/manifests/{reference}")
        assert manifest.status == 200, manifest.body
        self.layers(repository, manifest, layer)

    def layers(self, repository: str, manifest: Answer, layer: bytes) -> None:
        """What a manifest names."""
        for part, content in zip((manifest.json["config"], *manifest.json["layers"]), (b"{}", layer), strict=True):
            found = self.ask(f"{repository}/blobs/{part['digest']}")
            assert (found.status, found.body == content) == (200, True), found.body[:200]

    def trim(self, bounds: Bounds) -> Trimmed:
        """A run, for which a moment is shorter. Nobody counts pulls."""
        run = Run(MirrorFiles(self.data), _nobody_counts, bounds, time.time(), lambda _: time.sleep(0.1))
        return run.go()

    def stored(self) -> int:
        """Bytes of all blobs."""
        return sum(path.stat().st_size for path in self.data.glob("docker/registry/v2/blobs/*/*/*/data"))

    def has(self, repository: str, tag: str) -> bool:
        """Whether the mirror has a tag."""
        return (self.data / f"docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link").exists()


def _nobody_counts(_: str, __: Iterable[str]) -> float:
    return 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all; each test takes images of its own."""
    home = tmp_path_factory.mktemp("bounds")
    users = [user("alice")]
    with upstream(home / "upstream") as other, proxied(users) as proxy:
        mirror = Mirror(prefix=PREFIX, insecure=True, upstream=other.url)
        proxy.configure(users, mirrors=[mirror])
        proxy.reload()
        with mirroring(mirror, proxy.home / "run", home / "mirror"):
            yield World(proxy, other, home / "mirror/data")


def test_who_has_begun_a_pull_ends_it(world: World) -> None:
    """Also while the other registry is away: an image goes at its beginning, or not at all."""
    layer = os.urandom(SIZE)
    world.upstream.push("begun", "1", layer)
    world.pull("begun", "1", layer)
    manifest = world.ask("begun/manifests/1")
    for path in world.data.rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    world.upstream.stop()
    try:
        result = world.trim(Bounds(most=0))
        assert list(result.why) == ["begun:1"]
        world.layers("begun", manifest, layer)
        answer = world.ask("begun/manifests/1")
        assert (answer.status, answer.json["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    finally:
        world.upstream.start()
    world.pull("begun", "1", layer)


def test_a_damaged_manifest_is_fetched_anew(world: World) -> None:
    """A mirror never writes one that is there: it would be asked for at the other registry for ever."""
    layer = os.urandom(SIZE)
    digest = world.upstream.push("damaged", "1", layer)
    world.pull("damaged", "1", layer)
    name = digest.removeprefix("sha256:")
    blob = world.data / f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"
    content = blob.read_bytes()
    blob.write_bytes(b"")
    world.pull("damaged", "1", layer)
    assert blob.read_bytes() == b""
    os.utime(blob, (1, 1))
    assert world.trim(Bounds()).why == {f"damaged@{digest}": "damaged"}
    world.pull("damaged", "1", layer)
    assert blob.read_bytes() == content
    world.upstream.stop()
    try:
        world.pull("damaged", "1", layer)
    finally:
        world.upstream.start()


def test_the_bound_holds_under_load(world: World) -> None:
    """Clients pull some images for a while, and then others, while one run follows the other."""
    images = [(f"library/load{number}", str(number), os.urandom(SIZE)) for number in range(2 * PHASES + 2)]
    # Another repository has one of the layers too.
    images.append(("library/shares", "1", images[0][2]))
    for image in images:
        world.upstream.push(*image)
    most, ended, results = 4 * SIZE, threading.Event(), list[Trimmed]()

    def client(number: int) -> int:
        pulls = 0
        for phase in range(PHASES):
            end = time.monotonic() + PHASE_SECONDS
            while time.monotonic() < end:
                world.pull(*images[2 * phase + (pulls + number) % 4])
                pulls += 1
        return pulls

    def trims() -> None:
        while not ended.is_set():
            results.append(world.trim(Bounds(most=most, grace=GRACE)))
            time.sleep(0.05)

    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        trimming = pool.submit(trims)
        try:
            clients = [pool.submit(client, number) for number in range(CLIENTS)]
            pulls = sum(one.result() for one in clients)
        finally:
            ended.set()
        trimming.result()
    world.pull(*images[-1])
    print(f"\n{pulls} pulls, {len(results)} runs, {sum(one.freed for one in results)} bytes freed meanwhile")
    assert sum(one.freed for one in results) > SIZE
    await_true(lambda: world.trim(Bounds(most=most, grace=0.2)).stored <= most)
    assert SIZE < world.stored() <= most
    world.upstream.stop()
    try:
        kept = [image for image in images if world.has(image[0], image[1])]
        assert images[-1] in kept
        for image in kept:
            world.pull(*image)
        gone = world.ask(f"{images[1][0]}/manifests/{images[1][1]}")
        assert (gone.status, images[1] in kept) == (404, False)
    finally:
        world.upstream.start()


def test_pulls_of_mirrors_are_counted(world: World) -> None:
    """By their whole name, by tag and by digest: what nobody pulls is told by that."""
    digest = world.upstream.push("counted", "1", b"counted")
    world.pull("counted", "1", b"counted")
    world.pull("counted", digest, b"counted")
    log = world.proxy.home / "logs/traffic"

    def is_counted() -> bool:
        lines = [line.split("\t") for line in log.read_text().splitlines() if f"|{PREFIX}/counted\t" in line]
        return {line[-1].partition(" ")[0] for line in lines if line[-1]} == {"1", digest}

    await_true(is_counted)
