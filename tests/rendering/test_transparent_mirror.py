"""A mirror by a name of its own, as dockerd comes to it: for certain addresses, its images and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from config.mirrors import Mirror
from config.nginx import Nginx
from config.transparent import Transparent
from tests.rendering.mirror_world import MANIFEST, Upstream, await_true, digest_of, mirroring, upstream
from tests.rendering.proxy_connection import Answer, Connection
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

HUB, OTHER = "docker.io", "other.example.org"
NAME, STRANGE = "hub.example.net", "other.example.net"
LAYER = b"of everybody" * 10_000
USERS = (user("alice"), user("bob", role="pull", repositories=("team/*",)))
OF_HUB = "theirs"
"""A login at the other registry, as dockerd sends it."""


@dataclass
class World:
    """A proxy whose two mirrors have names: one for this machine, one for others."""

    proxy: Proxy
    upstream: Upstream
    mirror: Path

    def has(self, name: str, digest: str) -> bool:
        """Whether the mirror has put a blob in its place."""
        links = self.mirror / f"data/docker/registry/v2/repositories/{name}/_layers/sha256"
        return (links / digest.removeprefix("sha256:") / "link").exists()

    def ask(self, method: str, path: str, body: bytes | None = None, *, host: str = NAME, user: str = "") -> Answer:
        """As a client of that name does; the password is everybody's here."""
        return Connection(self.proxy.address, user or None, host=host).ask(method, path, body, Accept=MANIFEST)

    def log(self) -> list[dict[str, str]]:
        """The lines of the audit trail."""
        return [json.loads(line) for line in (self.proxy.home / "logs/access.log").read_text().splitlines()]


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "slow"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all, with and without the mirror's files."""
    home = tmp_path_factory.mktemp("transparent")
    with upstream(home / "other") as other, proxied(USERS) as proxy:
        here, elsewhere = (
            Transparent(name=name, addresses=(network,))
            for name, network in ((NAME, "100.127.0.0/16"), (STRANGE, "198.51.100.0/24"))
        )
        mirrors = [
            Mirror(prefix=HUB, insecure=True, upstream=other.url, repositories=("library/*",), transparent=here),
            Mirror(prefix=OTHER, insecure=True, upstream=other.url, transparent=elsewhere),
        ]
        proxy.configure(USERS, nginx=Nginx(mirror_fast_path=request.param), mirrors=mirrors)
        proxy.reload()
        place = proxy.home / "mirrors" / HUB
        (place / "data").mkdir(parents=True)
        (place / "data" / mirrors[0].place).symlink_to(".")
        with (
            mirroring(mirrors[0], proxy.home / "run", place),
            mirroring(mirrors[1], proxy.home / "run", home / "mirror-other"),
        ):
            yield World(proxy, other, place)


def test_dockerd_pulls_as_from_the_other_registry(world: World) -> None:
    """By tag and digest, with what it adds; its login there counts for nothing. Again, the tag alone is asked for."""
    image = world.upstream.push("library/app", "1", LAYER)
    assert (world.ask("GET", "/v2/").status, "www-authenticate" in world.ask("GET", "/v2/").headers) == (200, False)
    for user_there in ("", OF_HUB):
        for reference in ("1", image):
            found = world.ask("GET", f"/v2/library/app/manifests/{reference}?ns=docker.io", user=user_there)
            assert (found.status, found.headers["docker-content-digest"]) == (200, image)
        assert world.ask("HEAD", "/v2/library/app/manifests/1?ns=docker.io", user=user_there).status == 200
        parts = [found.json["config"]["digest"], found.json["layers"][0]["digest"]]
        for part in parts:
            blob = world.ask("GET", f"/v2/library/app/blobs/{part}?ns=docker.io", user=user_there)
            assert digest_of(blob.body) == part
        if user_there:
            asked = {line.partition("?")[0] for line in world.upstream.asked()}
            assert asked == {"HEAD /v2/library/app/manifests/1"}
        # It does a moment after its client has it.
        for part in parts:
            await_true(partial(world.has, "library/app", part))
        world.upstream.forget()


def test_logs_have_the_whole_name(world: World) -> None:
    """The audit trail, and what metrics and last pulls are made of; and nobody's name."""
    world.upstream.push("library/logged", "1", LAYER)
    assert world.ask("GET", "/v2/library/logged/manifests/1?ns=docker.io", user=OF_HUB).status == 200
    await_true(
        lambda: (
            ("", f"{HUB}/library/logged", "1")
            in [(line["user"], line["repository"], line["reference"]) for line in world.log()]
        )
    )
    traffic = world.proxy.home / "logs/traffic"
    await_true(lambda: f"||{HUB}/library/logged\t" in traffic.read_text())
    assert OF_HUB not in traffic.read_text()


@pytest.mark.parametrize(
    "path",
    [
        "/v2/_catalog",
        "/v2/team/app/manifests/1",
        "/v2/docker.io/library/app/manifests/1",
        "/v2/library/app/tags/list",
        f"/v2/library/../../{OTHER}/library/app/manifests/1",
        f"/v2/library/..%2f..%2f{OTHER}/library/app/manifests/1",
        "/v2//team/app/manifests/1",
        "/v2/?/team/app/manifests/1",
        "/",
        "/ui/",
        "/token",
        "/metrics",
        "/login",
        "/mirrored",
        "/mirrored-file",
        "/mirrored-blob",
        "/catalogue-page?n=1000",
    ],
)
def test_nothing_else_is_there(world: World, path: str) -> None:
    """Neither the registry's own, whoever asks, nor what isn't mirrored, nor the page."""
    world.proxy.connection("alice").ask("POST", "/v2/team/app/blobs/uploads/", b"")
    world.upstream.forget()
    for who in ("", "alice"):
        found = world.ask("GET", path, user=who)
        if path.startswith("/v2/?"):
            assert (found.status, found.body) == (200, b"{}")
        else:
            assert found.status == 404, found.body
    assert world.upstream.asked() == []


def test_nothing_is_pushed(world: World) -> None:
    """Not by an admin of the registry's either."""
    digest = digest_of(LAYER)
    for method, path in (
        ("PUT", "/v2/library/app/manifests/1"),
        ("DELETE", "/v2/library/app/manifests/1"),
        ("POST", "/v2/library/app/blobs/uploads/"),
        ("POST", f"/v2/library/app/blobs/uploads/?mount={digest}&from=team/app"),
        ("DELETE", f"/v2/library/app/blobs/{digest}"),
    ):
        assert world.ask(method, path, b"{}", user="alice").status == 405, path
    assert world.ask("POST", "/v2/", b"{}").status == 404


def test_who_comes_from_elsewhere_gets_nothing(world: World) -> None:
    """Though the mirror has it; and by its prefix only who has the right."""
    world.upstream.push("library/far", "1", LAYER)
    assert world.ask("GET", "/v2/library/far/manifests/1").status == 200
    world.upstream.forget()
    blob = f"/v2/library/far/blobs/{digest_of(LAYER)}"
    for path in ("/v2/", "/v2/library/far/manifests/1", blob, "/v2/_catalog"):
        for who in ("", "alice"):
            answer = world.ask("GET", path, host=STRANGE, user=who)
            assert (answer.status, answer.json["errors"][0]["code"]) == (403, "DENIED"), path
    assert world.upstream.asked() == []
    by_prefix = f"/v2/{HUB}/library/far/manifests/1"
    fqdn = world.proxy.connection(None).host
    assert [world.ask("GET", by_prefix, host=fqdn, user=who).status for who in ("", "bob", "alice")] == [401, 403, 200]
    assert world.ask("GET", "/v2/", host="third.example.net").status == 421


def test_strangers_fill_no_log_of_errors(world: World) -> None:
    """Of any length each line could be, and as many as they like."""
    for host, path in ((STRANGE, f"/v2/{'x' * 1000}"), ("third.example.net", "/healthz")):
        assert world.ask("GET", path, host=host).status == 403
    connection = HTTPConnection(world.proxy.address, 80, timeout=20)
    connection.request("GET", "/.well-known/acme-challenge/none")
    assert connection.getresponse().status == 404
    said = world.proxy.errors()
    assert "forbidden by rule" not in said and "acme-challenge" not in said
