"""What the host's logs tell, who may read them, and what rotation does to them while clients are at work."""

import base64
import gzip
import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pytest

from tests.e2e.support import CONTAINERS, USER, Deployed
from tests.e2e.traffic import Counted
from tests.lab.clients import Client
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

ACCESS = "/var/opt/nginx/logs/access.log"
ERROR = "/var/opt/nginx/logs/error.log"
REGISTRY = "/var/opt/docker-registry/logs/registry.log"
PAGE = "/var/opt/docker-registry-ui/logs/access.log"
FILE = "/etc/logrotate.d/docker-opt"
STATE = "/run/rotated"
FIELDS = {
    *("time", "id", "client", "user", "method", "path", "repository", "reference", "status", "sent", "received"),
    *("seconds", "upstream_status", "user_agent"),
}
WRONG = "a wrong password"
ODD = 'j\u00f6rg\u00a0"\\'
CLIENTS = 2
SECONDS = 30
WINDOW = 0.25
"""Seconds that logrotate may wait for a core between its last read and its truncation."""


def _entries(host: LabHost, path: str = ACCESS) -> list[dict[str, Any]]:
    """All lines of the access log, each a JSON object by the letter."""
    return [json.loads(line) for line in host.get_file(path).splitlines()]


@dataclass(frozen=True)
class Told:
    """What the access log says of some acts of clients, and who asked from where."""

    entries: list[dict[str, Any]]
    digest: str

    def of(self, **wanted: object) -> dict[str, Any]:
        """The first entry with these values."""
        for entry in self.entries:
            if wanted.items() <= entry.items():
                return entry
        raise AssertionError(f"no entry with {wanted}")


@pytest.fixture(scope="module")
def told(deployed: Deployed, client: Client) -> Told:
    """A push, a pull, and attempts that are refused."""
    before = len(_entries(deployed.host))
    name = f"{client.registry}/audited/app"
    client.push("audited/app:1.0")
    # Docker asks for no manifest that it still has from somewhere: what it pulls has to be new to it.
    client.crane("mutate", "--label", f"audited={uuid.uuid4()}", "--tag", f"{name}:1.1", f"{name}:1.0")
    digest = client.digest("audited/app:1.1")
    client.pull("audited/app:1.1")
    deployed.get("/v2/audited/app/manifests/1.0?_state=hidden", user="mallory", password=WRONG)
    deployed.get("/v2/", user=USER, password=WRONG)
    deployed.get("/v2/", user=ODD, password=WRONG)
    deployed.get("/ui/?token=hidden", password=deployed.password)
    deployed.get("/v2//audited/%61pp/tags/list", password=deployed.password)
    return Told(_entries(deployed.host)[before:], digest)


def test_push_and_pull_are_in_the_audit_trail(told: Told, client: Client) -> None:
    """Who, from where, what, with which client, when, and what came of it, in numbers that are numbers."""
    pushed = told.of(method="PUT", repository="audited/app", reference="1.0")
    assert pushed.keys() == FIELDS
    assert (pushed["user"], pushed["client"], pushed["status"]) == (USER, client.host.address, 201)
    assert (pushed["path"], pushed["upstream_status"]) == ("/v2/audited/app/manifests/1.0", "201")
    assert pushed["user_agent"].startswith("docker/")
    assert pushed["received"] > 100 and pushed["sent"] > 0 and pushed["seconds"] >= 0
    assert abs(time.time() - time.mktime(time.strptime(pushed["time"][:19], "%Y-%m-%dT%H:%M:%S"))) < 86400
    pulled = told.of(method="GET", repository="audited/app", reference=told.digest)
    assert (pulled["user"], pulled["status"]) == (USER, 200)
    assert len({entry["id"] for entry in told.entries}) == len(told.entries)


def test_pushed_layers_have_their_digest(told: Told) -> None:
    """The registry is told it in the query; nothing else of that is kept."""
    layers = [e for e in told.entries if e["method"] == "PUT" and "/blobs/uploads/" in e["path"]]
    assert layers
    for layer in layers:
        assert layer["reference"].startswith("sha256:") and len(layer["reference"]) == len(told.digest)
        assert (layer["status"], layer["repository"]) == (201, "audited/app")


def test_failed_logins_are_in_the_audit_trail(told: Told) -> None:
    """With the name that was tried, also an unknown or a strange one."""
    assert told.of(status=401, user="mallory", repository="audited/app", reference="1.0")["upstream_status"] == ""
    assert told.of(status=401, user=USER, path="/v2/")["repository"] == ""
    assert told.of(status=401, user=ODD)


def test_only_the_registry_asks_who_it_is(told: Told) -> None:
    """The page is for everybody: a name that nobody has verified isn't in the line."""
    assert told.of(path="/ui/")["user"] == ""


def test_a_repository_is_what_the_registry_takes_it_for(told: Told) -> None:
    """Whatever way it is written in the path."""
    assert told.of(path="/v2//audited/%61pp/tags/list")["repository"] == "audited/app"


def test_logs_hold_no_password_and_no_query(told: Told, deployed: Deployed) -> None:
    """Nor the header that carries it; the access log holds no query either, and with it no state of an upload."""
    secrets = [deployed.password, WRONG, "Authorization", "Basic "]
    secrets += [base64.b64encode(f"{USER}:{word}".encode()).decode() for word in (deployed.password, WRONG)]
    for path in (ACCESS, ERROR, REGISTRY, PAGE):
        text = deployed.host.get_file(path)
        assert text, path
        assert [secret for secret in secrets if secret in text] == [], path
    text = deployed.host.get_file(ACCESS)
    assert "hidden" not in text and "_state" not in text and "?" not in "".join(entry["path"] for entry in told.entries)


def test_strange_requests_are_lines_too(deployed: Deployed) -> None:
    """Bytes that are no text, and lines that are no request, leave a line that JSON can carry."""
    before = len(_entries(deployed.host))
    for raw in (
        b'GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: \xff"\\\r\n\r\n',
        b"nonsense\r\n\r\n",
        b"GET /\r\n\r\n",
    ):
        with deployed.dial(80) as connection:
            connection.sendall(raw)
            while connection.recv(4096):
                pass
    entries = _until(lambda: _entries(deployed.host)[before:], lambda found: len(found) >= 3)
    assert ("(not printable)", "(not printable)") in [(entry["path"], entry["user_agent"]) for entry in entries]
    assert all(isinstance(entry["status"], int) for entry in entries)


@pytest.mark.parametrize("path", [ACCESS, ERROR, REGISTRY])
def test_logs_are_root_s_alone(path: str, deployed: Deployed) -> None:
    """Mode 0600; the page's image decides for itself, in a directory of root's."""
    assert deployed.host.run(["stat", "-c", "%a %U:%G", path]).stdout.strip() == "600 root:root"
    assert deployed.host.run("stat -c %a /var/opt/docker-registry-ui/logs").stdout.strip() == "700"


def test_errors_of_the_proxy_are_in_both_logs(told: Told, deployed: Deployed) -> None:
    """In error.log and in Docker's."""
    del told
    said = f'user "{USER}": password mismatch'
    assert said in deployed.host.get_file(ERROR)
    assert said in deployed.host.run("docker logs nginx 2>&1").stdout


def test_what_the_registry_says_is_in_both_logs(told: Told, deployed: Deployed) -> None:
    """In registry.log and in Docker's."""
    del told
    said = '"PUT /v2/audited/app/manifests/1.0'
    _until(lambda: deployed.host.get_file(REGISTRY), lambda text: said in text)
    assert said in deployed.host.run("docker logs registry 2>&1").stdout


@pytest.mark.parametrize("container", CONTAINERS)
def test_docker_s_logs_are_bounded(container: str, deployed: Deployed) -> None:
    """By the running container's own record."""
    found = deployed.host.run(["docker", "inspect", "--format", "{{json .HostConfig.LogConfig}}", container]).stdout
    assert json.loads(found) == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


@pytest.mark.parametrize("changes", ["", "s/size .*/size 1k/; s/rotate .*/rotate 1000/", "s/size .*/size 999999G/"])
def test_logrotate_accepts_the_file(changes: str, deployed: Deployed) -> None:
    """Without a word of complaint, also with the least and the most that can be set; it finds every log."""
    copy = "/run/docker-opt"
    deployed.host.run(f"sed '{changes}' {FILE} >{copy}")
    done = deployed.host.run(["logrotate", "--debug", "--state", "/run/none", copy])
    said = done.stdout + done.stderr
    assert "error" not in said.replace(ERROR, "").replace("docker-registry-ui/logs/error.log", "").lower(), said
    for path in (ACCESS, ERROR, REGISTRY, PAGE):
        assert f"considering log {path}" in said


@dataclass(frozen=True)
class Rotation:
    """Two rotations while clients asked: what they asked, what is in which file, and the files' modes."""

    asked: dict[str, float]
    """Each path with the second at which it was answered."""

    files: dict[str, list[str]]
    modes: dict[str, str]
    size_before: int


@pytest.fixture(scope="module")
def rotation(deployed: Deployed) -> Iterator[Rotation]:
    """Forced, as on a host that has come to the size; with a state of its own, so that the host's stays as it is."""
    rotate = ["logrotate", "--force", "--state", STATE, FILE]
    with Counted(deployed, CLIENTS) as counted:
        counted.more(20)
        size = int(deployed.host.run(["stat", "-c", "%s", ACCESS]).stdout)
        for _ in range(2):
            deployed.host.run(rotate)
            counted.more(20)
    names = deployed.host.run(f"ls {ACCESS}*").stdout.split()
    modes = dict(line.split() for line in deployed.host.run(f"stat -c '%n %a' {ACCESS}*").stdout.splitlines())
    files = {name: _lines(deployed.host, name) for name in names}
    yield Rotation(counted.answered, files, modes, size)
    deployed.host.run(f"rm -f {STATE} {ACCESS}.* {ERROR}.* {REGISTRY}.* {PAGE}.*")


def test_rotation_loses_no_more_than_its_own_window(rotation: Rotation) -> None:
    """Each answer has its line, but those that were written between logrotate's last read and its truncation.

    That window is microseconds for each rotation, or as long as another process has the core just then. So each client
    loses answers at most once in a rotation, all of them in a row and within `WINDOW`. `-s` prints what was lost.
    """
    logged = [entry["path"] for lines in rotation.files.values() for entry in map(json.loads, lines)]
    lost = set(rotation.asked) - set(logged)
    print(f"rotation: {len(rotation.asked)} requests answered, {len(lost)} lines lost in 2 rotations")
    for client in range(CLIENTS):
        answered = [path for path in rotation.asked if path.startswith(f"/v2/counted/{client}-")]
        rows = [list(row) for gone, row in groupby(answered, lambda path: path in lost) if gone]
        assert len(rows) <= 2, rows
        assert all(rotation.asked[row[-1]] - rotation.asked[row[0]] < WINDOW for row in rows), rows
    counted = [path for path in logged if path.startswith("/v2/counted/")]
    assert len(counted) == len(set(counted))


def test_rotation_goes_on_in_a_file_that_is_short_again(rotation: Rotation) -> None:
    """The proxy writes at the new end, with no hole before it, and each line is whole."""
    assert {ACCESS, f"{ACCESS}.1", f"{ACCESS}.2.gz"} == rotation.files.keys()
    assert list(rotation.asked)[-1] in {json.loads(line)["path"] for line in rotation.files[ACCESS]}
    assert len("\n".join(rotation.files[f"{ACCESS}.2.gz"])) >= rotation.size_before - 1


def test_rotated_logs_are_root_s_alone(rotation: Rotation) -> None:
    """Plain and compressed ones."""
    assert set(rotation.modes.values()) == {"600"}


def test_the_other_logs_are_rotated_too(rotation: Rotation, deployed: Deployed) -> None:
    """And written on."""
    del rotation
    # The page's is empty when the second rotation comes.
    deployed.host.run(["ls", f"{REGISTRY}.1", f"{REGISTRY}.2.gz", f"{PAGE}.1"])
    for path in (REGISTRY, PAGE):
        size = f"stat -c %s {path}"
        now = deployed.host.run(size).stdout
        # The health check asks every five seconds.
        _until(lambda: deployed.host.run(size).stdout, lambda found, now=now: found != now)  # noqa: B023


def _lines(host: LabHost, path: str) -> list[str]:
    if not path.endswith(".gz"):
        return host.get_file(path).splitlines()
    packed = base64.b64decode(host.run(["base64", path], private=True).stdout)
    return gzip.decompress(packed).decode().splitlines()


def _until(ask: Any, good: Any) -> Any:  # noqa: ANN401
    """Asks until the answer is good; the answer."""
    deadline = time.monotonic() + SECONDS
    while not good(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found
