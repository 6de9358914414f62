"""What can go wrong on a host while it gets a certificate: a taken port, a full disk, a wrong clock, kills."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.acme_trouble import LETSENCRYPT, UNIT, Asked
from tests.lab.host import LabHost
from tests.lab.pebble import Pebble

SOMEBODY = "apache2"
"""What has port 80 where the registry wants it."""

WAIT_SECONDS = 60

_LISTENER = f"""
use IO::Socket::INET;
$0 = "{SOMEBODY}";
my $socket = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die "$!";
sleep 3600;
"""
_MACHINE = "/usr/local/lib/docker-registry/registryctl/machine.py"
_NOW = "return datetime.now(timezone.utc)"


@contextmanager
def port_80_taken(host: LabHost) -> Iterator[None]:
    """Somebody else listens on port 80 of the host meanwhile."""
    program = f"/run/{SOMEBODY}.pl"
    host.run(f"cat >{program}", stdin=_LISTENER)
    host.run(["systemd-run", "--quiet", f"--unit={SOMEBODY}", "perl", program])
    try:
        wait_until(host, "ss -Hltn 'sport = :80' | grep -q .")
        yield
    finally:
        host.run(["systemctl", "stop", SOMEBODY])


@contextmanager
def server_down(host: LabHost, pebble: Pebble) -> Iterator[None]:
    """The server is down meanwhile, and its address refuses the host, instead of letting it wait."""
    address = f"{pebble.address}/32"
    pebble.stop()
    host.run(["ip", "address", "add", address, "dev", "lo"])
    try:
        yield
    finally:
        host.run(["ip", "address", "del", address, "dev", "lo"])
        pebble.resume()


@contextmanager
def shifted_clock(host: LabHost, seconds: int) -> Iterator[None]:
    """The host's tools have another time meanwhile; containers, certbot's among them, have the right one."""
    right = host.get_file(_MACHINE)
    assert right.count(_NOW) == 1
    wrong = right.replace(_NOW, f"return datetime.fromtimestamp(datetime.now().timestamp() + {seconds}, timezone.utc)")
    host.put_file(_MACHINE, wrong)
    try:
        yield
    finally:
        host.put_file(_MACHINE, right)


def small_disk(host: LabHost) -> None:
    """Certificates lie on a small file system of their own from now on."""
    host.run(f"mkdir -p {LETSENCRYPT} && mount -t tmpfs -o size=1m,mode=0750 tmpfs {LETSENCRYPT}")


@contextmanager
def full_disk(host: LabHost, *, room: int) -> Iterator[None]:
    """A `small_disk` has room only for so many small files meanwhile."""
    filler = f"{LETSENCRYPT}/filler"
    host.run(f"dd if=/dev/zero of={filler} bs=4096 2>/dev/null; truncate -s -{4096 * room} {filler}")
    try:
        yield
    finally:
        host.run(["rm", filler])


def kill_tools(host: LabHost) -> None:
    """SIGKILL to the host's tools that get a certificate, and to the `docker` that runs certbot; certbot goes on."""
    tools = "python3 -IB /usr/local/lib/docker-registry/(issue|renew)-certificate"
    found = host.run(f"pgrep -f '^({tools}|docker run .*--name registry-certbot)( |$)'").stdout.split()
    host.run(["kill", "-9", *found])


def kill_certbot(host: LabHost) -> None:
    """SIGKILL to certbot, as by a host that goes down."""
    host.run(["docker", "kill", "registry-certbot"])


def killed_renewal(host: LabHost, point: Asked) -> None:
    """A run of the timer's service in which all is killed at a point; it has failed."""
    host.run(["systemctl", "start", "--no-block", UNIT])
    deadline = time.monotonic() + WAIT_SECONDS
    while not point.come():
        assert time.monotonic() < deadline, f"the renewal did not come to {point}"
        time.sleep(0.1)
    kill_tools(host)
    kill_certbot(host)
    wait_until(host, f"systemctl is-failed -q {UNIT}")


def wait_until(host: LabHost, command: str) -> None:
    """Waits until a command succeeds on the host."""
    deadline = time.monotonic() + WAIT_SECONDS
    while host.run(command, check=False).returncode != 0:
        assert time.monotonic() < deadline, command
        time.sleep(0.1)
