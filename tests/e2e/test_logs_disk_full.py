"""A registry whose file system is full, while logs are rotated and while `up` is at work: nothing is lost."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.support import USER, Deployed, deploy, runs
from tests.lab.clients import Client
from tests.lab.host import LabHost
from tests.lab.stack import Result

pytestmark = pytest.mark.e2e

FQDN = "full.example.net"
ACCESS = "/var/opt/nginx/logs/access.log"
REGISTRY = "/var/opt/docker-registry/logs/registry.log"
SITE = "/var/opt/nginx/etc/conf.d/registry.conf"
CONFIG = "/var/opt/docker-registry/etc/config.yml"
IMAGE = "kept/image:1.0"
NO_SPACE = "No space left on device"
ROTATE = ["logrotate", "--force", "--state", "/run/rotated", "/etc/logrotate.d/docker-opt"]
SECONDS = 30


@dataclass(frozen=True)
class Full:
    """What happened while there was no room, and what the log had before."""

    registry: Deployed
    digest: str
    log: list[str]
    rotation: Result
    log_after_rotation: list[str]
    up: Result
    files: dict[str, str]
    files_after_up: dict[str, str]
    containers: dict[str, tuple[str, str]]
    containers_after_up: dict[str, tuple[str, str]]
    answers: list[int]


@pytest.fixture(scope="module")
def full(new_host: NewHost, new_stack: NewStack, client_host: LabHost) -> Full:
    """All of it: the data's file system is small from before the first `up`, and is filled to the last byte."""
    host = new_host("full", aliases=[FQDN])
    # Large enough for the image, small enough to be filled at once.
    host.run("mount -t tmpfs -o size=64m,mode=755 tmpfs /var/opt")
    registry = deploy(host, new_stack("full", host), FQDN)
    user = registry.client(client_host)
    digest = user.push(IMAGE)
    log = host.get_file(ACCESS).splitlines()

    host.run("dd if=/dev/zero of=/var/opt/filler bs=64k 2>/dev/null; dd if=/dev/zero bs=1 >>/var/opt/filler 2>&1; true")
    answers = [_get(registry) for _ in range(5)]
    rotation = host.run(ROTATE, check=False)
    log_after = host.get_file(ACCESS).splitlines()
    changed = {**registry.settings, "nginx": {"readTimeout": 901}, "registry": {"logLevel": "warn"}}
    registry.stack.configure(changed)
    files, containers = _files(host), runs(host)
    up = registry.stack.up("--continue-on-error", check=False)
    answers += [_get(registry) for _ in range(5)]
    return Full(registry, digest, log, rotation, log_after, up, files, _files(host), containers, runs(host), answers)


@pytest.fixture(scope="module")
def mended(full: Full) -> str:
    """There is room again, and the same `up` once more; what it printed."""
    full.registry.host.run(["rm", "/var/opt/filler"])
    return full.registry.stack.up().stdout


def test_clients_notice_nothing(full: Full) -> None:
    """Nobody could write a line of any log: each request is answered all the same."""
    assert full.answers == [200] * 10


def test_rotation_says_why_it_failed_and_loses_nothing(full: Full) -> None:
    """logrotate's own words; the log that it could not copy isn't cut."""
    assert full.rotation.returncode != 0
    assert NO_SPACE in full.rotation.stdout + full.rotation.stderr
    assert full.log
    assert full.log_after_rotation[: len(full.log)] == full.log


def test_up_says_why_it_failed_and_changes_nothing(full: Full) -> None:
    """For each file in its turn; files and containers are the old ones."""
    assert full.up.returncode != 0
    said = full.up.stdout + full.up.stderr
    assert said.count(NO_SPACE) >= 2
    assert full.files_after_up == full.files
    assert full.containers_after_up == full.containers


def test_up_completes_once_there_is_room(full: Full, mended: str) -> None:
    """The same settings take effect, without a rest of what failed, and nothing is left to do."""
    host = full.registry.host
    assert "updated" in mended
    files = _files(host)
    assert "proxy_read_timeout 901s;" in files[SITE]
    assert "level: warn" in files[CONFIG]
    assert host.run("find /var/opt -name '*.new~' -o -name '*~'").stdout == ""
    full.registry.stack.preview("--expect-no-changes")
    concerns = ["certificate", "containers", "network", "disk", "timers", "writes"]
    assert host.run(["registry-status", *concerns], check=False).returncode == 0


def test_logs_go_on_once_there_is_room(full: Full, mended: str) -> None:
    """Those of proxy and registry; and the rotation succeeds."""
    del mended
    host = full.registry.host
    assert full.registry.get("/v2/roomy/tags/list", password=full.registry.password).status == 404
    _until(lambda: "/v2/roomy/tags/list" in host.get_file(ACCESS))
    _until(lambda: "/v2/roomy/tags/list" in host.get_file(REGISTRY))
    rotation = host.run(ROTATE, check=False)
    assert (rotation.returncode, rotation.stderr) == (0, "")
    rotated = host.run(f"cat {ACCESS}.[0-9]").stdout.splitlines()
    assert set(full.log) <= set(rotated)


def test_images_are_whole(full: Full, mended: str, client_host: LabHost) -> None:
    """What was pushed before is pulled after."""
    del mended
    user: Client = full.registry.client(client_host)
    user.forget(IMAGE)
    user.pull(f"{IMAGE.partition(':')[0]}@{full.digest}")


def test_up_warns_of_a_disk_that_fills(full: Full, mended: str) -> None:
    """By the host's own status, with how much is left."""
    del mended
    host = full.registry.host
    host.run("head -c 58m /dev/zero >/var/opt/filler")
    try:
        found = json.loads(host.run(["registry-status", "--json", "disk"], check=False).stdout)
        said = full.registry.stack.up().stdout
    finally:
        host.run(["rm", "/var/opt/filler"])
    assert {disk["state"] for disk in found["disk"]} <= {"filling", "full"}
    assert f"warning: disk (data, /var/opt): {found['disk'][0]['state']}; " in said


def _get(registry: Deployed) -> int:
    return registry.get("/v2/", user=USER, password=registry.password).status


def _files(host: LabHost) -> dict[str, str]:
    return {path: host.get_file(path) for path in (SITE, CONFIG)}


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not after {SECONDS} s"
        time.sleep(0.2)
