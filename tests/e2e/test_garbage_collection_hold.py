"""While the clean-up runs, writes are refused in a way that clients repeat, and what is under way may end."""

import base64
import http.client
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.clean_up import HOLD, UNIT, arriving, clean_up, held, journal, stored, within
from tests.e2e.content import MANIFEST, Api, forget
from tests.e2e.support import USER, Deployed
from tests.e2e.traffic import SlowPush

pytestmark = pytest.mark.e2e

DRAIN_SECONDS = 4
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def garbage(deployed: Deployed) -> Iterator[str]:
    """The digest of an image that a clean-up would remove, beside one that it would not."""
    api = Api(deployed)
    api.image("hold/kept", "1.0", os.urandom(3_000_000))
    digest: str = api.image("hold/gone", "1.0", os.urandom(100))["digest"]
    api.delete("hold/gone", digest)
    yield digest
    api.pull("hold/kept", "1.0")
    forget(deployed, "hold/kept")
    assert clean_up(deployed.host, "--force").code == 0


@contextmanager
def _short_drain(registry: Deployed) -> Iterator[None]:
    """Pushes under way get only some seconds."""
    file = "/etc/docker-registry/gc.conf"
    registry.host.run(f"sed -i.kept s/^drain_seconds=.*/drain_seconds={DRAIN_SECONDS}/ {file}")
    try:
        yield
    finally:
        registry.host.run(f"mv {file}.kept {file}")


def _begin(registry: Deployed) -> None:
    """A run begins and has got as far as the hold."""
    registry.host.run(["systemctl", "start", "--no-block", UNIT])
    assert within(30, lambda: held(registry.host))


def _state(registry: Deployed) -> str:
    return registry.host.run(["systemctl", "show", "--value", "--property=ActiveState", UNIT]).stdout.strip()


def _end(registry: Deployed) -> str:
    """Waits for the end; systemd's word for it."""
    assert within(120, lambda: _state(registry) in {"inactive", "failed"})
    return registry.host.run(["systemctl", "show", "--value", "--property=Result", UNIT]).stdout.strip()


def test_a_write_is_refused_after_the_password_and_a_read_is_not(deployed: Deployed) -> None:
    """In the registry's own words, with the time after which to try again; a stranger learns nothing."""
    deployed.host.run(f"echo a test >{HOLD}")
    try:
        api = Api(deployed)
        for method in WRITES:
            path = "/v2/hold/x/blobs/uploads/" + ("" if method == "POST" else "0b1c")
            status, headers, body = api.request(method, path)
            assert status == http.client.SERVICE_UNAVAILABLE, method
            assert json.loads(body)["errors"][0]["code"] == "UNAVAILABLE"
            assert headers["Content-Type"] == "application/json"
            assert headers["Docker-Distribution-Api-Version"] == "registry/2.0"
            assert int(headers["Retry-After"]) > 0
            status, headers, body = api.request(method, path, headers={"Authorization": ""})
            assert status == http.client.UNAUTHORIZED, method
            assert "WWW-Authenticate" in headers
            assert b"UNAVAILABLE" not in body
        # What is neither a read nor one of these never reaches the registry.
        assert api.request("BREW", "/v2/hold/x/blobs/uploads/")[0] == http.client.METHOD_NOT_ALLOWED
        for method in ("GET", "HEAD"):
            assert api.request(method, "/v2/")[0] == http.client.OK
        assert api.request("GET", "/held")[0] == http.client.NOT_FOUND
    finally:
        deployed.host.run(["rm", HOLD])
    api.image("hold/x", "1.0", os.urandom(100))
    forget(deployed, "hold/x")


def test_an_upload_under_way_is_waited_for(deployed: Deployed, garbage: str) -> None:
    """New writes are refused, reads go on, and nothing is removed before it has ended."""
    push = SlowPush(deployed, "hold/slow", 1_000_000)
    assert within(30, lambda: arriving(deployed.host, "hold/slow"))
    _begin(deployed)
    api = Api(deployed)
    for _ in range(6):
        refused = api.request("POST", "/v2/hold/x/blobs/uploads/")[0]
        assert refused == http.client.SERVICE_UNAVAILABLE, journal(deployed.host)
        api.pull("hold/kept", "1.0")
        time.sleep(0.5)
    assert push.under_way
    assert (_state(deployed), stored(deployed.host, garbage)) == ("activating", True)
    assert push.finish() == http.client.CREATED
    assert _end(deployed) == "success", journal(deployed.host)
    assert not stored(deployed.host, garbage)
    assert not held(deployed.host)


def test_an_upload_that_takes_too_long_harms_nothing(deployed: Deployed, garbage: str) -> None:
    """The run goes on without it; the upload succeeds all the same or is refused, and can be repeated."""
    push = SlowPush(deployed, "hold/slow", 1_000_000)
    assert within(30, lambda: arriving(deployed.host, "hold/slow"))
    with _short_drain(deployed):
        run = clean_up(deployed.host)
    assert run.code == 0
    assert "uploads were still under way" in run.said
    assert not stored(deployed.host, garbage)
    assert push.under_way
    assert push.finish() in {http.client.CREATED, http.client.NOT_FOUND}
    Api(deployed).image("hold/slow", "1.0", os.urandom(100))
    forget(deployed, "hold/slow")


def test_a_manifest_that_takes_too_long_ends_the_run(deployed: Deployed, garbage: str) -> None:
    """Its layers were there when it began, so none may go: nothing is removed, and the next run tries again."""
    api = Api(deployed)
    api.request("GET", "/v2/")
    connection = api._connection
    assert connection is not None
    connection.putrequest("PUT", "/v2/hold/kept/manifests/2.0")
    for name, value in {"Content-Type": MANIFEST, "Content-Length": "1000", "Authorization": _basic(deployed)}.items():
        connection.putheader(name, value)
    connection.endheaders(b'{"schemaVersion": 2')
    with _short_drain(deployed):
        run = clean_up(deployed.host)
    assert run.code == 4
    assert "a manifest was still being pushed" in run.said
    assert stored(deployed.host, garbage)
    assert not held(deployed.host)
    api.close()
    assert clean_up(deployed.host).code == 0
    assert not stored(deployed.host, garbage)


def test_a_proxy_that_does_not_hold_writes_off_ends_the_run(deployed: Deployed, garbage: str) -> None:
    """One that sees another directory than the host's tools write to: writes would go on unseen."""
    deployed.host.run("mount -t tmpfs tmpfs /run/docker-registry")
    try:
        run = clean_up(deployed.host)
    finally:
        deployed.host.run(["umount", "/run/docker-registry"])
    assert run.code == 4
    assert "the proxy does not see" in run.said
    assert stored(deployed.host, garbage)


def test_two_tools_take_turns(deployed: Deployed) -> None:
    """One that finds no turn in time says so and does nothing."""
    tool = "/usr/local/lib/docker-registry/with-lock"
    deployed.host.run(f"{tool} 5 sleep 8 >/dev/null 2>&1 & sleep 1")
    busy = deployed.host.run([tool, "1", "echo", "my turn"], check=False)
    assert (busy.returncode, busy.stdout) == (75, "")
    assert "echo: another tool has been at the registry's storage for 1 s" in busy.stderr
    turn = deployed.host.run([tool, "20", "echo", "my turn"])
    assert turn.stdout == "my turn\n"


def _basic(registry: Deployed) -> str:
    return "Basic " + base64.b64encode(f"{USER}:{registry.password}".encode()).decode()
