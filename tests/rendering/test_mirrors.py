"""Mirrors behind the real proxy: names, rights, what the other registry is asked for, and what happens without it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.access import Access
from config.mirrors import Mirror
from config.users import User
from tests.rendering.mirror_world import LOGIN, MANIFEST, Upstream, digest_of, mirroring, upstream
from tests.rendering.proxy_connection import Answer
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

OPEN, CLOSED, AWAY, TRUSTED = (f"{name}.example.org" for name in ("hub", "closed", "away", "trusted"))
TRUSTED_SECONDS = 3
LAYER = b"of everybody" * 100_000
SECRET_LAYER = b"of few" * 1000
USERS: tuple[User, ...] = (
    user("alice"),
    user("bob", role="pull", repositories=(f"{OPEN}/library/*",)),
    user("carol", role="push", repositories=("team/*",)),
    user("dave", role="push", repositories=(f"{CLOSED}/*", "team/*")),
)
ACCESS = Access(anonymous_pull=(f"{OPEN}/library/free*",))


@dataclass
class World:
    """A proxy, two registries that are mirrored, and one that nobody reaches."""

    proxy: Proxy
    open: Upstream
    closed: Upstream
    logs: list[Path]
    image: str
    hidden: str

    def ask(self, who: str | None, method: str, path: str, body: bytes | None = None) -> Answer:
        """One request."""
        return self.proxy.connection(who).ask(method, path, body, Accept=MANIFEST)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all; each test takes images of its own."""
    home = tmp_path_factory.mktemp("mirrors")
    with (
        upstream(home / "open") as one,
        upstream(home / "closed", login=LOGIN) as other,
        proxied(USERS, ACCESS) as proxy,
    ):
        mirrors = [
            Mirror(prefix=OPEN, insecure=True, upstream=one.url, repositories=("library/*",)),
            Mirror(prefix=CLOSED, insecure=True, upstream=other.url),
            Mirror(prefix=AWAY, insecure=True, upstream="http://127.0.0.1:9"),
            Mirror(prefix=TRUSTED, insecure=True, upstream=one.url, tag_seconds=TRUSTED_SECONDS),
        ]
        image, hidden = one.push("library/app", "1", LAYER), other.push("secret", "1", SECRET_LAYER)
        proxy.configure(USERS, ACCESS, mirrors=mirrors)
        proxy.reload()
        run = proxy.home / "run"
        with (
            mirroring(mirrors[0], run, home / "mirror-open") as first,
            mirroring(mirrors[1], run, home / "mirror-closed", LOGIN) as second,
            mirroring(mirrors[2], run, home / "mirror-away") as third,
            mirroring(mirrors[3], run, home / "mirror-trusted") as fourth,
        ):
            yield World(proxy, one, other, [first, second, third, fourth], image, hidden)


def code(answer: Answer) -> tuple[int, str]:
    """Status and code of an error, which is JSON."""
    assert answer.headers["content-type"] == "application/json"
    return answer.status, answer.json["errors"][0]["code"]


def pulled(world: World, who: str | None, name: str, reference: str, layer: bytes) -> None:
    """An image as a client pulls it."""
    manifest = world.ask(who, "GET", f"/v2/{name}/manifests/{reference}")
    assert manifest.status == 200, manifest.body
    assert manifest.headers["docker-content-digest"] == digest_of(manifest.body)
    blobs = [manifest.json["config"]["digest"], manifest.json["layers"][0]["digest"]]
    assert [world.ask(who, "GET", f"/v2/{name}/blobs/{digest}").body for digest in blobs] == [b"{}", layer]


def test_the_second_pull_asks_for_the_tag_alone(world: World) -> None:
    """And by digest for nothing."""
    image = world.open.push("library/twice", "1", LAYER)
    name = f"{OPEN}/library/twice"
    pulled(world, "bob", name, "1", LAYER)
    assert f"GET /v2/library/twice/blobs/{digest_of(LAYER)}" in world.open.asked()
    world.open.forget()
    pulled(world, "bob", name, "1", LAYER)
    assert world.open.asked() == ["HEAD /v2/library/twice/manifests/1"]
    world.open.forget()
    pulled(world, "bob", name, image, LAYER)
    assert world.open.asked() == []


def test_a_tag_that_moved_there_moves_here(world: World) -> None:
    """At once."""
    name = f"{OPEN}/library/moves"
    for layer in (b"first", b"second"):
        world.open.push("library/moves", "1", layer)
        pulled(world, "bob", name, "1", layer)


def test_a_tag_is_trusted_for_as_long_as_was_said(world: World) -> None:
    """Then it moves. Who may not pull it gets nothing of what is remembered, and only tags are."""
    name, repository = f"{TRUSTED}/library/trusted", "library/trusted"
    first = world.open.push(repository, "1", b"first")
    path = f"/v2/{name}/manifests"
    assert world.ask("alice", "HEAD", f"{path}/1").headers["docker-content-digest"] == first
    second = world.open.push(repository, "1", b"second")
    assert world.ask("alice", "GET", f"{path}/1").headers["docker-content-digest"] == first
    assert world.open.asked() == []
    assert [world.ask(who, "GET", f"{path}/1").status for who in (None, "bob")] == [401, 403]
    assert world.ask("alice", "GET", f"{path}/{second}").headers["docker-content-digest"] == second
    assert world.ask("alice", "GET", f"/v2/{OPEN}/{repository}/manifests/1").headers["docker-content-digest"] == second
    # nginx counts whole seconds, and the last one counts too.
    time.sleep(TRUSTED_SECONDS + 1)
    assert world.ask("alice", "GET", f"{path}/1").headers["docker-content-digest"] == second
    # Words that no registry knows make nothing else of it, of which there is no end.
    world.open.forget()
    for number in range(3):
        ask = world.proxy.connection("alice").ask
        assert ask("GET", f"{path}/1", Accept=f"{MANIFEST}, a/{number}").headers["docker-content-digest"] == second
    assert world.open.asked() == []
    assert world.ask("alice", "PUT", f"{path}/1", b"{}").status == 405
    assert world.ask("alice", "GET", f"{path}/2").status == 404
    assert world.ask("alice", "GET", f"/mirrored-tag/{TRUSTED}").status == 404


def test_an_account_there_is_used(world: World) -> None:
    """For who has the right here; nobody sees its password."""
    pulled(world, "dave", f"{CLOSED}/secret", "1", SECRET_LAYER)
    said = "".join(log.read_text() for log in world.logs)
    said += "".join(path.read_text() for path in (world.proxy.home / "logs").iterdir())
    assert LOGIN.password not in said


def test_without_the_right_nobody_gets_as_far_as_the_mirror(world: World) -> None:
    """Neither to what it has nor to the other registry."""
    pulled(world, "dave", f"{CLOSED}/secret", "1", SECRET_LAYER)
    for home in (world.open, world.closed):
        home.forget()
    digest = digest_of(SECRET_LAYER)
    for path in ("manifests/1", f"manifests/{world.hidden}", f"blobs/{digest}", "tags/list", f"referrers/{digest}"):
        for method in ("GET", "HEAD"):
            found = [world.ask(who, method, f"/v2/{CLOSED}/secret/{path}").status for who in (None, "bob", "carol")]
            assert found == [401, 403, 403], path
    assert world.ask("bob", "GET", f"/v2/{OPEN}/library/../../{CLOSED}/secret/manifests/1").status == 404
    assert world.ask("bob", "GET", f"/v2/{OPEN}/library%2f..%2f..%2fsecret/manifests/1").status == 404
    assert world.open.asked() == world.closed.asked() == []


def test_what_is_open_to_all_needs_no_account(world: World) -> None:
    """By the same pattern as everywhere."""
    world.open.push("library/free-1", "1", b"free")
    pulled(world, None, f"{OPEN}/library/free-1", "1", b"free")
    assert world.ask(None, "GET", f"/v2/{OPEN}/library/app/manifests/1").status == 401


def test_nothing_is_pushed_or_deleted(world: World) -> None:
    """Whatever the role; who has no right there gets the usual answer."""
    digest = digest_of(LAYER)
    requests = [
        ("POST", f"/v2/{CLOSED}/secret/blobs/uploads/"),
        ("POST", f"/v2/{CLOSED}/secret/blobs/uploads/?mount={digest}&from=team/app"),
        ("PATCH", f"/v2/{CLOSED}/secret/blobs/uploads/x"),
        ("PUT", f"/v2/{CLOSED}/secret/blobs/uploads/x?digest={digest}"),
        ("PUT", f"/v2/{CLOSED}/secret/manifests/1"),
    ]
    for home in (world.open, world.closed):
        home.forget()
    for method, path in requests:
        assert code(world.ask("dave", method, path, b"{}")) == (405, "UNSUPPORTED"), path
        assert code(world.ask("bob", method, path, b"{}")) == (403, "DENIED"), path
    for path in (f"manifests/{world.hidden}", "manifests/1", f"blobs/{digest}"):
        assert code(world.ask("alice", "DELETE", f"/v2/{CLOSED}/secret/{path}")) == (405, "UNSUPPORTED")
    assert world.closed.asked() == []
    assert not (world.proxy.storage / f"docker/registry/v2/repositories/{CLOSED}").exists()


def test_a_blob_is_not_mounted_from_a_mirror(world: World) -> None:
    """The registry has none of that name: the client pushes it."""
    pulled(world, "dave", f"{CLOSED}/secret", "1", SECRET_LAYER)
    digest = digest_of(SECRET_LAYER)
    answer = world.ask("dave", "POST", f"/v2/team/x/blobs/uploads/?mount={digest}&from={CLOSED}/secret", b"")
    assert answer.status == 202


def test_lists_of_tags_have_whole_names(world: World) -> None:
    """And so have the links to their next pages."""
    for tag in ("a", "b", "c"):
        world.open.push("library/tags", tag, b"tags")
    name = f"{OPEN}/library/tags"
    assert world.ask("bob", "GET", f"/v2/{name}/tags/list").json == {"name": name, "tags": ["a", "b", "c"]}
    path, seen = f"/v2/{name}/tags/list?n=2", []
    while path:
        page = world.ask("bob", "GET", path)
        assert page.json["name"] == name
        seen += page.json["tags"]
        path = page.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert path.startswith(f"/v2/{name}/tags/list?") or not path
    assert seen == ["a", "b", "c"]


def test_only_what_the_patterns_say_is_mirrored(world: World) -> None:
    """The other registry isn't asked for the rest."""
    world.open.push("other/app", "1", b"other")
    assert code(world.ask("alice", "GET", f"/v2/{OPEN}/other/app/manifests/1")) == (404, "NAME_UNKNOWN")
    assert world.open.asked() == []


def test_what_is_not_there_is_one_clear_error(world: World) -> None:
    """In which no name of the other registry's is."""
    for kind, wanted in (("manifests/2", "MANIFEST_UNKNOWN"), (f"blobs/{digest_of(b'none')}", "BLOB_UNKNOWN")):
        answer = world.ask("bob", "GET", f"/v2/{OPEN}/library/app/{kind}")
        assert code(answer) == (404, wanted)
        assert "127.0.0.1" not in answer.body.decode()


def test_while_the_other_registry_is_away_what_is_here_is_pulled(world: World) -> None:
    """By tag too, as it was last; what is not here is one clear error, and comes once it is back."""
    pulled(world, "bob", f"{OPEN}/library/app", "1", LAYER)
    world.open.push("library/cold", "1", b"cold")
    world.open.stop()
    try:
        pulled(world, "bob", f"{OPEN}/library/app", "1", LAYER)
        pulled(world, "bob", f"{OPEN}/library/app", world.image, LAYER)
        assert code(world.ask("bob", "GET", f"/v2/{OPEN}/library/cold/manifests/1")) == (404, "MANIFEST_UNKNOWN")
        absent = f"/v2/{OPEN}/library/cold/blobs/{digest_of(b'cold')}"
        assert code(world.ask("bob", "GET", absent)) == (503, "UNAVAILABLE")
    finally:
        world.open.start()
    pulled(world, "bob", f"{OPEN}/library/cold", "1", b"cold")


def test_a_mirror_starts_without_the_other_registry(world: World) -> None:
    """And says of each image that it can't be had."""
    assert code(world.ask("alice", "GET", f"/v2/{AWAY}/x/manifests/1")) == (404, "MANIFEST_UNKNOWN")
    digest = digest_of(b"x")
    assert code(world.ask("alice", "GET", f"/v2/{AWAY}/x/manifests/{digest}")) == (503, "UNAVAILABLE")
    assert "panic" not in world.logs[2].read_text()


def test_an_image_that_is_deleted_there_stays(world: World) -> None:
    """It may be the last."""
    image = world.open.push("library/deleted", "1", b"deleted")
    pulled(world, "bob", f"{OPEN}/library/deleted", "1", b"deleted")
    assert world.open.ask("DELETE", f"/v2/library/deleted/manifests/{image}").status == 202
    pulled(world, "bob", f"{OPEN}/library/deleted", "1", b"deleted")


def test_a_mirror_that_is_down_is_one_clear_error(world: World) -> None:
    """And says so in the words of the API."""
    place = world.proxy.home / f"run/mirrors/{AWAY}/socket"
    place.rename(place.with_name("gone"))
    try:
        assert code(world.ask("alice", "GET", f"/v2/{AWAY}/x/manifests/1")) == (503, "UNAVAILABLE")
    finally:
        place.with_name("gone").rename(place)


def test_logs_have_whole_names(world: World) -> None:
    """That of who pulled what, and that which metrics are made of."""
    pulled(world, "bob", f"{OPEN}/library/app", "1", LAYER)
    lines = (world.proxy.home / "logs/access.log").read_text().splitlines()
    found = {(line["user"], line["repository"], line["reference"]) for line in map(json.loads, lines)}
    assert ("bob", f"{OPEN}/library/app", "1") in found
    time.sleep(1.5)
    assert f"|{OPEN}/library/app\t" in (world.proxy.home / "logs/traffic").read_text()


def test_the_rest_is_as_without_mirrors(world: World) -> None:
    """Repositories of the registry's own, also one that is called like a mirror."""
    assert world.ask("alice", "GET", "/v2/").status == 200
    assert world.ask("alice", "POST", f"/v2/{OPEN}/blobs/uploads/", b"").status == 202
    assert world.ask("dave", "POST", "/v2/team/app/blobs/uploads/", b"").status == 202
    assert world.ask("alice", "POST", f"/v2/x{OPEN}/app/blobs/uploads/", b"").status == 202
    assert world.ask("alice", "GET", "/mirrored").status == 404


def test_parts_of_a_blob(world: World) -> None:
    """From what is here, as from the registry's own."""
    pulled(world, "bob", f"{OPEN}/library/app", "1", LAYER)
    path = f"/v2/{OPEN}/library/app/blobs/{digest_of(LAYER)}"
    answer = world.proxy.connection("bob").ask("GET", path, Range="bytes=3-11")
    assert (answer.status, answer.body) == (206, LAYER[3:12])
