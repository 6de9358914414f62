"""Images through a mirror as clients pull them: of several platforms, and of many layers by many at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from config.mirrors import Mirror
from config.nginx import Nginx
from tests.rendering.mirror_world import MANIFEST, Upstream, await_true, digest_of, mirroring, upstream
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

PREFIX = "hub.example.org"
INDEX = "application/vnd.oci.image.index.v1+json"
CLIENTS, LAYERS = 8, 20


@dataclass
class World:
    """A proxy with a mirror of another registry."""

    proxy: Proxy
    upstream: Upstream

    def ask(self, path: str, method: str = "GET") -> Answer:
        """As a client that takes all types, on a connection of its own."""
        return self.proxy.connection("alice").ask(method, f"/v2/{PREFIX}/{path}", Accept=f"{INDEX}, {MANIFEST}")

    def put(self, name: str, reference: str, kind: str, found: dict[str, Any]) -> dict[str, Any]:
        """A manifest there; how others name it."""
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, **found}).encode()
        path = f"/v2/{name}/manifests/{reference.format(digest_of(manifest))}"
        assert self.upstream.ask("PUT", path, manifest, Content_Type=kind).status == 201
        return {"mediaType": kind, "digest": digest_of(manifest), "size": len(manifest)}

    def blob(self, name: str, content: bytes) -> dict[str, Any]:
        """A blob there; how manifests name it."""
        place = self.upstream.ask("POST", f"/v2/{name}/blobs/uploads/").headers["Location"]
        path = place.removeprefix(self.upstream.url)
        assert self.upstream.ask("PUT", f"{path}&digest={digest_of(content)}", content).status == 201
        return {"mediaType": "application/octet-stream", "digest": digest_of(content), "size": len(content)}

    def image(self, name: str, reference: str, layers: list[bytes]) -> dict[str, Any]:
        """One of several layers; how an index names it."""
        parts = [self.blob(name, content) for content in (b"{}", *layers)]
        return self.put(name, reference, MANIFEST, {"config": parts[0], "layers": parts[1:]})

    def pull(self, name: str, reference: str) -> list[bytes]:
        """The layers of an image, and of all platforms; each part is what its digest says."""
        manifest = self.ask(f"{name}/manifests/{reference}")
        assert manifest.status == 200, manifest.body
        assert manifest.headers["docker-content-digest"] == digest_of(manifest.body)
        assert manifest.headers["content-type"] == manifest.json["mediaType"]
        if manifest.json["mediaType"] == INDEX:
            return [layer for one in manifest.json["manifests"] for layer in self.pull(name, one["digest"])]
        digests = [one["digest"] for one in (manifest.json["config"], *manifest.json["layers"])]
        found = [self.ask(f"{name}/blobs/{digest}").body for digest in digests]
        assert [digest_of(content) for content in found] == digests
        return found[1:]


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "slow"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all, with and without the mirror's files; each test takes images of its own."""
    home = tmp_path_factory.mktemp("images")
    with upstream(home / "other") as other, proxied([user("alice")]) as proxy:
        mirror = Mirror(prefix=PREFIX, insecure=True, upstream=other.url)
        proxy.configure([user("alice")], nginx=Nginx(mirror_fast_path=request.param), mirrors=[mirror])
        proxy.reload()
        place = proxy.home / "mirrors" / PREFIX
        (place / "data").mkdir(parents=True)
        (place / "data" / mirror.place).symlink_to(".")
        with mirroring(mirror, proxy.home / "run", place):
            yield World(proxy, other)


def _is_here(world: World, name: str, reference: str) -> bool:
    """Whether a pull asks the other registry for nothing but the tag."""
    world.upstream.forget()
    world.pull(name, reference)
    return world.upstream.asked() == [f"HEAD /v2/{name}/manifests/{reference}"]


def test_an_image_of_several_platforms(world: World) -> None:
    """Its index by tag and digest, with its type, and what it names; again, only the tag is asked for."""
    name = "library/platforms"
    platforms = [
        world.image(name, "{}", [f"layer of {arch}".encode() * 1000]) for arch in ("amd64", "arm64", "riscv64")
    ]
    index = world.put(name, "1", INDEX, {"manifests": platforms})
    layers = world.pull(name, "1")
    assert [layer[:13] for layer in layers] == [b"layer of amd6", b"layer of arm6", b"layer of risc"]
    await_true(lambda: _is_here(world, name, "1"))
    world.upstream.forget()
    assert world.pull(name, index["digest"]) == layers
    assert world.upstream.asked() == []


def test_many_clients_fetch_each_layer_once(world: World) -> None:
    """Of a new image of many layers, all of which they ask for at once."""
    name = "library/layers"
    layers = [bytes([number]) * (10_000 * (1 + number % 5)) + b"many" for number in range(LAYERS)]
    world.image(name, "1", layers)
    world.upstream.forget()
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(lambda _: world.pull(name, "1"), range(CLIENTS)))
    assert found == [layers] * CLIENTS
    asked = Counter(line for line in world.upstream.asked() if line.startswith(f"GET /v2/{name}/blobs/"))
    assert asked == dict.fromkeys([f"GET /v2/{name}/blobs/{digest_of(content)}" for content in (b"{}", *layers)], 1)
