"""The registry's two processes and their barrier, whatever befalls them, their container or their host."""

import json
import os
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.clean_up import DATA, within
from tests.e2e.closing import (
    WRITERS,
    close,
    closed,
    generation,
    push,
    wait_for_writer,
    writers,
)
from tests.e2e.closing_registry import COME_BACK_SECONDS, api, at_once, made, registry
from tests.e2e.content import MANIFEST, Api, digest_of
from tests.e2e.support import Deployed, wait_until_healthy
from tests.e2e.traffic import SlowPush

__all__ = ["api", "at_once", "made", "registry"]

pytestmark = pytest.mark.e2e

NAME = "processes"


def test_a_restart_of_the_container_opens_nothing(registry: Deployed, api: Api, at_once: Callable[..., Any]) -> None:
    """It serves reads, is healthy, and waits with its writer; the barrier is whose it was."""
    host = registry.host
    image = api.image("hold/restarted", "1.0", os.urandom(100))
    for act in ("docker restart registry", "docker kill --signal KILL registry && docker start registry"):
        with closed(host):
            host.run(act)
            assert within(30, lambda: registry.get("/v2/", password=registry.password).status == HTTPStatus.OK)
            assert image["digest"] in api.pull("hold/restarted", "1.0")
            pushing = at_once(push, registry, "hold/restarted-new")
            wait_until_healthy(host)
            time.sleep(2)
            assert not pushing.done()
            assert writers(host) == []
        pushing.result(timeout=60)


def test_a_new_container_opens_nothing(registry: Deployed, api: Api, at_once: Callable[..., Any]) -> None:
    """One that `up` makes while the barrier is closed."""
    host = registry.host
    with closed(host):
        host.run("docker rm --force registry")
        registry.stack.up("--refresh")
        wait_until_healthy(host)
        pushing = at_once(push, registry, "hold/replaced")
        time.sleep(2)
        assert not pushing.done()
        assert writers(host) == []
    pushing.result(timeout=60)


def test_a_docker_restart_opens_nothing(registry: Deployed, api: Api, at_once: Callable[..., Any]) -> None:
    """All containers end and start again."""
    host = registry.host
    with closed(host):
        host.run("systemctl restart docker", timeout=120)
        wait_until_healthy(host)
        pushing = at_once(push, registry, "hold/daemon")
        time.sleep(2)
        assert not pushing.done()
        assert writers(host) == []
    pushing.result(timeout=60)


def test_after_a_reboot_all_is_open(registry: Deployed, api: Api) -> None:
    """The lock went with its owner."""
    closer = close(registry.host)
    closer.wait_for("closed")
    registry.host.reboot()
    wait_until_healthy(registry.host)
    push(registry, "hold/rebooted")


def test_a_process_that_crashes_is_there_again(registry: Deployed, api: Api) -> None:
    """A writer by itself, a reader by its container."""
    host = registry.host
    lived = wait_for_writer(host)
    [process] = writers(host)
    host.run(["kill", "-KILL", str(process)])
    push(registry, "hold/crashed-writer")
    assert generation(host) != lived
    wait_until_healthy(host)
    host.run("pkill -KILL -f '^registry serve .*/reader.yml'")
    assert within(30, lambda: registry.get("/v2/", password=registry.password).status == HTTPStatus.OK)
    wait_until_healthy(host)
    push(registry, "hold/crashed-reader")


def test_the_shell_that_keeps_a_writer_may_be_killed(registry: Deployed, api: Api) -> None:
    """The container ends and starts again, and there is a writer."""
    host = registry.host
    writer = writers(host)[0]
    shell = host.run(["ps", "-o", "ppid=", "-p", str(writer)]).stdout.strip()
    host.run(["kill", "-KILL", shell])
    host.run(["kill", "-KILL", str(writer)])
    assert within(COME_BACK_SECONDS, lambda: writers(host) not in ([], [writer]))
    wait_for_writer(host)
    push(registry, "hold/killed-shell")
    wait_until_healthy(host)


def test_the_container_ends_in_time(registry: Deployed, api: Api) -> None:
    """Also while the barrier is closed, and while somebody pushes: by itself, not by a kill."""
    host = registry.host
    slow = SlowPush(registry, "hold/stopped", 100_000_000)
    assert within(10, lambda: slow.under_way)
    for holder in (None, close(host, drain=1)):
        if holder is not None:
            holder.wait_for("closed")
        host.run("docker stop registry", timeout=60)
        code = host.run("docker inspect --format '{{.State.ExitCode}}' registry").stdout.strip()
        assert code != "137"
        host.run("docker start registry")
        if holder is not None:
            holder.kill()
        wait_until_healthy(host)
    slow.finish()


def test_a_writer_without_the_lock_keeps_it_open(registry: Deployed, api: Api) -> None:
    """One that somebody has started by hand: then nothing may be removed, and the right one writes on."""
    host = registry.host
    host.run(
        "docker exec -d -e REGISTRY_HTTP_DEBUG_ADDR=127.0.0.1:5009 -e REGISTRY_HTTP_SECRET=x registry "
        "registry serve /etc/distribution/config.yml"
    )
    assert within(10, lambda: len(writers(host)) == 2)
    closer = close(host)
    closer.wait_for("BarrierError: process ")
    assert "writes without the lock" in closer.said
    host.run("docker restart registry")
    wait_until_healthy(host)
    push(registry, "hold/by-hand")


def test_a_second_registry_over_the_same_files_keeps_it_open(registry: Deployed, api: Api) -> None:
    """In a container of its own, whose writes nobody notes: also while ours is stopped."""
    host = registry.host
    image = host.run("docker inspect --format '{{.Config.Image}}' registry").stdout.strip()
    host.run(f"docker run --detach --rm --name second --volume registry-data:/images {image}")
    try:
        assert within(10, lambda: len(host.run("pgrep -x registry", check=False).stdout.split()) == 3)
        for ours in ("start", "stop"):
            host.run(f"docker {ours} registry", timeout=60)
            closer = close(host)
            closer.wait_for("BarrierError: process ")
            assert "of a registry writes without the lock" in closer.said
    finally:
        host.run("docker rm --force second; docker start registry")
    wait_until_healthy(host)
    push(registry, "hold/second")


def test_files_that_are_not_the_container_s_keep_it_open(registry: Deployed, api: Api) -> None:
    """Another disk was mounted in their place: its lock would protect nothing."""
    registry.host.run(["mount", "-t", "tmpfs", "tmpfs", DATA])
    try:
        closer = close(registry.host)
        closer.wait_for("BarrierError: the container registry has other files")
    finally:
        registry.host.run(["umount", DATA])
    push(registry, "hold/mounted")


def test_sockets_that_are_not_the_container_s_keep_it_open(registry: Deployed, api: Api) -> None:
    """A container of before there was a barrier, which has none of them."""
    registry.host.run("mount -t tmpfs tmpfs /run/docker-registry && mkdir /run/docker-registry/sockets")
    try:
        closer = close(registry.host)
        closer.wait_for("BarrierError: the container registry is not one that lets its writes be stopped")
    finally:
        registry.host.run(["umount", "/run/docker-registry"])
    push(registry, "hold/other-sockets")


def test_what_is_let_through_is_written_down(registry: Deployed, api: Api) -> None:
    """What a push names and asks for, and that it has come to an end."""
    host, layer = registry.host, os.urandom(1000)
    image = api.image("hold/written", "1.0", layer)
    api.request("DELETE", f"/v2/hold/written/manifests/{image['digest'].replace(':', '%3A')}")
    mount = f"/v2/hold/mounted/blobs/uploads/?from=hold/written&%6dount={digest_of(layer).replace(':', '%3a')}"
    api.request("POST", mount)
    home = f"{WRITERS}/{generation(host)}"
    lines = [line.split(" ", 1)[1] for line in host.get_file(f"{home}/journal").splitlines() if "hold/" in line]
    assert {
        f"HEAD hold/written blob {digest_of(layer)}",
        f"PUT hold/written blob {digest_of(layer)}",
        "PUT hold/written manifest 1.0",
        f"DONE hold/written manifest {image['digest']}",
        f"DELETE hold/written manifest {image['digest']}",
        f"POST hold/mounted blob {digest_of(layer)}",
    } <= set(lines)
    assert lines.index("PUT hold/written manifest 1.0") < lines.index(f"DONE hold/written manifest {image['digest']}")
    host.run(["test", "-e", f"{home}/whole"])


def test_a_journal_that_can_t_be_written_is_not_whole(registry: Deployed, api: Api) -> None:
    """Pushes go on, and nobody relies on it."""
    host = registry.host
    home = f"{WRITERS}/{wait_for_writer(host)}"
    host.run(f"rm {home}/journal && mkdir {home}/journal")
    push(registry, "hold/not-whole")
    assert host.run(["test", "-e", f"{home}/whole"], check=False).returncode == 1
    host.run("docker restart registry")
    wait_until_healthy(host)


def test_status_tells_who_it_is(registry: Deployed, api: Api) -> None:
    """And since when."""
    with closed(registry.host):
        found = json.loads(registry.host.run(["registry-status", "--json", "writes"]).stdout)["writes"]
        assert (found["state"], found["reason"]) == ("held-off", "a test called closer")
        assert found["since"].endswith("Z")


def test_a_manifest_that_was_asked_for_can_be_named(registry: Deployed, api: Api) -> None:
    """Clients that find a part of an index there don't push it again. It is nobody's, and of before the last start."""
    host = registry.host
    child, other = (api.image("hold/parts", "", os.urandom(100)) for _ in range(2))
    host.run(f"docker stop registry && rm -r {WRITERS} && docker start registry")
    wait_for_writer(host)
    status, _, _ = api.request("HEAD", f"/v2/hold/parts/manifests/{child['digest']}", headers={"Accept": MANIFEST})
    assert status == HTTPStatus.OK
    host.run("registryctl gc --force")
    api.index("hold/parts", "1.0", [child])
    assert child["digest"] in api.pull("hold/parts", "1.0")
    assert api.request("HEAD", f"/v2/hold/parts/manifests/{other['digest']}")[0] == HTTPStatus.NOT_FOUND
