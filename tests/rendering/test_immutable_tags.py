"""Tags that can't be moved, with the real proxy and the real registry: pushed in turn, at once, and under trouble."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.access import Access, Immutable
from tests.lab.docker import docker
from tests.rendering.proxy_connection import Answer, Connection
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

KIND = "application/vnd.oci.image.manifest.v1+json"
KEPT, FREE, OPEN = "release/app", "release/kept/app", "team/app"
IMMUTABLE = Immutable(tags=("release/*:v*", "*/kept/*:*"), unless=("*:*-rc", "release/app:vnext"))
TAGS, PUSHES, AT_ONCE = 100, 1000, 40


def digest_of(content: bytes) -> str:
    """A blob's name."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def image(name: str, size: int = 0) -> bytes:
    """A manifest, of at least some bytes, of an image without layers."""
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": digest_of(b"{}")}
    notes = {"name": name, "padding": "x" * size}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": KIND, "config": config, "layers": [], "annotations": notes}
    ).encode()


def put(connection: Connection, repository: str, tag: str, content: bytes) -> Answer:
    """Pushes a manifest."""
    return connection.ask("PUT", f"/v2/{repository}/manifests/{tag}", content, Content_Type=KIND)


def prepare(proxy: Proxy, *repositories: str) -> None:
    """What every image needs."""
    connection = proxy.connection("alice")
    for repository in repositories or (KEPT, FREE, OPEN):
        place = urlsplit(connection.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["location"])
        target = f"{place.path}?{place.query}&digest={digest_of(b'{}')}"
        assert connection.ask("PUT", target, b"{}", Content_Type="application/octet-stream").status == 201


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """With an administrator, and tags that he can't move."""
    with proxied([user("alice")], Access(immutable=IMMUTABLE)) as found:
        prepare(found)
        yield found


@pytest.mark.parametrize("size", [0, 200_000, 3_500_000])
def test_a_tag_keeps_its_image(proxy: Proxy, size: int) -> None:
    """The same again is fine; another gets an answer in the registry's form, and changes nothing."""
    alice, tag = proxy.connection("alice"), f"v{size}"
    first, second = image("first", size), image("second", size)
    assert [put(alice, KEPT, tag, content).status for content in (first, first)] == [201, 201]
    refused = put(alice, KEPT, tag, second)
    assert refused.status == 409
    assert refused.json["errors"] == [
        {"code": "DENIED", "message": f"the tag {tag} is immutable, and has another image", "detail": None}
    ]
    assert refused.headers["docker-distribution-api-version"] == "registry/2.0"
    found = alice.ask("HEAD", f"/v2/{KEPT}/manifests/{tag}", Accept=KIND)
    assert found.headers["docker-content-digest"] == digest_of(first)
    # By digest, or under another tag, it can be pushed.
    assert put(alice, KEPT, digest_of(second), second).status == 201
    assert put(alice, KEPT, f"{tag}-rc", second).status == 201


@pytest.mark.parametrize(
    ("repository", "tag", "moves"),
    [
        (KEPT, "v1.0", False),
        (KEPT, "1.0", True),
        (KEPT, "v1.0-rc", True),
        (KEPT, "vnext", True),
        (KEPT, "V1", True),
        (FREE, "latest", False),
        (FREE, "x-rc", True),
        (OPEN, "v1.0", True),
    ],
)
def test_which_tags(proxy: Proxy, repository: str, tag: str, moves: bool) -> None:
    """By the patterns, unless another one says otherwise; registries tell small letters from capitals."""
    alice = proxy.connection("alice")
    statuses = [put(alice, repository, tag, image(f"{repository} {tag} {number}")).status for number in range(2)]
    assert statuses == [201, 201 if moves else 409]


def test_nothing_is_no_image(proxy: Proxy) -> None:
    """Who puts nothing is told so, as elsewhere, instead of to come again."""
    alice = proxy.connection("alice")
    assert put(alice, KEPT, "v-nothing", b"").status == put(alice, OPEN, "nothing", b"").status == 400
    assert put(alice, KEPT, "v-nothing", image("one")).status == 201
    assert put(alice, KEPT, "v-nothing", b"").status == 409


def test_deletion_as_the_role_says(proxy: Proxy) -> None:
    """By default, and then the tag is free."""
    alice = proxy.connection("alice")
    assert put(alice, KEPT, "v-deleted", image("one")).status == 201
    assert alice.ask("DELETE", f"/v2/{KEPT}/manifests/v-deleted").status == 202
    assert put(alice, KEPT, "v-deleted", image("two")).status == 201


@pytest.mark.parametrize("version", ["3.1.2", "2.8.3"])
@pytest.mark.parametrize("lost", ["_manifests/revisions", "blob"])
def test_a_tag_whose_image_is_lost_is_not_free(version: str, lost: str) -> None:
    """Both generations of the registry say 404 then, as for a tag that was never there. The image itself heals it."""
    with proxied([user("alice")], Access(immutable=IMMUTABLE), registry=version) as proxy:
        prepare(proxy)
        alice, content = proxy.connection("alice"), image("one")
        assert [put(alice, KEPT, f"v{number}", content).status for number in range(2)] == [201, 201]
        files, digest = proxy.storage / "docker/registry/v2", digest_of(content).partition(":")[2]
        shutil.rmtree(
            files / "blobs/sha256" / digest[:2] / digest if lost == "blob" else files / "repositories" / KEPT / lost
        )
        assert alice.ask("HEAD", f"/v2/{KEPT}/manifests/v0", Accept=KIND).status == 404
        assert put(alice, KEPT, "v0", image("two")).status == 409
        assert put(alice, KEPT, "v0", content).status == 201
        assert alice.ask("GET", f"/v2/{KEPT}/manifests/v1", Accept=KIND).body == content


def test_no_deletion_at_all() -> None:
    """Neither of the tag nor of what it may need; other tags can be deleted, and all in other repositories."""
    access = Access(immutable=Immutable(tags=("release/*:v*",), deletable=False))
    with proxied([user("alice")], access) as proxy:
        prepare(proxy)
        alice = proxy.connection("alice")
        for repository in (KEPT, OPEN):
            for tag in ("v1", "latest"):
                assert put(alice, repository, tag, image("one")).status == 201
        targets = ("manifests/v1", f"manifests/{digest_of(image('one'))}", f"blobs/{digest_of(b'{}')}")
        answers = [alice.ask("DELETE", f"/v2/{KEPT}/{target}") for target in targets]
        assert [answer.status for answer in answers] == [403] * 3
        assert {answer.json["errors"][0]["code"] for answer in answers} == {"DENIED"}
        assert alice.ask("DELETE", f"/v2/{KEPT}/manifests/latest").status == 202
        assert alice.ask("GET", f"/v2/{KEPT}/manifests/v1", Accept=KIND).body == image("one")
        assert [alice.ask("DELETE", f"/v2/{OPEN}/{target}").status for target in targets] == [202] * 3


class Watch(threading.Thread):
    """Looks at the tags in the storage all the time: what each has ever led to."""

    def __init__(self, proxy: Proxy, prefix: str) -> None:
        super().__init__(daemon=True)
        self._tags = proxy.storage / "docker/registry/v2/repositories" / KEPT / "_manifests/tags"
        self._prefix, self._over = prefix, threading.Event()
        self.seen: dict[str, set[str]] = defaultdict(set)

    def run(self) -> None:
        while not self._over.is_set():
            self.look()

    def look(self) -> None:
        """Once."""
        for link in self._tags.glob(f"{self._prefix}*/current/link"):
            self._note(link)

    def _note(self, link: Path) -> None:
        # Written anew, it is empty for a moment: that is the registry's own way.
        if text := link.read_text():
            self.seen[link.parent.parent.name].add(text)

    def end(self) -> dict[str, set[str]]:
        """What was seen."""
        self._over.set()
        self.join()
        self.look()
        return self.seen


def _race(
    proxy: Proxy, prefix: str, meanwhile: Callable[[int], None], at_once: int = AT_ONCE
) -> list[tuple[str, str, int]]:
    """A thousand pushes of different images to a hundred new tags: tag, digest and answer of each; 0 for none.

    Of one address fifty are served at a time: who gets 429 comes again.
    """
    chance = random.Random(prefix)  # noqa: S311 - not for secrets
    jobs = [(f"{prefix}{number % TAGS}", image(f"{prefix} {number}")) for number in range(PUSHES)]
    chance.shuffle(jobs)
    local, together = threading.local(), threading.Barrier(at_once)

    def push(number: int) -> tuple[str, str, int]:
        tag, content = jobs[number]
        meanwhile(number)
        if not hasattr(local, "connection"):
            local.connection = proxy.connection("alice")
            local.connection.ask("GET", "/v2/")
            together.wait()
        try:
            while (status := put(local.connection, KEPT, tag, content).status) == 429:
                # All at once they would have no processor left.
                time.sleep(chance.uniform(1, 6))
        except (OSError, http.client.HTTPException):
            local.connection, status = proxy.connection("alice"), 0
        return tag, digest_of(content), status

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(push, range(PUSHES)))


def _check_whole(proxy: Proxy, seen: dict[str, set[str]]) -> None:
    """Each tag has had one image, which is there."""
    assert {tag: found for tag, found in seen.items() if len(found) != 1} == {}
    alice = proxy.connection("alice")
    for tag, [digest] in seen.items():
        answer = alice.ask("GET", f"/v2/{KEPT}/manifests/{tag}", Accept=KIND)
        assert (answer.status, digest_of(answer.body)) == (200, digest)


@pytest.mark.parametrize("at_once", [AT_ONCE, PUSHES])
def test_of_pushes_at_once_one_wins(proxy: Proxy, at_once: int) -> None:
    """A thousand to a hundred new tags, and the others are told. `-s` prints how long it took."""
    prefix = f"v-race-{at_once}-"
    watch = Watch(proxy, prefix)
    watch.start()
    began = time.monotonic()
    pushed = _race(proxy, prefix, lambda _: None, at_once)
    took = time.monotonic() - began
    seen = watch.end()
    print(f"\n{PUSHES} pushes, {at_once} at once, in {took:.1f} s: {Counter(status for *_, status in pushed)}")
    assert Counter(status for *_, status in pushed) == {201: TAGS, 409: PUSHES - TAGS}
    assert {(tag, digest) for tag, digest, status in pushed if status == 201} == {(t, *d) for t, d in seen.items()}
    _check_whole(proxy, seen)


def test_trouble_moves_no_tag(proxy: Proxy) -> None:
    """While workers are killed and replaced and clients go away; afterwards each tag can still be pushed."""

    def trouble(number: int) -> None:
        if number in (200, 700):
            kill = "for p in /proc/[0-9]*; do grep -q 'worker process' $p/cmdline && echo ${p#/proc/}; done | tail -n 1"
            docker("exec", proxy.name, "sh", "-c", f"kill -9 $({kill})", check=False)
        elif number == 450:
            proxy.reload()
        elif number % 50 == 7:
            _go_away(proxy, f"v-trouble-{number % TAGS}", image(f"gone {number}"))

    watch = Watch(proxy, "v-trouble-")
    watch.start()
    pushed = _race(proxy, "v-trouble-", trouble)
    seen = watch.end()
    told = Counter(status for *_, status in pushed)
    print(f"\n{told}")
    assert told.keys() <= {201, 409, 503, 502, 0}
    assert told[201] > TAGS // 2
    _check_whole(proxy, seen)
    began = time.monotonic()
    for tag in (f"v-trouble-{number}" for number in range(TAGS)):
        status = put(proxy.connection("alice"), KEPT, tag, image("afterwards")).status
        assert status == (409 if tag in seen else 201), tag
    # Claims of who was killed are inherited after ten seconds.
    assert time.monotonic() - began < 60


def _go_away(proxy: Proxy, tag: str, content: bytes) -> None:
    """Sends a push and doesn't wait for its answer."""
    connection = proxy.connection("alice")
    # A worker may be killed just then.
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.ask("GET", "/v2/")
        connection.send_and_leave("PUT", f"/v2/{KEPT}/manifests/{tag}", content, KIND)
