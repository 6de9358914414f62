"""What a mirror has, handed out by the real proxy itself: to whom it may, as the mirror would, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.mirrors import Mirror
from config.nginx import Nginx
from tests.rendering.mirror_world import MANIFEST, Upstream, digest_of, mirroring, upstream
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

PREFIX = "hub.example.org"
LAYER = b"of everybody" * 10_000
USERS = (user("alice"), user("bob", role="pull", repositories=(f"{PREFIX}/library/*",)), user("carol", repositories=()))
NOT_OF_IT = {"date", "connection", "server"}


@dataclass
class World:
    """A proxy with a mirror whose files it reads."""

    proxy: Proxy
    upstream: Upstream
    files: Path

    def ask(self, who: str | None, method: str, path: str, **headers: str) -> Answer:
        """One request."""
        return self.proxy.connection(who).ask(method, f"/v2/{PREFIX}/{path}", None, Accept=MANIFEST, **headers)

    def data(self, layer: bytes) -> Path:
        """Where a blob lies."""
        hashed = digest_of(layer).removeprefix("sha256:")
        return self.files / f"blobs/sha256/{hashed[:2]}/{hashed}/data"

    @contextmanager
    def mirror_away(self) -> Iterator[None]:
        """Nobody reaches it meanwhile."""
        socket = self.proxy.home / f"run/mirrors/{PREFIX}/socket"
        socket.rename(socket.with_name("away"))
        try:
            yield
        finally:
            socket.with_name("away").rename(socket)

    def has_pulled(self, name: str, layer: bytes) -> str:
        """Through the mirror, which has it then; the blob's path."""
        self.upstream.push(name, "1", layer)
        path = f"{name}/blobs/{digest_of(layer)}"
        assert self.ask("alice", "GET", path).body == layer
        link = self.files / f"repositories/{name}/_layers/sha256/{digest_of(layer).removeprefix('sha256:')}/link"
        # It puts it in its place a moment after the client has it.
        for _ in range(200):
            if link.exists():
                break
            self.ask("alice", "HEAD", path)
        assert link.exists()
        return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all; each test takes images of its own."""
    home = tmp_path_factory.mktemp("files")
    with upstream(home / "other") as other, proxied(USERS) as proxy:
        mirror = Mirror(prefix=PREFIX, insecure=True, upstream=other.url, repositories=("library/*", "own/*"))
        proxy.configure(USERS, nginx=Nginx(mirror_fast_path=True), mirrors=[mirror])
        proxy.reload()
        place = proxy.home / "mirrors" / PREFIX
        (place / "data").mkdir(parents=True)
        # Where the mirror of a host has a directory for each registry.
        (place / "data" / mirror.place).symlink_to(".")
        with mirroring(mirror, proxy.home / "run", place):
            yield World(proxy, other, place / "data/docker/registry/v2")


def _mark(world: World, layer: bytes) -> bytes:
    """Puts another content where it lies, as no mirror would: what hands it out then has read this file."""
    other = bytes(reversed(layer))
    world.data(layer).write_bytes(other)
    return other


def test_it_is_as_the_mirror_would_hand_it_out(world: World) -> None:
    """With the same headers, of GET and of HEAD; and it is the proxy that does."""
    path = world.has_pulled("library/same", LAYER)
    for method in ("GET", "HEAD"):
        # A condition is the mirror's to judge.
        its = world.ask("bob", method, path, If_None_Match='"another"')
        with world.mirror_away():
            ours = world.ask("bob", method, path)
        assert (ours.status, ours.body) == (its.status, its.body)
        assert {k: v for k, v in ours.headers.items() if k not in NOT_OF_IT} == {
            k: v for k, v in its.headers.items() if k not in NOT_OF_IT
        }


def test_rights_are_compared_first(world: World) -> None:
    """And what is mirrored, and by which repository it was pulled."""
    layer = b"rights" * 1000
    path = world.has_pulled("library/rights", layer)
    assert [world.ask(who, "GET", path).status for who in (None, "carol", "bob")] == [401, 403, 200]
    assert world.ask("alice", "PUT", path).status == 405
    # Another repository has no link to it, and the other registry doesn't have it there.
    assert world.ask("bob", "GET", path.replace("library/rights", "library/another")).status == 404
    closed = path.replace("library/rights", "closed/rights")
    there = world.files / "repositories"
    shutil.copytree(there / "library/rights", there / "closed/rights")
    assert world.ask("alice", "GET", closed).status == 404
    for name in ("/mirrored-file", f"/mirrored-file/{digest_of(layer)}"):
        assert world.proxy.connection("alice").ask("GET", name).status == 404


def test_a_file_leads_nowhere_else(world: World) -> None:
    """A mirror that was taken over can't have the proxy read its secrets, or the registry's images, to anybody."""
    layer = b"link" * 1000
    path = world.has_pulled("library/link", layer)
    assert world.ask("bob", "GET", path).body == layer
    data = world.data(layer)
    with world.mirror_away():
        for target in ("/etc/nginx/tls/files/current/fullchain.pem", "/etc/nginx/nginx.conf", "../../../other"):
            data.unlink()
            data.symlink_to(target)
            assert world.ask("bob", "GET", path).status == 503
        shutil.rmtree(data.parent)
        (world.files / "data").write_bytes(layer)
        data.parent.symlink_to(world.files)
        assert world.ask("bob", "GET", path).status == 503
        data.parent.unlink()
        data.parent.mkdir()
        data.write_bytes(layer)
        assert world.ask("bob", "GET", path).body == layer
        # All that it is given is its own to move, from the first directory on.
        top = world.files.parents[1]
        elsewhere = top.with_name("elsewhere")
        top.rename(elsewhere)
        top.symlink_to(elsewhere.name)
        try:
            assert world.ask("bob", "GET", path).status == 503
        finally:
            top.unlink()
            elsewhere.rename(top)
        assert world.ask("bob", "GET", path).body == layer


def test_what_is_removed_is_the_mirror_s_again(world: World) -> None:
    """At once: nothing remembers that it was there."""
    layer = b"gone" * 1000
    path = world.has_pulled("own/gone", layer)
    other = _mark(world, layer)
    assert world.ask("alice", "GET", path).body == other
    world.data(layer).unlink()
    assert world.ask("alice", "GET", path).body == layer
