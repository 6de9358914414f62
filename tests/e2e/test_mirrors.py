"""Mirrors of other registries: clients pull through them, by this one's name and rights, also while those are away."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from config.secrets import Login
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.other_registries import OtherRegistry, other_registry
from tests.e2e.support import HEALTHY_SECONDS, Deployed, deploy, runs, wait_until_healthy
from tests.lab.clients import TEST_IMAGE, Client
from tests.lab.clone import Clone
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

FQDN = "mirrors.example.net"
OPEN, CLOSED = "hub.example.org", "closed.example.org"
IMAGE = f"library/{TEST_IMAGE}"
PULLS = {
    "docker": "docker pull -q {name} && docker run --rm {name} true && docker rmi {name}",
    "podman": "podman pull -q {name} && podman rmi {name}",
    "skopeo": "rm -rf pulled && skopeo --insecure-policy copy -q docker://{name} dir:pulled",
}


@dataclass(frozen=True)
class World:
    """A registry that mirrors two others, and who uses it."""

    deployed: Deployed
    client: Client
    open: OtherRegistry
    closed: OtherRegistry
    login: Login
    before: Mapping[str, tuple[str, str]]
    """What ran before there were mirrors."""
    bob: str
    """The password of somebody who may pull from one mirror alone."""

    def pull(self, tool: str, name: str) -> None:
        """Without a copy on the client."""
        self.client.forget(name)
        done = self.client.host.run(PULLS[tool].format(name=f"{FQDN}/{name}"), check=False)
        assert done.returncode == 0, f"{tool}: {done.stdout}{done.stderr}"

    def refused(self, tool: str, name: str) -> str:
        """What a client says that can't pull."""
        self.client.forget(name)
        done = self.client.host.run(PULLS[tool].format(name=f"{FQDN}/{name}"), check=False)
        assert done.returncode != 0
        return done.stdout + done.stderr


def _mirror(prefix: str, registry: OtherRegistry) -> dict[str, Any]:
    mirror: dict[str, Any] = {"prefix": prefix, "upstream": registry.url, "insecure": True}
    if registry.login:
        mirror |= {"username": registry.login.username, "password": Secret(registry.login.password)}
    return mirror


@pytest.fixture(scope="module")
def world(lab: Lab, new_host: NewHost, new_stack: NewStack, client_host: LabHost) -> Iterator[World]:
    """First without mirrors, then with two."""
    host = new_host("mirrors", aliases=[FQDN])
    deployed = deploy(host, new_stack("mirrors", host), FQDN)
    before, bob = runs(host), secrets.token_hex(16)
    login = Login("puller", f"theirs {secrets.token_hex(8)}")
    with other_registry(lab, "open") as one, other_registry(lab, "closed", login) as other:
        settings = {
            **deployed.settings,
            "users": [
                *deployed.settings["users"],
                {"name": "bob", "password": Secret(bob), "role": "pull", "repositories": [f"{OPEN}/*"]},
            ],
            "mirrors": [_mirror(OPEN, one), _mirror(CLOSED, other)],
        }
        deployed.stack.configure(settings)
        deployed.stack.up()
        deployed = Deployed(**{**vars(deployed), "settings": settings})
        client = deployed.client(client_host)
        client_host.run(f"mkdir -p /etc/containers/certs.d/{FQDN}")
        client_host.put_file(f"/etc/containers/certs.d/{FQDN}/ca.crt", deployed.ca.read_text())
        yield World(deployed, client, one, other, login, before, bob)


def _mirrors(host: LabHost) -> dict[str, str]:
    """The mirrors' containers, and when each was started."""
    lines = host.run("docker ps --filter name=registry-mirror- --format '{{.Names}} {{.ID}}'").stdout.splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def _await_mirrors(host: LabHost) -> None:
    """Until each is healthy."""
    listed = "docker ps --all --filter name=registry-mirror- --format '{{.Status}}'"
    host.run(f"until ! {listed} | grep -qv '(healthy)'; do sleep 0.2; done", timeout=HEALTHY_SECONDS)


def test_adding_them_restarts_nothing(world: World) -> None:
    """And the next `up` has nothing to do."""
    assert runs(world.deployed.host) == world.before
    assert set(_mirrors(world.deployed.host)) == {f"registry-mirror-{OPEN}", f"registry-mirror-{CLOSED}"}
    world.deployed.stack.preview("--expect-no-changes")
    world.deployed.stack.refresh("--expect-no-changes")
    assert runs(world.deployed.host) == world.before


@pytest.mark.parametrize("tool", PULLS)
@pytest.mark.parametrize("prefix", [OPEN, CLOSED])
def test_clients_pull_by_tag_and_digest(world: World, prefix: str, tool: str) -> None:
    """By the image's name; the second time the other registry is asked for the tag alone, and by digest for nothing."""
    registry = world.open if prefix == OPEN else world.closed
    name = f"{prefix}/{IMAGE}"
    world.pull(tool, name)
    registry.forget()
    world.pull(tool, name)
    asked = registry.asked()
    assert asked
    assert set(asked) == {f"HEAD /v2/{IMAGE.replace(':', '/manifests/')}"}
    registry.forget()
    world.pull(tool, f"{name.rpartition(':')[0]}@{world.client.digest(name)}")
    assert set(registry.asked()) <= set(asked)


def test_podman_and_skopeo_go_there_by_themselves(world: World) -> None:
    """By the image's own name, as docs/mirrors.md has the lines."""
    host, name = world.client.host, f"{OPEN}/{IMAGE}"
    lines = ["[[registry]]", f'location = "{OPEN}"', "[[registry.mirror]]", f'location = "{FQDN}/{OPEN}"']
    host.put_file("/etc/containers/registries.conf.d/mirror.conf", "".join(f"{line}\n" for line in lines))
    try:
        for script in (PULLS["podman"], PULLS["skopeo"]):
            host.run(script.format(name=name))
    finally:
        host.run("rm /etc/containers/registries.conf.d/mirror.conf")


def test_containerd_goes_there_by_itself(world: World) -> None:
    """By the image's own name, as docs/mirrors.md has the lines, with an account of this registry."""
    host, name = world.client.host, f"{OPEN}/{IMAGE}"
    words = base64.b64encode(f"bob:{world.bob}".encode()).decode()
    lines = [
        f'server = "https://{OPEN}"',
        f'[host."https://{FQDN}/v2/{OPEN}"]',
        'capabilities = ["pull", "resolve"]',
        "override_path = true",
        f'ca = "/etc/docker/certs.d/{FQDN}/ca.crt"',
        f'header = {{ authorization = "Basic {words}" }}',
    ]
    host.put_file(f"/etc/containerd/certs.d/{OPEN}/hosts.toml", "".join(f"{line}\n" for line in lines))
    host.run(f"ctr -n mirrors images pull --snapshotter native --hosts-dir /etc/containerd/certs.d {name}")
    host.run(f"ctr -n mirrors images rm {name}")


def test_while_the_other_registry_is_away(world: World) -> None:
    """What is here is pulled, by tag too; the rest is one clear error; after a start of the mirror as before it."""
    name, cold = f"{OPEN}/{IMAGE}", f"{OPEN}/library/nginx:1.28.0"
    world.pull("docker", name)
    world.open.stop()
    try:
        for _ in range(2):
            for tool in PULLS:
                world.pull(tool, name)
                assert "does not answer" in world.refused(tool, cold)
            world.deployed.host.run(f"docker restart registry-mirror-{OPEN}")
            _await_mirrors(world.deployed.host)
    finally:
        world.open.start()
    world.pull("docker", cold)


def test_nothing_is_pushed(world: World) -> None:
    """And the client says why."""
    host = world.client.host
    target = f"{FQDN}/{OPEN}/library/own:1"
    host.run(["docker", "pull", "--quiet", TEST_IMAGE])
    host.run(["docker", "tag", TEST_IMAGE, target])
    done = host.run(["docker", "push", "--quiet", target], check=False)
    assert done.returncode != 0
    assert "is mirrored here" in done.stdout + done.stderr


def test_rights_are_those_of_everywhere(world: World) -> None:
    """Who may not pull from a mirror gets as far as from a repository."""
    deployed = world.deployed
    manifests = {prefix: f"/v2/{prefix}/{IMAGE.replace(':', '/manifests/')}" for prefix in (OPEN, CLOSED)}
    world.closed.forget()
    assert deployed.get(manifests[OPEN]).status == 401
    assert deployed.get(manifests[CLOSED], user="bob", password=world.bob).status == 403
    assert deployed.get("/v2/team/app/tags/list", user="bob", password=world.bob).status == 403
    tags = deployed.get(f"/v2/{OPEN}/library/busybox/tags/list", user="bob", password=world.bob)
    assert (tags.status, f'"name":"{OPEN}/library/busybox"' in tags.body) == (200, True)
    assert world.closed.asked() == []


def test_the_account_there_is_known_to_the_mirror_alone(world: World) -> None:
    """No log, list of processes, record of Docker's or state has its password, and but root nobody reads its file."""
    host, password = world.deployed.host, world.login.password
    world.pull("docker", f"{CLOSED}/{IMAGE}")
    containers = " ".join(["nginx", "registry", *_mirrors(host)])
    said = host.run(
        f"for name in {containers}; do docker logs $name 2>&1; docker inspect $name; done; ps axww; "
        "cat /var/opt/nginx/logs/*.log; journalctl -q -o cat"
    ).stdout
    assert "registry-mirror" in said
    assert password not in said
    assert password not in str(world.deployed.stack.export())
    file = f"/var/opt/docker-registry-mirrors/{CLOSED}/etc/credentials.json"
    assert host.run(["stat", "-c", "%a %U", file]).stdout.strip() == "600 root"
    assert password in host.run(["cat", file]).stdout
    found = host.run(f"grep -rlF '{password}' /var/opt /etc /var/lib/docker/containers /run || true").stdout.split()
    assert found == [file]


def test_it_reaches_no_socket_of_the_registry_s(world: World) -> None:
    """And nobody reaches it: it has no port."""
    host, name = world.deployed.host, f"registry-mirror-{OPEN}"
    assert host.run(["docker", "exec", name, "ls", "/run/registry"]).stdout.split() == ["socket"]
    listening = host.run(f"nsenter -t $(docker inspect -f '{{{{.State.Pid}}}}' {name}) -n ss -Hltn").stdout
    assert [line.split()[3] for line in listening.splitlines() if not line.split()[3].startswith("127.0.0.")] == []


def test_the_status_knows_them(world: World) -> None:
    """And finds nothing wrong."""
    said = world.deployed.host.run("registry-status", check=False)
    assert said.returncode == 0, said.stdout
    assert f"container registry-mirror-{OPEN}: ok" in said.stdout


def test_what_they_have_is_no_drift(world: World, tmp_path: Path) -> None:
    """It comes and goes; their files are as declared."""
    clone = Clone(tmp_path / "clone")
    clone.adopt(world.deployed.stack)
    done = clone.make("drift", STACKS=world.deployed.stack.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"{world.deployed.stack.name}: as declared"


def test_after_a_reboot_they_are_back(world: World) -> None:
    """With what they have."""
    world.deployed.host.reboot()
    wait_until_healthy(world.deployed.host)
    _await_mirrors(world.deployed.host)
    world.open.stop()
    try:
        world.pull("docker", f"{OPEN}/{IMAGE}")
    finally:
        world.open.start()


def test_removing_one_touches_nothing_else(world: World) -> None:
    """Its images stay on the host, and are there when it comes back."""
    deployed = world.deployed
    host, stack = deployed.host, deployed.stack
    world.pull("docker", f"{CLOSED}/{IMAGE}")
    before, mirrors = runs(host), _mirrors(host)
    stack.configure({**deployed.settings, "mirrors": deployed.settings["mirrors"][:1]})
    stack.up()
    assert runs(host) == before
    assert _mirrors(host) == {name: found for name, found in mirrors.items() if OPEN in name}
    assert deployed.get(f"/v2/{CLOSED}/library/busybox/tags/list", password=deployed.password).status == 404
    stack.preview("--expect-no-changes")
    stack.configure(deployed.settings)
    stack.up()
    assert runs(host) == before
    world.closed.stop()
    try:
        world.pull("docker", f"{CLOSED}/{IMAGE}")
    finally:
        world.closed.start()


def test_a_mirror_that_would_hide_images_is_refused(world: World) -> None:
    """Nothing changes: the images are still there."""
    deployed = world.deployed
    world.client.push("own.example.org/app:1")
    mirror = {"prefix": "own.example.org", "upstream": world.open.url, "insecure": True}
    deployed.stack.configure({**deployed.settings, "mirrors": [*deployed.settings["mirrors"], mirror]})
    done = deployed.stack.up(check=False)
    assert done.returncode != 0
    assert "images of its own below own.example.org/" in done.stdout + done.stderr
    world.pull("docker", "own.example.org/app:1")
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()
