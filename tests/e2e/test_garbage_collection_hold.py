"""While somebody has closed the barrier nobody writes; pushes wait, reads go on, and none of them fails."""

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.clean_up import within
from tests.e2e.closing import (
    LATE,
    STEPS,
    WRITERS,
    close,
    closed,
    generation,
    push,
    wait_for_writer,
    writers,
    written,
)
from tests.e2e.closing_registry import AT_ONCE, COME_BACK_SECONDS, DRAIN_SECONDS, api, at_once, made, registry
from tests.e2e.content import MANIFEST, Api, digest_of
from tests.e2e.support import Deployed
from tests.e2e.traffic import SlowPush

__all__ = ["api", "at_once", "made", "registry"]

pytestmark = pytest.mark.e2e

NAME = "hold"
LARGE = 200_000_000


def test_pushes_wait_and_reads_do_not(registry: Deployed, api: Api, at_once: Callable[..., "Future[Any]"]) -> None:
    """Large and small ones, deletions, and the question whether a layer is there: all are answered in the end."""
    layer = os.urandom(100_000)
    image = api.image("hold/kept", "1.0", layer)
    gone = api.image("hold/gone", "1.0", os.urandom(100))["digest"]
    with closed(registry.host):
        waiting = [at_once(push, registry, f"hold/new-{number}") for number in range(4)]
        waiting.append(at_once(push, registry, "hold/large", os.urandom(LARGE)))
        waiting.append(at_once(Api(registry).delete, "hold/gone", gone))
        waiting.append(at_once(Api(registry).request, "HEAD", f"/v2/hold/kept/blobs/{digest_of(layer)}"))
        end = time.monotonic() + 5
        while time.monotonic() < end:
            began = time.monotonic()
            assert image["digest"] in api.pull("hold/kept", "1.0")
            assert time.monotonic() - began < 2
        assert not any(one.done() for one in waiting)
    for pushing in waiting:
        pushing.result(timeout=120)
    assert waiting[-1].result()[0] == HTTPStatus.OK
    assert api.request("GET", f"/v2/hold/gone/manifests/{gone}")[0] == HTTPStatus.NOT_FOUND


def test_whoever_may_not_write_does_not_wait(registry: Deployed, api: Api) -> None:
    """And learns nothing."""
    with closed(registry.host):
        for method, path in (("POST", "/v2/hold/x/blobs/uploads/"), ("PUT", "/v2/hold/x/manifests/1")):
            status, headers, _ = api.request(method, path, headers={"Authorization": ""})
            assert status == HTTPStatus.UNAUTHORIZED
            assert "WWW-Authenticate" in headers
        for path in ("/gate", "/gate-of-questions", "/whole", "/upload", "/asked"):
            assert api.request("GET", path)[0] == HTTPStatus.NOT_FOUND


def test_who_waits_too_long_is_told_when_to_try_again(registry: Deployed, api: Api) -> None:
    """In the registry's own words; whether a layer is there, the reader knows. Here five minutes are two seconds."""
    host, layer = registry.host, os.urandom(1000)
    api.image("hold/long", "1.0", layer)
    gate, reload = "/var/opt/nginx/etc/conf.d/gate.js", "/usr/local/lib/docker-registry/nginx-reload"
    host.run(f"sed -i.kept 's/^const LONGEST_WAIT = .*/const LONGEST_WAIT = 2000;/' {gate} && {reload}")
    api.close()
    try:
        with closed(host):
            asked = [
                ("POST", "blobs/uploads/", b""),
                ("PATCH", "blobs/uploads/0b1c", b"x"),
                ("PUT", "manifests/2", b"x"),
            ]
            for method, path, body in (*asked, ("DELETE", "manifests/1.0", b"")):
                status, headers, content = api.request(method, f"/v2/hold/long/{path}", body)
                assert status == HTTPStatus.SERVICE_UNAVAILABLE, (method, path, content)
                assert json.loads(content)["errors"][0]["code"] == "UNAVAILABLE"
                assert headers["Content-Type"] == "application/json"
                assert headers["Docker-Distribution-Api-Version"] == "registry/2.0"
                assert int(headers["Retry-After"]) > 0
            assert api.request("HEAD", f"/v2/hold/long/blobs/{digest_of(layer)}")[0] == HTTPStatus.OK
    finally:
        host.run(f"mv {gate}.kept {gate} && {reload}")
        api.close()


def test_what_was_let_through_and_is_slow_finds_nobody(registry: Deployed, api: Api) -> None:
    """A connection that was made in time, without a request yet, and one that is made when it is too late."""
    host = registry.host
    api.image("hold/slow", "1.0", os.urandom(100))
    lived = generation(host)
    host.put_file("/root/late.py", LATE)
    host.run(["systemd-run", "--quiet", "--collect", "--unit=late", "python3", "-IB", "/root/late.py", lived])
    assert within(10, lambda: host.run(["test", "-e", "/run/late.connected"], check=False).returncode == 0)
    with closed(host):
        host.run(["touch", "/run/late.go"])
        assert within(20, lambda: host.run(["test", "-e", "/run/late.json"], check=False).returncode == 0)
        early, late = json.loads(host.get_file("/run/late.json"))
        assert "201" not in early and "202" not in early
        assert late in {"FileNotFoundError", "ConnectionRefusedError"}
    host.run("rm /run/late.*")


def test_a_worker_of_the_proxy_that_stalls(registry: Deployed, api: Api, at_once: Callable[..., "Future[Any]"]) -> None:
    """Wherever it was, and though it goes on while the barrier is closed: nothing is written, and nothing fails."""
    host = registry.host
    image = api.image("hold/stalled", "1.0", os.urandom(100))
    content = api.request("GET", f"/v2/hold/stalled/manifests/{image['digest']}", headers={"Accept": MANIFEST})[2]
    stop = threading.Event()
    tags = [
        at_once(_keep_tagging, registry, f"hold/stalled/manifests/{number}", content, stop) for number in range(AT_ONCE)
    ]
    workers = "pgrep -f '^nginx: worker process'"
    try:
        for _ in range(3):
            time.sleep(1)
            host.run(f"kill -STOP $({workers})")
            closer = close(host)
            try:
                closer.wait_for("closed")
                before = written(host)
                host.run(f"kill -CONT $({workers})")
                time.sleep(2)
                assert written(host) == before
            finally:
                closer.kill()
            wait_for_writer(host)
    finally:
        host.run(f"kill -CONT $({workers})")
        stop.set()
    assert all(done.result(timeout=60) > 0 for done in tags)


def _keep_tagging(registry: Deployed, path: str, content: bytes, stop: threading.Event) -> int:
    client = Api(registry)
    count = 0
    while not stop.is_set():
        status, _, body = client.request("PUT", f"/v2/{path}-{count}", content, {"Content-Type": MANIFEST})
        assert status == HTTPStatus.CREATED, (status, body)
        count += 1
    client.close()
    return count


@pytest.mark.parametrize("step", STEPS)
def test_whoever_is_killed_leaves_nothing_closed(registry: Deployed, api: Api, step: str) -> None:
    """At each of its steps: writes are back by themselves, and soon."""
    closer = close(registry.host, stay=step)
    closer.wait_for(step)
    time.sleep(0.5)
    closer.kill()
    began = time.monotonic()
    push(registry, f"hold/killed-{step}")
    assert time.monotonic() - began < COME_BACK_SECONDS
    status = registry.host.run(["registry-status", "writes"])
    assert "writes: ok" in status.stdout


def test_the_lock_and_not_a_file_keeps_it_closed(registry: Deployed, api: Api, at_once: Callable[..., Any]) -> None:
    """Whatever somebody removes from where the tools talk to each other."""
    with closed(registry.host):
        registry.host.run(f"rm -f /run/docker-registry/turn /run/docker-registry/closed {WRITERS}/current")
        pushing = at_once(push, registry, "hold/lock")
        time.sleep(2)
        assert not pushing.done()
        assert writers(registry.host) == []
    pushing.result(timeout=60)


def test_two_take_turns(registry: Deployed, api: Api, at_once: Callable[..., Any]) -> None:
    """One that waits too long does nothing and says for whom; one whose turn comes closes anew."""
    host = registry.host
    first = close(host)
    third = None
    try:
        first.wait_for("closed")
        second = close(host, patience=1, name="second")
        second.wait_for("BusyError: another tool (a test called closer)")
        third = close(host, name="third")
        pushing = at_once(push, registry, "hold/turns")
        time.sleep(1)
        assert not pushing.done()
        # Between the two a writer may get a moment, and the push with it.
        first.kill()
        third.wait_for("closed")
        assert writers(host) == []
    finally:
        first.kill()
        if third:
            third.kill()
    pushing.result(timeout=60)


def test_an_upload_under_way_is_waited_for(registry: Deployed, api: Api, at_once: Callable[..., Any]) -> None:
    """As long as the settings say: its end is seen before the barrier is closed."""
    slow = SlowPush(registry, "hold/upload", 400_000)
    assert within(10, lambda: slow.under_way)
    closer = close(registry.host)
    time.sleep(1.5)
    assert closer.said.startswith("announced ")
    assert slow.finish() == HTTPStatus.CREATED
    closer.wait_for("closed")
    closer.kill()


def test_an_upload_that_takes_too_long_is_cut(registry: Deployed, api: Api) -> None:
    """The barrier is closed without it, it has written nothing more, and it can be repeated."""
    slow = SlowPush(registry, "hold/upload", 100_000_000)
    assert within(10, lambda: slow.under_way)
    with closed(registry.host) as closer:
        assert DRAIN_SECONDS <= closer.seconds < DRAIN_SECONDS + 10
        time.sleep(2)
    assert slow.finish() != HTTPStatus.CREATED
    push(registry, "hold/upload")


def test_a_manifest_that_drips_keeps_nobody(registry: Deployed, api: Api) -> None:
    """It has not come in whole, so no writer knows of it."""
    image = api.image("hold/drip", "1.0", os.urandom(100))
    content = api.request("GET", f"/v2/hold/drip/manifests/{image['digest']}", headers={"Accept": MANIFEST})[2]
    drip = Api(registry)
    drip.request("GET", "/v2/")
    connection = drip._connection
    assert connection is not None
    connection.putrequest("PUT", "/v2/hold/drip/manifests/2.0")
    token = base64.b64encode(f"alice:{registry.password}".encode()).decode()
    api_headers = {"Content-Type": MANIFEST, "Content-Length": str(len(content)), "Authorization": f"Basic {token}"}
    for name, value in api_headers.items():
        connection.putheader(name, value)
    connection.endheaders(content[:10])
    with closed(registry.host) as closer:
        assert closer.seconds < DRAIN_SECONDS
    wait_for_writer(registry.host)
    connection.send(content[10:])
    answer = connection.getresponse()
    assert answer.status == HTTPStatus.CREATED, answer.read()
    drip.close()
