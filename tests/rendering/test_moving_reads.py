"""Pulls wait for a registry that is being replaced because its images move; at any other time they are told at once."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.rendering.mirror_world import digest_of
from tests.rendering.proxy_connection import Connection
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

AWAY = 2.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    """One that serves no blob by itself."""
    with proxied([user("alice")]) as found:
        found.fast = False
        found.configure([user("alice")])
        found.reload()
        yield found


def _pull(proxy: Proxy, path: str) -> tuple[int, bytes, float]:
    began = time.monotonic()
    connection: Connection = proxy.connection("alice")
    answer = connection.ask("GET", path)
    return answer.status, answer.body, time.monotonic() - began


def test_pulls_wait_while_images_move(proxy: Proxy) -> None:
    """With what they asked for, and as whom."""
    content = os.urandom(300_000)
    digest = digest_of(content)
    writer = proxy.connection("alice")
    place = writer.ask("POST", "/v2/app/blobs/uploads/").headers["location"]
    path = f"{urlsplit(place).path}?{urlsplit(place).query}&digest={digest}"
    assert writer.ask("PUT", path, content).status == http.client.CREATED
    path, reader = f"/v2/app/blobs/{digest}", proxy.home / "run/reader.socket"
    assert _pull(proxy, path)[:2] == (200, content)
    away = reader.with_name("away")
    reader.rename(away)
    try:
        status, _, took = _pull(proxy, path)
        assert (status, took < AWAY) == (http.client.BAD_GATEWAY, True)
        (proxy.home / "run/moving").touch()
        back = threading.Timer(AWAY, away.rename, [reader])
        back.start()
        status, body, took = _pull(proxy, path)
        back.join()
        assert (status, body == content, took >= AWAY) == (200, True, True)
        # What was announced long ago says nothing.
        os.utime(proxy.home / "run/moving", (1, 1))
        reader.rename(away)
        assert _pull(proxy, path)[0] == http.client.BAD_GATEWAY
    finally:
        if away.exists():
            away.rename(reader)
        (proxy.home / "run/moving").unlink(missing_ok=True)
