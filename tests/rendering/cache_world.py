"""A proxy that keeps what was pulled, as from an object store, and what stands in front of its registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from rendering.proxy import Cache
from tests.rendering.mirror_world import MANIFEST, digest_of
from tests.rendering.proxy_connection import Answer
from tests.rendering.reader_front import Front, fronted
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

USERS = (user("alice"), user("bob", role="pull", repositories=("team/*",)), user("carol", role="pull", repositories=()))
ALL = ", ".join(
    (
        MANIFEST,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
CACHE = Cache(megabytes=64, remembered=3600, slice=1, min_free=1)
SLICE = 1 << 20


@dataclass
class World:
    """A proxy that keeps what was pulled, and what stands in front of the registry."""

    proxy: Proxy
    front: Front

    def ask(self, who: str | None, method: str, path: str, **headers: str) -> Answer:
        """One request, as a client that takes all."""
        return self.proxy.connection(who).ask(method, f"/v2/{path}", None, **{"Accept": ALL, **headers})

    def push(self, name: str, tag: str, *layers: bytes) -> tuple[str, list[str]]:
        """An image; the digests of its manifest and of its layers."""
        connection = self.proxy.connection("alice")
        for blob in (b"{}", *layers):
            place = connection.ask("POST", f"/v2/{name}/blobs/uploads/", b"").headers["location"]
            path = place.partition("dr.example.net")[2] or place
            assert connection.ask("PUT", f"{path}&digest={digest_of(blob)}", blob).status == 201
        parts = [
            {"mediaType": "application/octet-stream", "digest": digest_of(b), "size": len(b)} for b in (b"{}", *layers)
        ]
        found = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        manifest = json.dumps(found).encode()
        done = connection.ask("PUT", f"/v2/{name}/manifests/{tag}", manifest, Content_Type=MANIFEST)
        assert done.status == 201, done.body
        self.front.take()
        return digest_of(manifest), [digest_of(layer) for layer in layers]

    def pull(self, who: str, name: str, tag: str) -> list[str]:
        """An image as containerd pulls it; what the registry was asked for that."""
        self.front.take()
        found = self.ask(who, "HEAD", f"{name}/manifests/{tag}")
        assert found.status == 200
        manifest = self.ask(who, "GET", f"{name}/manifests/{found.headers['docker-content-digest']}")
        assert digest_of(manifest.body) == found.headers["docker-content-digest"]
        for part in (manifest.json["config"], *manifest.json["layers"]):
            assert digest_of(self.ask(who, "GET", f"{name}/blobs/{part['digest']}").body) == part["digest"]
        return self.front.take()

    def reconfigure(self, cache: Cache) -> None:
        """Another one; what was remembered of answers is not touched."""
        self.proxy.cache = cache
        self.proxy.configure(USERS)
        self.proxy.reload()


@contextmanager
def caching(room: str = "") -> Iterator[World]:
    """A world of its own; with `room` its disk is no larger."""
    with proxied(USERS, room=room) as proxy, fronted(proxy.home / "run") as front:
        proxy.fast = False
        found = World(proxy, front)
        found.reconfigure(CACHE)
        yield found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One for all; each test takes images of its own."""
    with caching() as found:
        yield found
