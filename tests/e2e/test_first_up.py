"""A blank host becomes a registry that clients use, and it is back after a reboot."""

import pytest

from tests.e2e.conftest import BLANK_TITLE
from tests.e2e.support import USER, Deployed, round_trip, wait_until_healthy
from tests.lab.browser import look
from tests.lab.clients import OCI_INDEX, Client
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

SINGLE = "team/single:1.0"
INDEX = "team/index:1.0"


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
    assert set(outputs["versions"]) == {"host", "docker", "nginx", "registry", "ui"}
    assert all(outputs["versions"].values()), outputs["versions"]


def test_everything_is_back_after_a_reboot(blank: Deployed, user: Client, single: str) -> None:
    """After a reboot of the host all containers are healthy and images are pulled, without an `up`."""
    blank.host.reboot()
    wait_until_healthy(blank.host)
    assert blank.host.failed_units() == []
    round_trip(user, SINGLE, single)
