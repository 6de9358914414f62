"""A blank host becomes a registry that clients use, and it is back after a reboot."""

import http.client
import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import BLANK_TITLE
from tests.e2e.support import USER, Deployed, round_trip, wait_until_healthy
from tests.lab.browser import look
from tests.lab.clients import OCI_INDEX, Client
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

SINGLE = "team/single:1.0"
INDEX = "team/index:1.0"
PULL_SECONDS = 90
MOST_LOGINS = 30


@pytest.fixture(scope="module")
def user(blank: Deployed, client_host: LabHost) -> Client:
    """A client that is logged in at the registry."""
    return blank.client(client_host)


@pytest.fixture(scope="module")
def single(user: Client) -> str:
    """The digest of a pushed image of one platform."""
    return user.push(SINGLE)


@pytest.fixture(scope="module")
def index(user: Client) -> str:
    """The digest of a pushed OCI index of two platforms."""
    return user.push_index(INDEX)


def test_it_is_made_by_few_logins(blank: Deployed) -> None:
    """Each costs a handshake and a process or two, here and on the host."""
    assert 1 < blank.logins <= MOST_LOGINS


def test_single_platform_image_is_pulled_by_tag_and_digest(user: Client, single: str) -> None:
    """What docker pushed comes back under its tag and under its digest, and runs."""
    round_trip(user, SINGLE, single)


def test_oci_index_is_pulled_by_tag_and_digest(user: Client, index: str) -> None:
    """An OCI index stays one, with both its platforms, and docker pulls from it."""
    manifest = user.manifest(INDEX)
    assert manifest["mediaType"] == OCI_INDEX
    assert sorted(entry["platform"]["architecture"] for entry in manifest["manifests"]) == ["amd64", "arm64"]
    round_trip(user, INDEX, index)


def test_page_lists_the_images(blank: Deployed, single: str, index: str) -> None:
    """A browser that trusts the certificate sees title and images under /ui/."""
    assert single.startswith("sha256:") and index.startswith("sha256:")
    text, _ = look(
        f"https://{blank.fqdn}/ui/",
        blank.fqdn,
        blank.host.address,
        username=USER,
        password=blank.password,
        authority=blank.ca,
        expect=[BLANK_TITLE, "team/single", "team/index"],
        picture="first-up",
    )
    assert "team/single" in text


def test_registry_without_account_is_401(blank: Deployed) -> None:
    """Without an account /v2/ answers 401 with what clients look for: the challenge and the API's version."""
    answer = blank.get("/v2/")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("path", ["/", "/v2/", "/ui/?a=b"])
def test_http_redirects_to_https(blank: Deployed, path: str) -> None:
    """Plain http leads to the same address on https with 307, which keeps the method."""
    answer = blank.get(path, scheme="http")
    assert (answer.status, answer.headers["location"]) == (307, f"https://{blank.fqdn}{path}")


def test_root_redirects_to_the_page(blank: Deployed) -> None:
    """`/` leads to /ui/ with 307."""
    answer = blank.get("/")
    assert (answer.status, answer.headers["location"]) == (307, f"https://{blank.fqdn}/ui/")


def test_outputs_tell_the_way_in(blank: Deployed) -> None:
    """The stack says where the registry is, how to log in, and what runs."""
    outputs = blank.stack.outputs()
    assert outputs["url"] == f"https://{blank.fqdn}"
    assert outputs["uiUrl"] == f"https://{blank.fqdn}/ui/"
    assert outputs["login"] == f"docker login {blank.fqdn}"
    assert outputs["users"] == [USER]
    assert outputs["certificateExpiry"] > "2026"
    assert set(outputs["versions"]) == {"program", "host", "docker", "nginx", "registry", "ui"}
    assert all(outputs["versions"].values()), outputs["versions"]


@pytest.mark.parametrize("act", ["reboot", "power_cycle"])
def test_everything_is_back_after(act: str, blank: Deployed, user: Client, single: str) -> None:
    """After a reboot, and after a power cut, all is as before without an `up`. `-s` prints the time to the first pull.

    That is counted from the moment at which Docker is up for systemd, and again from the start of its daemon.
    """
    getattr(blank.host, act)(wait=False)
    pulled = _first_pull(blank, SINGLE)
    blank.host.wait()
    for since, event in (("ActiveEnterTimestamp", "is up"), ("ExecMainStartTimestamp", "starts")):
        print(f"{act}: first pull {pulled - _docker_time(blank.host, since):.1f} s after Docker {event}")
    wait_until_healthy(blank.host)
    assert blank.host.failed_units() == []
    concerns = ["certificate", "containers", "network", "timers", "writes"]
    assert blank.host.run(["registry-status", *concerns], check=False).returncode == 0
    round_trip(user, SINGLE, single)
    blank.stack.preview("--expect-no-changes")


def _first_pull(registry: Deployed, name: str) -> float:
    """Tries to pull an image, manifest and blobs, until it can; the time of day at which it has."""
    repository, _, tag = name.partition(":")
    deadline = time.monotonic() + PULL_SECONDS
    while True:
        try:
            manifest = _got(registry, f"/v2/{repository}/manifests/{tag}")
            for blob in [manifest["config"], *manifest["layers"]]:
                _got(registry, f"/v2/{repository}/blobs/{blob['digest']}", parse=False)
        except (OSError, http.client.HTTPException, ValueError):
            assert time.monotonic() < deadline, f"no pull after {PULL_SECONDS} s"
            time.sleep(0.1)
        else:
            return time.time()


def _got(registry: Deployed, path: str, *, parse: bool = True) -> Any:  # noqa: ANN401
    answer = registry.get(path, password=registry.password)
    if answer.status != http.HTTPStatus.OK:
        raise ValueError(f"{path}: {answer.status}")
    return json.loads(answer.body) if parse else None


def _docker_time(host: LabHost, name: str) -> float:
    """A time in the life of the host's Docker, to the second."""
    return float(host.run(f'date +%s -d "$(systemctl show --value --property={name} docker.service)"').stdout)
