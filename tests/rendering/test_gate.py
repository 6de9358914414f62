"""What of the proxy's site waits at the gate of writes, and where it goes then."""

from __future__ import annotations

import json
import re

import pytest

from config.access import Access
from rendering.access import access_file
from rendering.rootfs import render
from tests.rendering.nginx_maps import Maps
from tests.rendering.sites import block, site_of

DEFAULT = site_of().content
V2, REGISTRY = (block(DEFAULT, f"location {name}") for name in ("/v2/", "@registry"))
DIGEST = f"sha256:{'0a' * 32}"
MAPS = Maps(access_file(users=[], access=Access(), stack="a/b/c", root="/var/opt").content + DEFAULT)


@pytest.mark.parametrize(
    ("request_line", "length", "way"),
    [
        ("GET /v2/", "", ""),
        ("HEAD /v2/", "", ""),
        ("GET /v2/_catalog?n=1", "", ""),
        ("GET /v2/a/tags/list", "", ""),
        ("GET /v2/a/manifests/x", "", ""),
        ("HEAD /v2/a/manifests/x", "", ""),
        (f"GET /v2/a/referrers/{DIGEST}", "", ""),
        (f"GET /v2/a/blobs/{DIGEST}", "", ""),
        # What a client asks before it pushes waits too; so does whatever else may write.
        (f"HEAD /v2/a/blobs/{DIGEST}", "", "/asked"),
        ("PUT /v2/a/manifests/x", "1000", "/whole"),
        ("DELETE /v2/a/manifests/x", "", "/whole"),
        (f"DELETE /v2/a/blobs/{DIGEST}", "", "/whole"),
        ("POST /v2/a/blobs/uploads/", "", "/whole"),
        ("POST /v2/a/blobs/uploads/", "0", "/whole"),
        ("PUT /v2/a/blobs/uploads/0b1c?digest=x", "0", "/whole"),
        ("GET /v2/a/blobs/uploads/0b1c", "", "/whole"),
        ("HEAD /v2/a/blobs/uploads/0b1c", "", "/whole"),
        ("DELETE /v2/a/blobs/uploads/0b1c", "", "/whole"),
        # A body that may be long, or whose length is not known.
        ("POST /v2/a/blobs/uploads/?digest=x", "1000", "/upload"),
        ("PATCH /v2/a/blobs/uploads/0b1c", "1000", "/upload"),
        ("PATCH /v2/a/blobs/uploads/0b1c", "", "/upload"),
        ("PATCH /v2/a/blobs/uploads/0b1c", "0", "/upload"),
        ("PUT /v2/a/blobs/uploads/0b1c?digest=x", "1000", "/upload"),
        ("PUT /v2/a/blobs/uploads/0b1c?digest=x", "", "/upload"),
        # Whatever it is, no reader is asked.
        ("BREW /v2/a/manifests/x", "", "/whole"),
        ("GET /v2/a/nothing", "", "/whole"),
    ],
)
def test_all_but_reads_waits_at_the_gate(request_line: str, length: str, way: str) -> None:
    """Whole where it can be sent again, else as it comes."""
    method, uri = request_line.split(" ", 1)
    assert MAPS.value("way", request_method=method, request_uri=uri, http_content_length=length) == way
    chunked = MAPS.value("way", request_method=method, request_uri=uri, http_transfer_encoding="chunked")
    assert chunked == ("/upload" if method in {"POST", "PATCH"} or "uploads/0b1c?" in uri else way)


def test_who_may_not_write_does_not_wait() -> None:
    """Password and role are looked at before the gate, and what is only read comes after."""
    assert not any(word in line for line in V2 for word in ("held", "gate"))
    gate = REGISTRY.index("if ($way) {")
    assert max(REGISTRY.index(f"if ($answer = {status}) {{") for status in (401, 403, 404, 405)) < gate
    assert REGISTRY[gate + 1] == "rewrite ^ $way last;"
    assert gate < REGISTRY.index("proxy_pass http://reader$registry_uri;")
    for name in ("/upload", "/whole", "/asked", "/gate", "/gate-of-questions"):
        assert "internal;" in block(DEFAULT, f"location = {name}")


def test_only_what_has_come_in_whole_is_sent_again() -> None:
    """To another writer, when one has gone before it answered; of what is passed on as it comes, a part is gone."""
    writer, whole, upload = (block(DEFAULT, f"location {name}") for name in ("@writer", "= /whole", "= /upload"))
    assert "error_page 502 = @next_writer;" in writer
    assert {"js_content gate.forward;", "client_max_body_size 4m;"} <= set(whole)
    assert {"error_page 403 502 = @held;", "auth_request /gate;", "proxy_request_buffering off;"} <= set(upload)
    assert "client_max_body_size 4m;" not in upload


def test_what_waited_too_long_is_told_when_to_try_again() -> None:
    """In the registry's own form; so is a manifest that is too long."""
    answer = block(DEFAULT, "location @held")
    assert "add_header Retry-After 10 always;" in answer
    for name, status, code in (("@held", 503, "UNAVAILABLE"), ("@too_long", 413, "SIZE_INVALID")):
        [line] = [line for line in block(DEFAULT, f"location {name}") if line.startswith(f"return {status} ")]
        assert json.loads(line.split("'")[1])["errors"][0]["code"] == code


def test_no_query_keeps_the_proxy_busy() -> None:
    """It looks for digests from each letter of 8 KB on, and no further than an algorithm's name goes."""
    [pattern] = re.findall(
        "^const DIGEST = /(.*)/g;$", render("/var/opt/nginx/etc/conf.d/gate.js").content, re.MULTILINE
    )
    assert re.fullmatch(r"\[[^]]+\](?:\[[^]]+\]\{[0-9],[0-9]{2}\})?", pattern.partition(":")[0])
    sha512 = f"sha512:{'0a' * 64}"
    assert re.findall(pattern, f"_state=a.b-c:d==&digest={DIGEST}&mount={sha512}") == [DIGEST, sha512]
