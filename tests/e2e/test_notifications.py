"""Who is told of the status, and of what the registry does; and that nobody reads the secrets by which that is done."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from rendering.rootfs import PACKAGE
from tests.e2e.clean_up import within
from tests.e2e.closing import IMAGES
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.leaks import Needles, watched_processes
from tests.e2e.listener import Listener
from tests.e2e.support import Deployed, deploy, runs, wait_until_healthy
from tests.e2e.test_secrets import READABLE_ROOTS
from tests.lab.audit import readable_by_others
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

FQDN = "telling.example.net"
EVENTS, STATUS = "/events", f"/status/{secrets.token_hex(16)}"
EVENTS_TOKEN, STATUS_TOKEN = f"Bearer {secrets.token_hex(16)}", f"Bearer {secrets.token_hex(16)}"
SECONDS = 120
PROGRAM, PAGED = "/usr/local/bin/page-me", "/root/paged"
UNIT = "docker-registry-notify"


@dataclass
class World:
    """A registry that tells a listener, and all that its deployment showed."""

    registry: Deployed
    listener: Listener
    needles: Needles
    shown: list[str] = field(default_factory=list)
    processes: set[bytes] = field(default_factory=set)

    def status(self) -> list[tuple[list[str], list[str]]]:
        """What became worse and what is well again, of each message."""
        found = [one.body for one in self.listener.told(STATUS)]
        return [([its["what"] for its in one["worse"]], [its["what"] for its in one["well"]]) for one in found]

    def actions(self) -> set[tuple[str, str]]:
        """Actions and what they were about."""
        events = [event for one in self.listener.told(EVENTS) for event in one.body["events"]]
        return {
            (event["action"], event["target"].get("tag") or event["target"].get("mediaType", "")) for event in events
        }


@pytest.fixture(scope="module")
def world(new_host: NewHost, new_stack: NewStack) -> World:
    """Made in two steps, so that the containers that do not change stay."""
    listener, host = Listener.on(new_host("listener")), new_host("telling", aliases=[FQDN])
    host.put_file(PROGRAM, f"#!/bin/sh\ncat >>{PAGED}; echo >>{PAGED}\n", 0o755)
    made = deploy(host, new_stack("telling", host), FQDN)
    needles = Needles.of({"path": STATUS, "status": STATUS_TOKEN, "events": EVENTS_TOKEN})
    header = {"name": "Authorization"}
    settings: dict[str, Any] = {
        **made.settings,
        "registry": {"logLevel": "warn"},
        "notifications": {
            "endpoints": [
                {
                    "name": "lab",
                    "url": listener.url + EVENTS,
                    "headers": [{**header, "secret": Secret(EVENTS_TOKEN)}],
                    "threshold": 2,
                    "backoff": "1s",
                    "ignoreMediaTypes": ["application/octet-stream"],
                }
            ]
        },
        "status": {
            "notify": {
                "webhook": Secret(listener.url + STATUS),
                "headers": [{**header, "secret": Secret(STATUS_TOKEN)}],
                "command": [PROGRAM],
                "schedule": "*-*-* *:*:00/5",
            }
        },
    }
    registry = replace(made, settings=settings)
    found = World(registry, listener, needles)
    before = runs(host)
    with watched_processes(host) as seen:
        registry.stack.configure(settings)
        for verb in (registry.stack.preview, registry.stack.up):
            done = verb("--diff")
            found.shown.append(done.stdout + done.stderr)
    found.processes = seen
    assert {name for name, its in runs(host).items() if its != before[name]} == {"registry"}
    wait_until_healthy(host)
    # Each run that has something to tell waits for so long: tests/registryctl has that.
    host.run(f"sed -i 's/^_SURE_SECONDS = .*/_SURE_SECONDS = 4/' {PACKAGE}/notify.py")
    return found


@pytest.fixture(params=IMAGES)
def telling(world: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """With the registry of each generation."""
    registry = world.registry
    registry.stack.configure({**registry.settings, "images": {"registry": request.param}})
    registry.stack.up()
    wait_until_healthy(registry.host)
    world.listener.forget()
    yield world


def test_the_registry_tells_of_events(telling: World) -> None:
    """With its secret header. Not of what the proxy serves by itself, as pulls of layers."""
    api = Api(telling.registry)
    image = api.image("told/app", "1.0", b"a layer")
    api.pull("told/app", image["digest"])
    api.pull("told/app", "1.0")
    api.delete("told/app", image["digest"])
    api.close()
    assert within(30, lambda: {action for action, _ in telling.actions()} >= {"push", "pull", "delete"}), (
        telling.actions()
    )
    assert ("push", "1.0") in telling.actions()
    assert not [one for one in telling.actions() if "layer" in one[1] and one[0] == "pull"]
    assert {one.headers["Authorization"] for one in telling.listener.told(EVENTS)} == {EVENTS_TOKEN}


def test_what_becomes_worse_and_well_again_is_told_once(world: World) -> None:
    """Also across a reboot, to the webhook and the program alike."""
    host = world.registry.host
    # Once a whole run has come to its end, there is nothing more to tell of what was before.
    for _ in range(2):
        host.run(f"systemctl start {UNIT}", timeout=120)
    world.listener.forget()
    host.run(["rm", "-f", PAGED])
    host.run("docker stop registry-ui")
    assert within(SECONDS, lambda: bool(world.status())), host.run(f"journalctl -u {UNIT} -n 20").stdout
    assert world.status() == [(["containers registry-ui"], [])]
    # Docker does not start what somebody stopped, so it is as it was.
    host.reboot()
    assert within(SECONDS, lambda: "ok" in host.run("registry-status notify", check=False).stdout)
    for _ in range(2):
        host.run(f"systemctl start {UNIT}", timeout=120)
    told = [one for one in world.status() if "containers registry-ui" in one[0]]
    assert len(told) == 1
    host.run("docker start registry-ui")
    wait_until_healthy(host)
    assert within(SECONDS, lambda: any("containers registry-ui" in well for _, well in world.status()))
    host.run(f"systemctl start {UNIT}", timeout=120)
    assert sum("containers registry-ui" in well for _, well in world.status()) == 1
    assert {one.headers["Authorization"] for one in world.listener.told(STATUS)} == {STATUS_TOKEN}
    assert len(host.get_file(PAGED).splitlines()) == len(world.status())


def test_one_that_can_not_be_told_is_said_and_told_later(world: World) -> None:
    """The status goes on, and says so."""
    host = world.registry.host
    world.listener.forget()
    world.listener.answers(500)
    host.run("systemctl stop docker-registry-gc.timer")
    try:
        said = "it answered 500"
        assert within(SECONDS, lambda: said in host.run("registry-status notify", check=False).stdout)
    finally:
        # No run is under way meanwhile.
        host.run(f"systemctl stop {UNIT}.timer; systemctl start {UNIT}", check=False, timeout=120)
        world.listener.answers(200)
    tried = len(world.status())
    host.run(f"systemctl start {UNIT}.timer")
    assert within(SECONDS, lambda: host.run("registry-status notify", check=False).returncode == 0)
    assert len(world.status()) == tried + 1
    host.run("systemctl start docker-registry-gc.timer")
    assert within(SECONDS, lambda: ([], ["timers docker-registry-gc"]) in world.status())
    assert world.needles.found_in(host.run("registry-status --json", check=False).stdout) == []


def test_a_trial_is_told(world: World) -> None:
    """By hand."""
    world.listener.forget()
    assert world.registry.host.run("registryctl notify --try").stdout == "webhook: told\ncommand: told\n"
    assert "trial" in world.listener.told(STATUS)[0].body["text"]


def test_nobody_reads_the_secrets(world: World) -> None:
    """In no preview, log, process list, record of Docker or file of others; where the listener is gone, too."""
    host = world.registry.host
    world.listener.host.run("systemctl stop listener")
    api = Api(world.registry)
    api.image("told/unheard", "1.0", b"nobody listens")
    api.close()
    host.run(f"systemctl start {UNIT}; docker stop registry-ui; systemctl start {UNIT}", check=False, timeout=180)
    host.run("docker start registry-ui")
    needles = world.needles
    assert [needles.found_in(shown) for shown in world.shown] == [[], []]
    assert needles.found_in(b"\n".join(world.processes)) == []
    readable = [entry.path for entry in readable_by_others(host, READABLE_ROOTS)]
    assert needles.found_in_files(host, readable) == []
    logs = "docker logs registry 2>&1; journalctl --sync; journalctl --no-pager; cat /var/opt/*/logs/*.log"
    said = host.run(logs, private=True, check=False).stdout
    assert "error posting" in said
    assert "could not be told" in said
    assert needles.found_in(said) == []
    # As anybody sees processes, with the environment of those that are his own.
    seen = "setpriv --reuid=65534 --regid=65534 --clear-groups ps auxwwe"
    record = host.run(f"docker inspect $(docker ps -aq); {seen}", private=True).stdout
    assert "registry serve" in record
    assert needles.found_in(record) == []
    at_home = [
        "/etc/docker-registry/notify-secrets.json",
        "/var/opt/docker-registry/etc/notifications",
        "/etc/hostname",
    ]
    assert needles.found_in_files(host, at_home) == at_home[:2]
    assert needles.found_in(str(world.registry.stack.export())) == []
