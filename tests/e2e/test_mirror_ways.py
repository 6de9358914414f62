"""A mirror with what is off at first: files that the proxy reads, and a name for dockerd; made by one `up`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.other_registries import OtherRegistry, other_registry
from tests.e2e.support import Deployed, deploy
from tests.lab.authority import Authority
from tests.lab.clients import TEST_IMAGE
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

FQDN, HUB = "ways.example.net", "hub.ways.example.net"
IMAGE = f"library/{TEST_IMAGE}"
DAEMON = "/etc/docker/daemon.json"


@dataclass(frozen=True)
class World:
    """A registry that mirrors another as Docker Hub, and a host with dockerd that knows it by a name of its own."""

    deployed: Deployed
    client: LabHost
    other: OtherRegistry

    def layers(self) -> list[str]:
        """The paths of the image's blobs here."""
        get, path = self.deployed.get, f"/v2/docker.io/{IMAGE.replace(':', '/manifests/')}"
        found = json.loads(get(path, password=self.deployed.password).body)
        if "manifests" in found:
            below = f"{path.rpartition('/')[0]}/{found['manifests'][0]['digest']}"
            found = json.loads(get(below, password=self.deployed.password).body)
        digests = [one["digest"] for one in (found["config"], *found["layers"])]
        return [f"/v2/docker.io/{IMAGE.partition(':')[0]}/blobs/{digest}" for digest in digests]


@pytest.fixture(scope="module")
def world(lab: Lab, new_host: NewHost, new_stack: NewStack, client_host: LabHost) -> Iterator[World]:
    """With a certificate for both names."""
    host = new_host("ways", aliases=[FQDN, HUB])
    authority = Authority("The administrator's authority")
    chain, key = authority.issue(FQDN, HUB)
    with other_registry(lab, "hub-there") as other:
        mirror = {
            "prefix": "docker.io",
            "upstream": other.url,
            "insecure": True,
            "transparent": {"name": HUB, "addresses": [f"{client_host.address}/32"]},
        }
        settings = {
            "certificate": {"mode": "files", "chain": chain, "privateKey": Secret(key)},
            "mirrors": [mirror],
            "nginx": {"mirrorFastPath": True},
        }
        deployed = deploy(host, new_stack("ways", host), FQDN, settings)
        deployed.ca.write_text(authority.certificate)
        client_host.put_file(f"/etc/docker/certs.d/{HUB}/ca.crt", authority.certificate)
        before = client_host.get_file(DAEMON)
        client_host.put_file(DAEMON, json.dumps({**json.loads(before), "registry-mirrors": [f"https://{HUB}"]}))
        client_host.run("systemctl reload docker")
        try:
            client_host.run(f"timeout 30 sh -c 'until docker info | grep -q https://{HUB}; do sleep 0.2; done'")
            yield World(deployed, client_host, other)
        finally:
            client_host.put_file(DAEMON, before)
            client_host.run("systemctl reload docker")
            client_host.run(f"timeout 30 sh -c 'while docker info | grep -q https://{HUB}; do sleep 0.2; done'")


def test_dockerd_pulls_docker_hub_s_names(world: World) -> None:
    """By the short name, and again without asking there for more than the tag; logs have the whole name."""
    for again in (False, True):
        world.client.run(["docker", "rmi", "--force", TEST_IMAGE], check=False)
        world.client.run(["docker", "image", "prune", "--force"])
        world.other.forget()
        world.client.run(["docker", "pull", "--quiet", TEST_IMAGE])
        asked = {line.partition("?")[0] for line in world.other.asked()}
        head = f"HEAD /v2/{IMAGE.replace(':', '/manifests/')}"
        assert head in asked
        assert not again or asked == {head}
    lines = map(json.loads, world.deployed.host.get_file("/var/opt/nginx/logs/access.log").splitlines())
    found = {(line["client"], line["user"], line["repository"], line["reference"]) for line in lines}
    assert (world.client.address, "", f"docker.io/{IMAGE.partition(':')[0]}", IMAGE.partition(":")[2]) in found


def test_the_catalogue_lists_it(world: World) -> None:
    """By its whole name."""
    world.client.run(["docker", "pull", "--quiet", TEST_IMAGE])
    found = json.loads(world.deployed.get("/v2/_catalog", password=world.deployed.password).body)
    assert f"docker.io/{IMAGE.partition(':')[0]}" in found["repositories"]


def test_layers_come_without_the_mirror(world: World) -> None:
    """From its files, which the proxy reads."""
    deployed = world.deployed
    layers = world.layers()
    for layer in layers:
        assert deployed.get(layer, password=deployed.password).status == 200
    host = deployed.host
    # It puts a layer in its place a moment after its client has it.
    links = 'find /var/opt/docker-registry-mirrors/docker.io/data -path "*/_layers/*/link"'
    host.run(f"timeout 30 sh -c 'until [ $({links} | wc -l) -ge {len(layers)} ]; do sleep 0.1; done'")
    host.run(["docker", "stop", "registry-mirror-docker.io"])
    try:
        assert [deployed.get(layer, password=deployed.password).status for layer in layers] == [200] * len(layers)
        assert [deployed.get(layer).status for layer in layers] == [401] * len(layers)
    finally:
        host.run(["docker", "start", "registry-mirror-docker.io"])


def test_who_comes_from_elsewhere_is_refused(world: World) -> None:
    """By that name, whoever he says he is: its addresses are those of one host."""
    connection = world.deployed.connect("https")
    connection.request("GET", "/v2/", headers={"Host": HUB})
    assert connection.getresponse().status == 403
    connection.close()


def test_nothing_is_left_to_do(world: World) -> None:
    """For the next `up`."""
    world.deployed.stack.preview("--expect-no-changes")
