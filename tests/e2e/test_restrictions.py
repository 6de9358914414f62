"""What the containers may do, and who reaches the registry past the proxy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.support import CONTAINERS, Deployed, wait_until_healthy
from tests.lab.clients import Client

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
LIMITS = {"nginx": (1024, 256), "registry": (2048, 2048), "registry-ui": (256, 256)}
CAPABILITIES = {
    "nginx": {"CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"},
    "registry": set(),
    "registry-ui": {"CHOWN", "DAC_OVERRIDE", "NET_BIND_SERVICE", "SETGID", "SETUID"},
}
SOURCES = ("/var/opt/", "/var/lib/docker/volumes/registry-", "/run/docker-registry/sockets")
"""What of the host is mounted: the stack's own directories, and where registry and proxy meet."""


@pytest.fixture(scope="module")
def containers(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """What Docker says of each container, once it has looked at each."""
    wait_until_healthy(deployed.host)
    found = json.loads(deployed.host.run(["docker", "container", "inspect", *CONTAINERS]).stdout)
    return {entry["Name"].lstrip("/"): entry for entry in found}


@pytest.mark.parametrize("name", CONTAINERS)
def test_restrictions(containers: dict[str, dict[str, Any]], name: str) -> None:
    """Few capabilities, no new privileges, a file system that stays as it is, bounded memory, processes and log."""
    container = containers[name]
    host = container["HostConfig"]
    memory, processes = LIMITS[name]
    assert container["State"]["Health"]["Status"] == "healthy"
    assert host["CapDrop"] == ["ALL"]
    assert {added.removeprefix("CAP_") for added in host["CapAdd"] or []} == CAPABILITIES[name]
    assert any(option.startswith("no-new-privileges") for option in host["SecurityOpt"])
    assert host["Privileged"] is False
    assert host["ReadonlyRootfs"] is (name != "registry-ui")
    assert host["Memory"] == memory * MIB
    assert host["PidsLimit"] == processes
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    assert (host["PidMode"], host["IpcMode"], host["UTSMode"]) == ("", "private", "")
    assert list(container["NetworkSettings"]["Networks"]) == ["registry"]
    assert not host["Devices"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_the_kernel_holds_it_to_them(deployed: Deployed, name: str) -> None:
    """The first process has the bounding set that Docker was told of, and can gain none."""
    status = deployed.host.run(f"cat /proc/$(docker inspect -f '{{{{.State.Pid}}}}' {name})/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    bits = {"CHOWN": 0, "DAC_OVERRIDE": 1, "SETGID": 6, "SETUID": 7, "NET_BIND_SERVICE": 10}
    assert int(fields["CapBnd"], 16) == sum(1 << bits[name] for name in CAPABILITIES[name])
    assert fields["NoNewPrivs"].strip() == "1"


def test_no_container_reaches_docker(containers: dict[str, dict[str, Any]]) -> None:
    """No socket of the daemon, and nothing of the host that the container doesn't need."""
    sources = {mount.get("Source", "") for container in containers.values() for mount in container["Mounts"]}
    assert sources
    assert all(source.startswith(SOURCES) for source in sources), sources


def test_only_the_proxy_is_published(containers: dict[str, dict[str, Any]]) -> None:
    """On its two ports."""
    published = {name: entry["HostConfig"]["PortBindings"] or {} for name, entry in containers.items()}
    assert {name: sorted(ports) for name, ports in published.items()} == {
        "nginx": ["443/tcp", "80/tcp"],
        "registry": [],
        "registry-ui": [],
    }


def test_a_host_of_another_name_is_refused(deployed: Deployed, client: Client) -> None:
    """By address or by a name that is not its own: 421 on both ports, and nothing of the registry."""
    address = deployed.host.address
    ask = "curl -sk -o /dev/null -w '%{http_code}' -m 10"
    for url, name in (
        (f"https://{address}/v2/", ""),
        (f"http://{address}/", ""),
        (f"https://{deployed.fqdn}/v2/", "-H 'Host: elsewhere.example.net'"),
        (f"https://{deployed.fqdn}/healthz", "-H 'Host: 127.0.0.1'"),
        (f"http://{deployed.fqdn}/", "-H 'Host: elsewhere.example.net'"),
    ):
        status = client.host.run(f"{ask} {name} {url}").stdout
        assert status == ("403" if "healthz" in url else "421"), (url, name)


def test_nothing_tells_a_version(deployed: Deployed) -> None:
    """Neither the proxy nor what is behind it, in headers or in pages of errors."""
    for path in ("/", "/ui/", "/ui/no-such-page", "/v2/", "/no-such-page", "/ui/%00", "/" + "a" * 9000):
        answer = deployed.get(path)
        assert answer.headers.get("server") == "nginx", path
        assert "x-powered-by" not in answer.headers
        assert "nginx/" not in answer.body, path
