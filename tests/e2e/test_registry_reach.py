"""Nobody but the proxy gets a byte from the registry, with the network's guard and without it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pytest

from tests.e2e.clean_up import within
from tests.e2e.closing import SOCKETS
from tests.e2e.support import CONTAINERS, Deployed, wait_until_healthy
from tests.lab.clients import TEST_IMAGE
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

SUBNET = "100.127.255.0/24"
GUARD = "docker-registry-network"
PORTS = (5000, 5001, 5002)
"""Where the registry listened once, and where its processes tell of themselves."""
NOTHING = (True, "")

Asked = TypeVar("Asked")
Said = TypeVar("Said")


@pytest.fixture(scope="module")
def host(deployed: Deployed) -> Iterator[LabHost]:
    """The registry's host, with an image for other containers."""
    wait_until_healthy(deployed.host)
    deployed.host.run(["docker", "pull", "--quiet", TEST_IMAGE])
    yield deployed.host
    deployed.host.run(["docker", "rmi", TEST_IMAGE])


@pytest.fixture(params=["guarded", "unguarded"])
def guard(host: LabHost, request: pytest.FixtureRequest) -> Iterator[str]:
    """With the rules, and as if somebody had switched them off."""
    if request.param == "unguarded":
        with _unguarded(host):
            yield request.param
    else:
        assert _is_guarded(host)
        yield request.param


@contextmanager
def _unguarded(host: LabHost) -> Iterator[None]:
    host.run(["systemctl", "stop", GUARD])
    assert not _is_guarded(host)
    try:
        yield
    finally:
        host.run(["systemctl", "start", GUARD])
        assert within(20, lambda: _is_guarded(host))


def _is_guarded(host: LabHost) -> bool:
    rules = host.run("iptables -w -t raw -S").stdout
    return rules.count("--comment docker-registry -j DROP") == 2


def _address(host: LabHost, name: str) -> str:
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return host.run(["docker", "inspect", "--format", form, name]).stdout.strip()


# Whatever the answer to a question is, over a socket or an address; it fails where nobody answers.
_ASK = """
import socket, sys
path, port = (*sys.argv[1:], "")[:2]
with socket.socket(socket.AF_INET if port else socket.AF_UNIX) as asked:
    asked.settimeout(3)
    asked.connect((path, int(port)) if port else path)
    asked.sendall(b"GET /v2/_catalog HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    print(asked.makefile("rb").read().decode())
"""


def _ask(host: LabHost, *where: str, user: str = "root") -> str:
    """What a user of the host is told; nothing where nobody answers."""
    become = ["setpriv", f"--reuid={user}", "--clear-groups"]
    asked = host.run([*become, "python3", "-Ic", _ASK, *where], check=False)
    assert (asked.returncode == 0) == (asked.stdout != "")
    assert asked.stdout or "Error" in asked.stderr, asked.stderr
    return asked.stdout


def _failed(host: LabHost, command: str | list[str]) -> tuple[bool, str]:
    """Whether somebody's question failed, and what was answered."""
    asked = host.run(command, check=False)
    return asked.returncode != 0, asked.stdout


def _at_once(ask: Callable[[Asked], Said], asked: Sequence[Asked]) -> dict[Asked, Said]:
    """What came of each question: where nobody answers, each takes some seconds."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(ask, asked), strict=True))


def _wget(url: str) -> list[str]:
    return ["wget", "-q", "-T", "3", "-O", "-", url]


def test_it_listens_for_its_own_container_alone(host: LabHost) -> None:
    """In the network there is nothing to be reached; reads and writes go over sockets."""
    pid = host.run(["docker", "inspect", "--format", "{{.State.Pid}}", "registry"]).stdout.strip()
    lines = host.run(f"nsenter -t {pid} -n ss -Hltn").stdout.splitlines()
    listening = {line.split()[3] for line in lines}
    # Docker's own resolver has another port at each start.
    assert {address for address in listening if not address.startswith("127.0.0.11:")} == {
        "127.0.0.1:5001",
        "127.0.0.1:5002",
    }


def test_no_other_container_has_the_sockets(host: LabHost) -> None:
    """The page has no way to them."""
    found = json.loads(host.run(["docker", "container", "inspect", *CONTAINERS]).stdout)
    having = {
        entry["Name"].lstrip("/")
        for entry in found
        for mount in entry["Mounts"]
        if mount["Source"].startswith("/run/docker-registry")
    }
    assert having == {"nginx", "registry"}


@pytest.mark.parametrize("user", ["nobody", "101"])
def test_a_user_of_the_host_gets_nothing(host: LabHost, guard: str, user: str) -> None:
    """Nor one who has the number of the proxy's workers: by no port, and by no socket."""
    del guard
    address = _address(host, "registry")
    asked = _at_once(lambda port: _ask(host, address, str(port), user=user), PORTS)
    assert asked == dict.fromkeys(PORTS, "")
    become = f"setpriv --reuid={user} --clear-groups"
    for socket in ("reader.socket", "writers", "writers/current"):
        assert host.run(f"{become} test -e {SOCKETS}/{socket}", check=False).returncode == 1
        assert host.run(["test", "-e", f"{SOCKETS}/{socket}"]).returncode == 0
    assert _ask(host, f"{SOCKETS}/reader.socket", user=user) == ""


_LOOK_THROUGH = """
import os, pathlib
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    try:
        if f"Uid:\\t{os.getuid()}\\t" in status.read_text():
            os.stat(status.parent / "root/etc/nginx")
            print(status.parent.name)
    except OSError:
        continue
"""


@pytest.mark.parametrize("groups", ["--regid=101 --clear-groups", "--regid=65534 --groups=101"])
def test_the_number_of_the_workers_opens_nothing(host: LabHost, groups: str) -> None:
    """The kernel shows a process's own files to whoever has its numbers; root sees that the way is there."""
    host.put_file("/usr/local/share/look", _LOOK_THROUGH)
    look = ["python3", "-I", "/usr/local/share/look"]
    workers = host.run("pgrep -u 101 -f 'nginx: worker'").stdout.split()
    ways = host.run(["ls", "-d", *(f"/proc/{worker}/root/run/registry" for worker in workers)], check=False)
    # The proxy's own, and the page's, which have no way to the registry but what browsers run.
    assert 0 < len(ways.stdout.split()) < len(workers)
    try:
        assert host.run(["setpriv", "--reuid=101", *groups.split(), *look]).stdout == ""
    finally:
        host.run(["rm", "/usr/local/share/look"])


def test_root_reaches_the_sockets(host: LabHost) -> None:
    """They are there to be reached: the test above can fail."""
    assert "repositories" in _ask(host, f"{SOCKETS}/reader.socket")


@pytest.mark.parametrize("network", ["host", "bridge", "registry"])
def test_a_container_gets_nothing(host: LabHost, guard: str, network: str) -> None:
    """In the host's own network, on another bridge, or let into the registry's own."""
    del guard
    names = (_address(host, "registry"), *(["registry"] if network == "registry" else []))

    def ask(url: str) -> tuple[bool, str]:
        return _failed(host, ["docker", "run", "--rm", "--network", network, TEST_IMAGE, *_wget(url)])

    urls = [f"http://{where}:{port}/v2/" for where in names for port in PORTS]
    assert _at_once(ask, urls) == dict.fromkeys(urls, NOTHING)


def test_the_page_s_container_gets_nothing(host: LabHost, guard: str) -> None:
    """Whoever has taken it over: by the registry's name, by its address, and by no file."""
    del guard

    def ask(url: str) -> tuple[bool, str]:
        command = f"curl -sS -m 3 {url}_catalog || wget -q -T 3 -O - {url}"
        return _failed(host, ["docker", "exec", "registry-ui", "sh", "-c", command])

    urls = [f"http://{where}:{port}/v2/" for where in ("registry", _address(host, "registry")) for port in PORTS]
    assert _at_once(ask, urls) == dict.fromkeys(urls, NOTHING)
    assert host.run("docker exec registry-ui ls /run/registry", check=False).returncode != 0


@pytest.mark.parametrize("spoofed", [False, True])
def test_a_neighbour_gets_nothing(host: LabHost, client_host: LabHost, guard: str, spoofed: bool) -> None:
    """Who routes the network to the host, also with a source of that network, which answers would find."""
    del guard
    address, source = _address(host, "registry"), "100.127.255.200"
    client_host.run(["ip", "route", "add", SUBNET, "via", host.address])
    if spoofed:
        client_host.run(["ip", "addr", "add", f"{source}/32", "dev", "lo"])
    try:
        bind = f"--interface {source}" if spoofed else ""
        urls = [f"http://{where}:{port}/v2/" for where in (address, host.address) for port in PORTS]
        asked = _at_once(lambda url: _failed(client_host, f"curl -sS -m 3 {bind} {url}"), urls)
        assert asked == dict.fromkeys(urls, NOTHING)
    finally:
        client_host.run(["ip", "route", "del", SUBNET])
        if spoofed:
            client_host.run(["ip", "addr", "del", f"{source}/32", "dev", "lo"])


def test_the_guard_keeps_others_from_what_is_beside_the_registry(host: LabHost, client_host: LabHost) -> None:
    """From the page, which does listen in the network: a neighbour with a route, and a user of the host."""
    address = _address(host, "registry-ui")
    beside = f"curl -sS -o /dev/null -m 3 http://{address}/"
    client_host.run(["ip", "route", "add", SUBNET, "via", host.address])
    try:
        with _unguarded(host):
            # Otherwise this would show nothing.
            assert _ask(host, address, "80", user="nobody") != ""
        assert _ask(host, address, "80", user="nobody") == ""
        assert _ask(host, address, "80") != ""
        assert client_host.run(beside, check=False).returncode != 0
    finally:
        client_host.run(["ip", "route", "del", SUBNET])


def test_the_guard_comes_back_after_a_flush(deployed: Deployed, host: LabHost) -> None:
    """As by another firewall's tool; meanwhile registry-status tells of it. It names the bridge."""
    host.run(["iptables", "-t", "raw", "-F"])
    told = host.run(["registry-status", "network"], check=False)
    assert _is_guarded(host) or (told.returncode == 1 and "unguarded" in told.stdout)
    assert within(20, lambda: _is_guarded(host))
    bridge = host.run("ip -o -4 route show 100.127.255.0/24").stdout.split(" dev ")[1].split()[0]
    assert f"! -i {bridge}" in host.run("iptables -w -t raw -S PREROUTING").stdout
    assert host.run(["registry-status", "network"]).returncode == 0
    assert deployed.get("/v2/", password=deployed.password).status == 200


def test_the_guard_s_loss_is_told(host: LabHost) -> None:
    """For as long as it lasts."""
    with _unguarded(host):
        told = host.run(["registry-status", "network"], check=False)
        assert (told.returncode, "unguarded" in told.stdout) == (1, True)


def test_the_guard_comes_back_with_docker(host: LabHost) -> None:
    """Which rebuilds its own rules when it starts."""
    host.run("systemctl restart docker", timeout=120)
    wait_until_healthy(host)
    assert within(20, lambda: _is_guarded(host))
