"""Blobs that the proxy serves from the registry's files, and manifests that it remembers: as the registry would."""

import base64
import hashlib
import json
import os
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import INDEX, MANIFEST, Api
from tests.e2e.doors import head, raw, status_of
from tests.e2e.raw_http import Said, request
from tests.e2e.support import USER, Deployed, deploy, wait_until_healthy
from tests.e2e.test_logs import ACCESS

pytestmark = pytest.mark.e2e

FQDN = "fast.example.net"
STORE = "/var/opt/docker-registry/data/docker/registry/v2"
IMAGES = ("registry:2.8.3", "registry:3.1.2")
SIZE = 100_000


_ASK = """
import base64, socket, sys
with socket.socket(socket.AF_UNIX) as reader:
    reader.connect("/run/docker-registry/sockets/reader.socket")
    reader.sendall(sys.stdin.buffer.read())
    with reader.makefile("rb") as said:
        print(base64.b64encode(said.read()).decode())
"""


@dataclass(frozen=True)
class Pushed:
    """Two repositories: one with an image of which we know everything, the other with another."""

    registry: Deployed
    api: Api
    blob: str
    manifest: str
    index: str
    other: str
    """A blob that only the repository `other/app` has."""

    def proxy(self, method: str, path: str, headers: dict[str, str] | None = None) -> Said:
        """What the proxy says."""
        token = base64.b64encode(f"{USER}:{self.registry.password}".encode()).decode()
        context = ssl.create_default_context(cafile=str(self.registry.ca))
        with context.wrap_socket(self.registry.dial(443), server_hostname=FQDN) as connection:
            connection.sendall(request(FQDN, method, path, {"Authorization": f"Basic {token}", **(headers or {})}))
            raw = b""
            while piece := connection.recv(65536):
                raw += piece
        return Said.of(raw, method)

    def direct(self, method: str, path: str, headers: dict[str, str] | None = None) -> Said:
        """What the registry's reader says, asked from its host without the proxy."""
        asked = request(FQDN, method, path, headers or {}).decode()
        done = self.registry.host.run(["python3", "-c", _ASK], stdin=asked)
        return Said.of(base64.b64decode(done.stdout), method)

    def log(self) -> list[dict[str, object]]:
        """The audit trail."""
        return [json.loads(line) for line in self.registry.host.get_file(ACCESS).splitlines()]


@pytest.fixture(scope="module")
def registry(new_host: NewHost, new_stack: NewStack) -> Deployed:
    """A registry of these tests' own: they take its files away."""
    host = new_host("fast", aliases=[FQDN])
    return deploy(host, new_stack("fast", host), FQDN, {"images": {"registry": IMAGES[0]}})


@pytest.fixture(scope="module", params=IMAGES)
def pushed(registry: Deployed, request: pytest.FixtureRequest) -> Iterator[Pushed]:
    """Images in a registry of each generation."""
    registry.stack.configure({**registry.settings, "images": {"registry": request.param}})
    registry.stack.up()
    wait_until_healthy(registry.host)
    api = Api(registry)
    layer, other = os.urandom(SIZE), os.urandom(SIZE)
    image = api.image("team/app", "1.0", layer)
    index = api.index("team/app", "all", [image])
    api.image("other/app", "1.0", other)
    digests = [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in (layer, other)]
    yield Pushed(registry, api, digests[0], image["digest"], index["digest"], digests[1])
    api.close()


BLOB_REQUESTS: dict[str, dict[str, str]] = {
    "whole": {},
    "from the start": {"Range": "bytes=0-"},
    "a piece": {"Range": "bytes=10-19"},
    "one byte": {"Range": "bytes=0-0"},
    "the rest": {"Range": "bytes=99990-"},
    "past the end": {"Range": "bytes=99990-200000"},
    "the last bytes": {"Range": "bytes=-10"},
    "the last none": {"Range": "bytes=-0"},
    "more than all": {"Range": "bytes=-200000"},
    "two pieces": {"Range": "bytes=0-9,20-29"},
    "another unit": {"Range": "lines=0-9"},
    "no range": {"Range": "bytes=x"},
    "another's tag": {"If-None-Match": '"sha256:other"'},
    "any tag": {"If-None-Match": "*"},
    "must be another": {"If-Match": '"sha256:other"'},
    "a date": {"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
    "an old date": {"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"},
    "a piece of another": {"Range": "bytes=10-19", "If-Range": '"sha256:other"'},
    "compressed": {"Accept-Encoding": "gzip"},
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_blob_is_answered_as_the_registry_would(pushed: Pushed, method: str) -> None:
    """Status, every header and every byte, with ranges and conditions of all kinds."""
    path = f"/v2/team/app/blobs/{pushed.blob}"
    known = {
        "its tag": {"If-None-Match": f'"{pushed.blob}"'},
        "must be it": {"If-Match": f'"{pushed.blob}"'},
        "a piece of it": {"Range": "bytes=10-19", "If-Range": f'"{pushed.blob}"'},
    }
    for name, headers in {**BLOB_REQUESTS, **known}.items():
        found, wanted = (ask(method, path, headers).compared() for ask in (pushed.proxy, pushed.direct))
        assert found == wanted, name
    for same in (path.replace(":", "%3A"), f"{path}?ns=docker.io"):
        assert pushed.proxy(method, same).compared() == pushed.direct(method, same).compared(), same


@pytest.mark.parametrize("wanted", ["bytes=100000-", "bytes=100000-100001", "bytes=20-10"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_range_that_is_none_is_refused_as_the_registry_would(pushed: Pushed, method: str, wanted: str) -> None:
    """In its words; the proxy says besides that nobody shall remember it, and names the blob."""
    path = f"/v2/team/app/blobs/{pushed.blob}"
    own = {"accept-ranges", "cache-control", "content-range", "docker-content-digest", "etag"}
    found, real = (ask(method, path, {"Range": wanted}) for ask in (pushed.proxy, pushed.direct))
    (status, headers, body), (real_status, real_headers, real_body) = found.compared(), real.compared()
    assert (status, body) == (real_status, real_body)
    assert {k: v for k, v in headers.items() if k not in own} == {k: v for k, v in real_headers.items() if k not in own}
    if status == 416:
        assert headers["content-range"] == f"bytes */{SIZE}"
        assert "no-store" in headers["cache-control"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("accept", [f"{MANIFEST}, {INDEX}", MANIFEST, "text/plain", ""])
def test_a_manifest_is_answered_as_the_registry_would(pushed: Pushed, method: str, accept: str) -> None:
    """The first time, when the registry is asked, and when it is remembered; whatever types the client takes."""
    for digest in (pushed.manifest, pushed.index):
        path = f"/v2/team/app/manifests/{digest}"
        headers = {"Accept": accept} if accept else {}
        wanted = pushed.direct(method, path, headers).compared()
        assert [pushed.proxy(method, path, headers).compared() for _ in range(3)] == [wanted] * 3
        known = headers | {"If-None-Match": f'"{digest}"'}
        assert pushed.proxy(method, path, known).compared() == pushed.direct(method, path, known).compared()


def test_the_registry_is_not_asked(pushed: Pushed) -> None:
    """For blobs and their ranges, and for manifests by digest from the second time on; the log tells all of it."""
    fresh = pushed.api.image("team/app", secrets.token_hex(8), os.urandom(SIZE))["digest"]
    blob, manifest = f"/v2/team/app/blobs/{pushed.blob}", f"/v2/team/app/manifests/{fresh}"
    accept = {"Accept": MANIFEST}
    asked = [(blob, {}), (blob, {"Range": "bytes=5-"}), (manifest, accept), (manifest, accept)]
    before = len(pushed.log())
    answers = [pushed.proxy("GET", path, headers) for path, headers in asked]
    entries = pushed.log()[before:]
    assert [answer.status for answer in answers] == [200, 206, 200, 200]
    assert [entry["upstream_status"] for entry in entries] == ["", "", "200", ""]
    for entry, (path, _) in zip(entries, asked, strict=True):
        named = (entry["user"], entry["path"], entry["repository"], entry["reference"])
        assert named == (USER, path, "team/app", path.rpartition("/")[2])


INSIDE = ("account", "asked", "blob", "gate", "gate-of-questions", "manifest", "upload", "whole")
"""Where the proxy goes on with a request, once it knows whose it is."""


@pytest.mark.parametrize(
    "path", [*(f"/{name}" for name in INSIDE), "/v2/../blob", "/%62lob?x", "/blob#/../v2/_catalog"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_nobody_gets_in_by_the_name_of_a_place_inside(pushed: Pushed, method: str, path: str) -> None:
    """Without a password, and past the rights: the registry does not hear of it."""
    before = len(pushed.log())
    answer = raw(pushed.registry, head(method, path, FQDN, "Connection: close"))
    assert status_of(answer) == 404
    assert [entry["upstream_status"] for entry in pushed.log()[before:]] == [""]


def test_a_repository_has_its_own_blobs_alone(pushed: Pushed) -> None:
    """Until it has mounted another's."""
    path = f"/v2/team/app/blobs/{pushed.other}"
    assert pushed.proxy("GET", f"/v2/other/app/blobs/{pushed.other}").status == 200
    assert pushed.proxy("GET", path).compared() == pushed.direct("GET", path).compared()
    assert pushed.proxy("GET", path).status == 404
    mount = f"/v2/team/app/blobs/uploads/?mount={pushed.other}&from=other/app"
    assert pushed.api.write("POST", mount)[0] == 201
    assert pushed.proxy("GET", path).status == 200


def test_a_manifest_is_no_other_repository_s(pushed: Pushed) -> None:
    """Though it is remembered."""
    headers = {"Accept": MANIFEST}
    assert pushed.proxy("GET", f"/v2/team/app/manifests/{pushed.manifest}", headers).status == 200
    assert pushed.proxy("GET", f"/v2/other/app/manifests/{pushed.manifest}", headers).status == 404


def test_what_is_deleted_is_gone_at_once(pushed: Pushed) -> None:
    """A blob that was served, and a manifest that was remembered; pushed again, they are there again."""
    api, layer = pushed.api, os.urandom(SIZE)
    image = api.image("gone/app", "1.0", layer)
    blob, headers = f"/v2/gone/app/blobs/sha256:{hashlib.sha256(layer).hexdigest()}", {"Accept": MANIFEST}
    manifest = f"/v2/gone/app/manifests/{image['digest']}"
    content = pushed.proxy("GET", manifest, headers)
    assert [pushed.proxy("GET", path, headers).status for path in (manifest, blob, blob)] == [200] * 3
    for path in (manifest, blob):
        api.write("DELETE", path)
        for method in ("GET", "HEAD"):
            assert pushed.proxy(method, path, headers).compared() == pushed.direct(method, path, headers).compared()
            assert pushed.proxy(method, path, headers).status == 404
    api.blob("gone/app", layer)
    api.write("PUT", manifest, content.body, {"Content-Type": MANIFEST})
    assert [pushed.proxy("GET", path, headers).status for path in (manifest, blob)] == [200] * 2


def test_what_the_clean_up_removes_is_gone(pushed: Pushed) -> None:
    """With a link left behind, as Distribution 2 does, the registry has the word."""
    api, layer = pushed.api, os.urandom(SIZE)
    image = api.image("cleaned/app", "1.0", layer)
    blob = f"/v2/cleaned/app/blobs/sha256:{hashlib.sha256(layer).hexdigest()}"
    assert pushed.proxy("GET", blob).status == 200
    api.delete("cleaned/app", image["digest"])
    pushed.registry.host.run("registry-gc --force")
    assert pushed.proxy("GET", blob).compared() == pushed.direct("GET", blob).compared()
    assert pushed.proxy("GET", blob).status == 404


def test_files_that_are_closed_are_the_registry_s_to_read(pushed: Pushed) -> None:
    """Somebody has taken the rights of all others away: slower, and nothing is missing."""
    path, host = f"/v2/team/app/blobs/{pushed.blob}", pushed.registry.host
    for closed in (f"{STORE}/blobs", f"{STORE}/repositories"):
        host.run(["chmod", "0700", closed])
        try:
            before = len(pushed.log())
            assert pushed.proxy("GET", path).compared() == pushed.direct("GET", path).compared()
            assert pushed.log()[before]["upstream_status"] == "200"
        finally:
            host.run(["chmod", "0755", closed])


def test_files_that_were_replaced_are_noticed(registry: Deployed) -> None:
    """Where only the registry was restarted, the proxy has the old ones still: the status says what to do."""
    host, data = registry.host, STORE.removesuffix("/docker/registry/v2")
    well = "registry-status --json containers | grep -c outdated"
    assert host.run(well, check=False).stdout.strip() == "0"
    host.run(f"cd {data} && mv docker /var/opt/replaced && cp -a /var/opt/replaced docker && docker restart registry")
    wait_until_healthy(host)
    told = host.run(["registry-status", "containers"], check=False)
    assert told.returncode == 1
    assert "container nginx: outdated; " in told.stdout and "docker restart nginx" in told.stdout
    host.run("docker restart nginx && rm -r /var/opt/replaced")
    wait_until_healthy(host)
    assert host.run(["registry-status", "containers"]).returncode == 0


def test_it_can_be_turned_off(registry: Deployed) -> None:
    """Then the proxy has no way to the images, and all that it serves is the registry's."""
    mounts = ["docker", "inspect", "--format", "{{range .Mounts}}{{.Source}}\n{{end}}", "nginx"]
    files = STORE.removesuffix("/registry/v2")
    assert files in registry.host.run(mounts).stdout.split()
    api = Api(registry)
    image = api.image("off/app", "1.0", os.urandom(SIZE))
    registry.stack.configure({**registry.settings, "nginx": {"fastPath": False}})
    registry.stack.up()
    api.close()
    assert files not in registry.host.run(mounts).stdout.split()
    assert image["digest"] in api.pull("off/app", "1.0")
    entries = [json.loads(line) for line in registry.host.get_file(ACCESS).splitlines()]
    pulled = [entry for entry in entries if entry["repository"] == "off/app" and entry["method"] == "GET"]
    assert pulled and all(entry["upstream_status"] == "200" for entry in pulled)
    registry.stack.up("--expect-no-changes")
