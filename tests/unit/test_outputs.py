"""What the stack tells its administrator."""

from __future__ import annotations

import json

import pytest

import registryctl
from tests.unit.programs import AUTHORITY, VERSIONS, whole
from tests.unit.recorder import UNKNOWN, exported

PATHS = {
    "images": "docker-registry/data",
    "accounts": "nginx/etc/auth/registry.htpasswd",
    "certificates": "nginx/etc/tls",
    "proxyLogs": "nginx/logs",
}


@pytest.mark.parametrize(
    ("variant", "authority", "root"),
    [("plain", "dr.example.net", "/var/opt"), ("full", "images.example.net:8443", "/srv/registry")],
)
def test_addresses_login_and_paths(variant: str, authority: str, root: str, preview: bool) -> None:
    """As a user types them: the port only where it is not 443. A preview knows them already."""
    outputs = exported(whole(variant, preview))
    assert outputs["url"] == f"https://{authority}"
    assert outputs["uiUrl"] == f"https://{authority}/ui/"
    assert outputs["login"] == f"docker login {authority}"
    paths = {name: f"{root}/{path}" for name, path in PATHS.items()}
    assert outputs["paths"] == paths | {"tools": "/usr/local/lib/docker-registry"}


def test_users_by_name() -> None:
    """Names only, in the order of the settings."""
    assert exported(whole("full", False))["users"] == ["alice", "bob", "carol"]


def test_rights_in_words(preview: bool) -> None:
    """A preview shows a right that comes or goes."""
    rights = exported(whole("full", preview))["rights"]
    assert rights.keys() == {"alice", "bob", "carol"}
    assert rights["alice"] == "admin everywhere"


def test_the_certificate_s_end(variant: str) -> None:
    """Unknown before the first update."""
    assert exported(whole(variant, False))["certificateExpiry"] == "2031-03-15T12:30:00+00:00"
    assert exported(whole(variant, True))["certificateExpiry"] is UNKNOWN


def test_the_authority_of_a_certificate_of_the_host_s_own() -> None:
    """Clients have to be told to trust it. Where they trust already, there is none."""
    assert exported(whole("plain", False))["certificateAuthority"] == AUTHORITY
    for variant in ("full", "paths"):
        assert "certificateAuthority" not in exported(whole(variant, False))


def test_the_manifest_names_every_command(variant: str, preview: bool) -> None:
    """A preview knows it."""
    run = whole(variant, preview)
    assert json.loads(exported(run)["manifest"])["commands"].keys() == {one.name for one in run.commands}


def test_the_versions_that_run() -> None:
    """As the host tells them, once all three containers run; they are asked again when another container runs."""
    run = whole("plain", False)
    assert exported(run)["versions"] == {"program": registryctl.VERSION, **VERSIONS}
    assert run["host-versions"].depends_on >= {"registry-container", "registry-ui-container", "nginx-container"}
    create = run["host-versions"].inputs["create"]
    assert create.endswith(" joxit/docker-registry-ui:2.6.0 registry-con registry-ui- nginx-contai")
