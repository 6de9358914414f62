"""check-host refuses what can't carry the registry with one line for each fault, before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.bare_host import SOCKET, BareHost
from tests.rendering.host_tools import Ran

FINE = Ran(0, "", "")
KNOWN = "Debian 12 and 13, Ubuntu 22.04 and 24.04"
CLAIM = "/var/lib/docker-registry/stack"


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    """A host with nothing on it."""
    return BareHost(tmp_path / "host")


def _refused(host: BareHost, *faults: str, user: str = "root", install: str = "yes") -> None:
    lines = [*(f"host: {fault}" for fault in faults), "host: nothing was touched"]
    assert host.check(user=user, install=install) == Ran(1, "", "".join(f"{line}\n" for line in lines))
    assert not host.path(CLAIM).exists()


@pytest.mark.parametrize("system", ["debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04"])
def test_a_blank_host_that_is_promised_is_claimed(host: BareHost, system: str) -> None:
    """Without a word."""
    host.is_system(*system.split())
    assert host.check() == FINE
    assert host.path(CLAIM).read_text() == "a/b/c\n"


@pytest.mark.parametrize("system", ["debian 14", "debian newer", "ubuntu 22.10", "ubuntu 25.10", "ubuntu 26.04"])
def test_a_newer_release_is_warned_of(host: BareHost, system: str) -> None:
    """And taken: Debian's next one has no number before it is out."""
    name, version = system.split()
    host.is_system(name, None if version == "newer" else version)
    said = f"host: found {system}, newer than {KNOWN}; it was not tried and is expected to work\n"
    assert host.check() == Ran(0, "", said)
    assert host.path(CLAIM).exists()


@pytest.mark.parametrize("system", ["debian 11", "ubuntu 20.04", "ubuntu 21.10", "linuxmint 22", "fedora 43"])
def test_an_older_release_or_another_system_is_refused(host: BareHost, system: str) -> None:
    """With what was found and what is supported."""
    host.is_system(*system.split())
    _refused(host, f"found {system}; supported are {KNOWN}")


def test_every_part_that_may_not_be_installed_is_named(host: BareHost) -> None:
    """Command line and daemon are two parts."""
    parts = (
        "Docker's command line (docker)",
        "Docker's daemon (dockerd)",
        "openssl",
        "Python with its modules (python3)",
    )
    said = [f"{part} is missing and host.installPackages is false; install it, or allow it" for part in parts]
    _refused(host, *said, install="no")
    host.install_all_but_docker()
    host.install("docker-cli", "docker")
    _refused(host, said[1], install="no")
    host.install("docker.io", "dockerd")
    assert host.check(install="no") == FINE


@pytest.mark.parametrize("unit", ["docker.service", "docker.socket", "containerd.service"])
@pytest.mark.parametrize("state", ["masked", "masked-runtime"])
def test_a_masked_unit_is_refused(host: BareHost, unit: str, state: str) -> None:
    """Somebody wanted it so; also where Docker is not installed yet."""
    host.unit(unit, state)
    _refused(host, f"{unit} is masked; to let Docker run: systemctl unmask {unit}")


def test_a_unit_that_is_only_disabled_is_fine(host: BareHost) -> None:
    """It will be enabled."""
    host.unit("docker.service", "disabled")
    assert host.check() == FINE


def test_docker_s_own_packages_are_fine(host: BareHost) -> None:
    """They are not of the distribution, and the same Docker."""
    host.install("docker-ce", "dockerd")
    host.install("docker-ce-cli", "docker")
    assert host.check(user="deploy") == FINE


def test_podman_in_docker_s_place_is_refused(host: BareHost) -> None:
    """Its shim has the same name and other containers."""
    host.command("docker", 'echo "Emulate Docker CLI using podman." >&2; echo "podman version 5.4.2"')
    _refused(
        host,
        "the command docker is podman's here, and the registry needs Docker; remove it: apt-get remove podman-docker",
    )


def test_docker_from_a_snap_is_refused(host: BareHost) -> None:
    """Wherever else there is a docker."""
    host.path("/snap/bin/docker").write_text("")
    _refused(
        host, "Docker is a snap here, which is kept from the registry's directories; remove it: snap remove docker"
    )


@pytest.mark.parametrize("who", ["root", "deploy"])
@pytest.mark.parametrize("socket", ["unix:///run/user/1000/docker.sock", "tcp://192.0.2.1:2376"])
def test_a_login_whose_docker_is_another_is_refused(host: BareHost, who: str, socket: str) -> None:
    """A rootless one, or one on another machine: the commands would be at one Docker, the provider at another."""
    host.install("docker.io", "dockerd", "docker")
    host.leads(who, socket)
    _refused(
        host,
        f"the docker of {who} leads to {socket} (rootless, or another context), not to the host's own;"
        f" as {who}: docker context use default",
        user="deploy",
    )
    host.leads(who, SOCKET)
    assert host.check(user="deploy") == FINE


def test_a_rootless_docker_of_somebody_else_is_fine(host: BareHost) -> None:
    """Only who logs in counts."""
    host.install("docker.io", "dockerd", "docker")
    host.leads("deploy", "unix:///run/user/1000/docker.sock")
    assert host.check(user="root") == FINE


def test_all_faults_are_told_at_once(host: BareHost) -> None:
    """So that one `up` is enough to know them."""
    host.is_system("debian", "11")
    host.path("/run/systemd/system").rmdir()
    host.unit("docker.service", "masked")
    done = host.check(install="no")
    assert [line.split(" ")[1] for line in done.err.splitlines()] == [
        *("found", "systemd", "Docker's", "Docker's", "openssl", "Python", "docker.service", "nothing"),
    ]


def test_volumes_that_lie_elsewhere_are_refused(host: BareHost) -> None:
    """Before a directory below another storage root is made."""
    host.install("docker-cli", "docker")
    host.volume("registry-data", "/srv/images")
    host.volume("registry-logs", "/var/opt/docker-registry/logs")
    _refused(
        host,
        "volume registry-data exists and lies in /srv/images, not in /var/opt/docker-registry/data; "
        "if it is this stack's, set storage.root back, and move by docs/moving.md",
    )


_BRIDGE = "br-0123456789ab"
_IP = """
case "$*" in
    "-4 -o route show") echo "100.127.255.0/24 dev {bridge} proto kernel scope link src 100.127.255.1 linkdown" ;;
    "-o link show type bridge") echo "7: {bridge}: <BROADCAST,MULTICAST,UP> mtu 1500" ;;
    "-4 route show exact 100.127.255.0/24 dev {bridge}") echo "proto kernel scope link src 100.127.255.1 linkdown" ;;
    "-o link show master {bridge}") {members} ;;
esac
"""
_NETWORKS = """
case "$*" in
    "network ls --quiet") {networks} ;;
    "network ls"*) ;;
    version*) echo "Docker 26.1.5" ;;
    context*) echo unix:///var/run/docker.sock ;;
    *) exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("bridge", "members", "networks", "passes"),
    [
        (_BRIDGE, "", "", True),
        (_BRIDGE, 'echo "9: veth0@if8: <UP>"', "", False),
        (_BRIDGE, "", "echo 0123456789ab", False),
        (_BRIDGE, "", "exit 1", False),
        ("br-lan", "", "", False),
    ],
)
def test_only_a_bridge_that_docker_has_forgotten_is_in_nobody_s_way(
    host: BareHost, bridge: str, members: str, networks: str, passes: bool
) -> None:
    """It has Docker's kind of name, no member, and no network of a Docker that says which it has."""
    host.install("docker.io", "dockerd", "docker")
    host.command("docker", _NETWORKS.format(networks=networks or ":"))
    host.command("ip", _IP.format(bridge=bridge, members=members or ":"))
    found = host.check()
    if passes:
        assert found == FINE
    else:
        assert "100.127.255.0/24 (network.subnet) overlaps a network of the host" in found.err
