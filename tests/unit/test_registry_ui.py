"""The container of the page."""

from __future__ import annotations

from tests.unit.assembly import assembled
from tests.unit.config.stack import Stack
from tests.unit.recorder import Recorded

DEFAULTS = {
    "CATALOG_ELEMENTS_LIMIT": "1000",
    "DELETE_IMAGES": "true",
    "ENABLE_VERSION_NOTIFICATION": "false",
    "PULL_URL": "dr.example.net",
    "REGISTRY_TITLE": "Docker registry",
    "REGISTRY_URL": "https://dr.example.net",
    "SHOW_CONTENT_DIGEST": "true",
    "SINGLE_REGISTRY": "true",
    "TZ": "Etc/UTC",
}


def _container(preview: bool, changes: Stack | None = None) -> Recorded:
    return assembled("ui", preview, changes)["u-container"]


def _variables(container: Recorded) -> dict[str, str]:
    return dict(variable.split("=", 1) for variable in container.inputs["envs"])


def test_the_page_is_of_the_registry_s_own_site(preview: bool) -> None:
    """Same name, same port, so that no browser asks for leave; and no public site is asked for news."""
    assert _variables(_container(preview)) == DEFAULTS


def test_the_page_follows_the_settings(preview: bool) -> None:
    """Title, deletion, limit, digests, and a port that is not 443."""
    changes = {
        "site": {"httpsPort": 8443},
        "ui": {
            "title": "Our = images",
            "deleteEnabled": False,
            "catalogLimit": 7,
            "showContentDigest": False,
        },
    }
    assert _variables(_container(preview, changes)) == DEFAULTS | {
        "CATALOG_ELEMENTS_LIMIT": "7",
        "DELETE_IMAGES": "false",
        "PULL_URL": "dr.example.net:8443",
        "REGISTRY_TITLE": "Our = images",
        "REGISTRY_URL": "https://dr.example.net:8443",
        "SHOW_CONTENT_DIGEST": "false",
    }


def test_its_logs_lie_in_their_volume(preview: bool) -> None:
    """And nothing of the host is mounted."""
    container = _container(preview)
    assert container.inputs["volumes"] == [{"volumeName": "registry-ui-logs", "containerPath": "/var/log/nginx"}]
    assert "v-registry-ui-logs" in container.depends_on


def test_it_publishes_no_port(preview: bool) -> None:
    """It is reached through the proxy only."""
    assert _container(preview).inputs["ports"] == []
