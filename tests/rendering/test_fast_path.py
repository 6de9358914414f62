"""Which requests the proxy answers from the registry's files, decided by nginx's maps, which are evaluated here."""

from __future__ import annotations

import pytest

from config.access import Access
from config.mirrors import Mirror
from rendering.access import access_file
from rendering.proxy import FILES
from tests.rendering.nginx_maps import Maps
from tests.rendering.sites import OLD, block, lines, site_of

HEX = "0a" * 32
STORE = f"{FILES}/registry/v2"
BLOB = f"/v2/team-a/x.y/blobs/sha256:{HEX}"
MANIFEST = f"/v2/team-a/x.y/manifests/sha256:{HEX}"
BLOB_LINK = f"{STORE}/repositories/team-a/x.y/_layers/sha256/{HEX}/link"
MANIFEST_LINK = f"{STORE}/repositories/team-a/x.y/_manifests/revisions/sha256/{HEX}/link"

SITE = site_of().content
MAPS = Maps(access_file(users=[], access=Access(), stack="a/b/c", root="/var/opt").content + SITE)
CONDITIONS = ("if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "if_range")


def _link(kind: str, method: str, uri: str, **headers: str) -> str:
    """The file that must be there for nginx to answer by itself; nothing where the registry is asked anyway."""
    sent = {f"http_{name}": value for name, value in headers.items()}
    return MAPS.value(f"{kind}_link", request_method=method, request_uri=uri, **sent)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_blob_is_looked_for_where_its_repository_links_it(method: str) -> None:
    """With the query that a mirror's clients send, and by nothing that isn't the repository's own."""
    assert _link("blob", method, BLOB) == BLOB_LINK
    assert _link("blob", method, f"{BLOB}?ns=docker.io") == BLOB_LINK
    assert _link("manifest", method, BLOB) == ""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_manifest_is_looked_for_by_its_digest_alone(method: str) -> None:
    """What a tag stands for changes."""
    assert _link("manifest", method, MANIFEST) == MANIFEST_LINK
    assert _link("manifest", method, MANIFEST.replace(f"sha256:{HEX}", "latest")) == ""
    assert _link("blob", method, MANIFEST) == ""


@pytest.mark.parametrize("uri", [BLOB, MANIFEST])
@pytest.mark.parametrize("method", ["DELETE", "PUT", "POST", "PATCH", "OPTIONS", "get"])
def test_only_reads_are_answered(method: str, uri: str) -> None:
    """Whatever else is asked of a blob or a manifest."""
    assert _link("blob", method, uri) == _link("manifest", method, uri) == ""


@pytest.mark.parametrize("header", CONDITIONS)
def test_conditions_are_the_registry_s(header: str) -> None:
    """nginx knows no date of a blob that the registry would own up to."""
    for uri in (BLOB, MANIFEST):
        for value in ("*", f'"sha256:{HEX}"', "Thu, 01 Jan 2026 00:00:00 GMT"):
            assert _link("blob", "GET", uri, **{header: value}) == ""
            assert _link("manifest", "GET", uri, **{header: value}) == ""


@pytest.mark.parametrize(
    ("wanted", "simple"),
    [
        ("bytes=0-", True),
        ("bytes=0-0", True),
        ("bytes=5-12", True),
        ("bytes=-5", True),
        ("bytes=0-1,4-5", False),
        ("bytes=-0", False),
        ("bytes=-", False),
        ("bytes=a-b", False),
        ("bytes= 0-1", False),
        ("BYTES=0-1", False),
        ("lines=0-1", False),
        ("bytes=" + "9" * 16 + "-", False),
        ("bytes=0-1 /v2/other/blobs/", False),
    ],
)
def test_one_simple_range_of_a_blob_is_answered(wanted: str, simple: bool) -> None:
    """All others, and ranges of a manifest, are the registry's to understand."""
    assert _link("blob", "GET", BLOB, range=wanted) == (BLOB_LINK if simple else "")
    assert _link("manifest", "GET", MANIFEST, range=wanted) == ""


@pytest.mark.parametrize(
    "uri",
    [
        f"/v2/team-a/blobs/sha512:{HEX * 2}",
        f"/v2/team-a/blobs/sha256:{HEX}0",
        f"/v2/team-a/blobs/sha256:{HEX[1:]}",
        f"/v2/team-a/blobs/sha256:{HEX.upper()}",
        f"/v2/team-a/blobs/sha256%3A{HEX}",
        f"/v2/team-a/blobs/sha256:{HEX}/..",
        f"/v2/team-a/../other/blobs/sha256:{HEX}",
        f"/v2/team-a/%2e%2e/other/blobs/sha256:{HEX}",
        f"/v2//team-a/blobs/sha256:{HEX}",
        f"/v2/team-a/blobs/uploads/sha256:{HEX}",
        f"/v2/team-a/tags/list?/blobs/sha256:{HEX}",
        f"/v2/_catalog?x=/blobs/sha256:{HEX}",
        f"/v2/team-a/referrers/sha256:{HEX}",
        f"/v2/team-a/blobs/sha512:{HEX * 2}?/blobs/sha256:{HEX}",
        f"/v2/{'a/' * 300}blobs/sha256:{HEX}",
    ],
)
def test_no_other_address_leads_to_a_file(uri: str) -> None:
    """Nothing is decoded or normalised: what would have to be is the registry's."""
    assert _link("blob", "GET", uri) == _link("manifest", "GET", uri) == ""


def test_files_are_looked_for_once_the_account_may() -> None:
    """After every refusal, and the right to a blob goes with the link."""
    registry = block(SITE, "location @registry")
    refused = max(registry.index(f"if ($answer = {status}) {{") for status in (401, 403, 404, 405))
    assert refused < registry.index("if (-f $blob_link) {") < registry.index("if (-f $manifest_link) {")
    for name in ("/blob", "/manifest"):
        assert "internal;" in block(SITE, f"location = {name}")
    assert not any("open_file_cache" in line for line in lines(SITE))


def test_manifests_are_remembered_in_memory_and_for_what_the_client_takes() -> None:
    """The type that the registry sends depends on it. An nginx that tells only a part of a header remembers none."""
    manifest = block(SITE, "location = /manifest")
    assert 'proxy_cache_key "$repository $manifest $takes_manifest $takes_index";' in manifest
    assert "/var/cache/nginx/manifests" in SITE
    old = site_of(version=(1, 22, 1)).content
    assert (
        not any(line.startswith("proxy_cache manifests") for line in lines(old)) and "/cache/nginx/manifests" not in old
    )
    assert "location = /blob {" in lines(old)
    assert "location = /manifest {" in lines(site_of(version=OLD).content)


def test_a_mirror_s_tag_is_remembered_for_all_that_the_client_takes() -> None:
    """So that nobody gets what is made for another. An nginx that tells only a part of that asks each time."""
    mirrors = [Mirror(prefix="ghcr.io", tag_seconds=60)]
    for version in (OLD, None):
        said = site_of(version=version, mirrors=mirrors).content
        assert '$mirrored $named_tag $takes_manifest $takes_index $takes_list";' in said
        assert said.count("map $http_accept $takes_list") == 1
    assert "mirrored-tag/" not in site_of(version=(1, 22, 1), mirrors=mirrors).content


def test_without_files_all_is_the_registry_s() -> None:
    """The setting is off, or the images lie elsewhere."""
    site = site_of(files=None).content
    assert not {"location = /blob {", "location = /manifest {"} & set(lines(site))
    assert FILES not in site
