"""A registry that was set up by hand is taken over: everything is kept, and the outage is short."""

import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.acme_registry import from_server
from tests.e2e.support import CONTAINERS, Deployed, round_trip, wait_until_healthy
from tests.e2e.traces import traces
from tests.lab.acme_settings import Settings
from tests.lab.clients import Client
from tests.lab.host import LabHost
from tests.lab.images import SUITES
from tests.lab.lab import Lab
from tests.lab.paths import write_private
from tests.lab.pebble import Pebble
from tests.lab.stack import LabStack, Result, default_config

pytestmark = pytest.mark.e2e

FQDN = "by-hand.example.net"
IMAGES = ("nginx:1.28.0", "registry:2.8.3", "joxit/docker-registry-ui:2.6.0", "certbot/certbot:v5.1.0")
SCRIPT = Path(__file__).with_name("handmade.sh")
TOOLS = Path(__file__).parents[2] / "rootfs/usr/local/lib"
PASSWORDS = {"alice": secrets.token_hex(16), "bob": secrets.token_hex(16)}
PLAIN, INDEX = "team/plain:1.0", "team/index:1.0"

PAUSE = 0.05
"""Seconds between two pulls of the client that is always at it."""
LONGEST_OUTAGE = 60
"""Seconds; what is printed is a fraction of it on an idle machine."""


@dataclass
class Puller:
    """A client that pulls a manifest all the time; the times of its successes and failures."""

    registry: Deployed
    good: list[float] = field(default_factory=list)
    bad: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Puller":
        self._thread = threading.Thread(target=self._pull, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def outage(self) -> float:
        """Seconds from the last success before the first failure to the first success after the last; 0 without any."""
        if not self.bad:
            return 0.0
        return min(t for t in self.good if t > self.bad[-1]) - max(t for t in self.good if t < self.bad[0])

    def _pull(self) -> None:
        repository, _, tag = PLAIN.partition(":")
        while not self._stop.wait(PAUSE):
            try:
                answer = self.registry.get(f"/v2/{repository}/manifests/{tag}", password=PASSWORDS["alice"])
                fine = answer.status == 200
            except OSError:
                fine = False
            (self.good if fine else self.bad).append(time.monotonic())


@dataclass(frozen=True)
class TakenOver:
    """Before, between and after."""

    registry: Deployed
    client: Client
    digests: dict[str, str]
    certificate: bytes
    accounts: str
    orders: int
    foretold: str
    refused: Result
    preview: Result
    up: Result
    puller: Puller
    server: Pebble


@pytest.fixture(scope="module")
def suite() -> str:
    """The host's Debian release."""
    return SUITES[-1]


@pytest.fixture(scope="module")
def taken(lab: Lab, client_host: LabHost, suite: str) -> Iterator[TakenOver]:
    """The take-over, while a client pulls all the time."""
    server = Pebble.start(lab, Settings(renewal_info=False), "pebble-adoption")
    host = LabHost.start("by-hand", aliases=[FQDN], lab=lab, suite=suite)
    stack = LabStack(f"{lab.name}-by-hand", host)
    stack.init()
    try:
        yield _take_over(server, host, stack, client_host)
    finally:
        stack.remove()
        host.remove()
        server.remove()


def _take_over(server: Pebble, host: LabHost, stack: LabStack, client_host: LabHost) -> TakenOver:
    server.resolve(FQDN, host.address)
    host.put_file("/root/acme-ca.pem", server.server_ca)
    host.put_file("/root/handmade.sh", SCRIPT.read_text(), mode=0o755)
    for image in IMAGES:
        host.run(["docker", "pull", "--quiet", image])
    host.run(
        ["/root/handmade.sh", FQDN, server.directory, *IMAGES],
        stdin="".join(f"{name}:{password}\n" for name, password in PASSWORDS.items()),
    )
    accounts = host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd")
    hashes = dict(line.split(":", 1) for line in accounts.splitlines())
    settings = {
        **default_config(host, FQDN),
        "certificate": from_server(server, keyType="rsa"),
        "users": [{"name": name, "hash": hashes[name]} for name in PASSWORDS],
    }
    ca = write_private(host.folder / "root.pem", server.root())
    registry = Deployed(host, stack, FQDN, PASSWORDS["alice"], ca, settings, traces(host))
    client = registry.client(client_host)
    digests = {PLAIN: client.push(PLAIN), INDEX: client.push_index(INDEX)}
    certificate = registry.certificate()

    stack.configure(settings)
    refused = stack.up(check=False)
    stack.configure({**settings, "host": {**settings["host"], "adopt": True}})
    foretold = _foretell(host)
    preview = stack.preview("--diff")
    orders = server.orders()
    with Puller(registry) as puller:
        up = stack.up()
        time.sleep(1)
    return TakenOver(
        registry, client, digests, certificate, accounts, orders, foretold, refused, preview, up, puller, server
    )


def _foretell(host: LabHost) -> str:
    """What docs/moving.md tells to run before: nothing of ours has to be on the host for it."""
    tools = subprocess.run(["tar", "-c", "-C", TOOLS, "docker-registry"], capture_output=True, timeout=60, check=True)
    there = "python3 -IB docker-registry/retire-hand-made --dry-run /var/opt registry"
    argv = [*host.ssh_command(), f'cd "$(mktemp -d)" && tar -x && {there}']
    done = subprocess.run(argv, input=tools.stdout, capture_output=True, timeout=60, check=True)
    return done.stderr.decode()


def test_without_the_setting_the_host_is_refused(taken: TakenOver) -> None:
    """And told of the setting."""
    assert taken.refused.returncode != 0
    assert "port 80 is taken by the container nginx, which is no stack's; host.adopt takes it over" in (
        taken.refused.stdout + taken.refused.stderr
    )


def test_a_preview_says_what_will_happen(taken: TakenOver) -> None:
    """The resource that does it is shown; the tool names each thing, and later does what it named."""
    assert "retire-hand-made /var/opt registry" in taken.preview.stdout
    things = (
        *(f"the container {name}" for name in CONTAINERS),
        *("the network registry", "the unit docker-compose-registry.service", "docker-registry.conf"),
        *("certbot/certbot:v5.1.0 renew", "garbage-collect"),
    )
    for thing in things:
        assert thing in taken.foretold, thing
        assert thing in taken.up.stdout + taken.up.stderr, thing


def test_the_outage_is_short(taken: TakenOver) -> None:
    """It is printed; before and after it every pull succeeds."""
    print(f"\noutage of the take-over: {taken.puller.outage:.1f} s")
    first, last = taken.puller.bad[0], taken.puller.bad[-1]
    assert not [t for t in taken.puller.good if first < t < last]
    assert 0 < taken.puller.outage < LONGEST_OUTAGE


def test_images_are_the_same(taken: TakenOver) -> None:
    """By tag and by digest, with all platforms."""
    for name, digest in taken.digests.items():
        assert taken.client.digest(name) == digest
    round_trip(taken.client, PLAIN, taken.digests[PLAIN])
    for child in taken.client.manifest(INDEX)["manifests"]:
        assert taken.client.manifest(f"{INDEX.partition(':')[0]}@{child['digest']}")["layers"]


def test_both_users_log_in_as_before(taken: TakenOver) -> None:
    """With the passwords that only they know."""
    for name, password in PASSWORDS.items():
        assert taken.registry.get("/v2/", user=name, password=password).status == 200
        assert taken.registry.get("/v2/", user=name, password=password + "x").status == 401
    now = taken.registry.host.get_file("/var/opt/nginx/etc/auth/registry.htpasswd")
    # Beside them are hashes that no password fits.
    kept = {line for line in now.splitlines() if not line.startswith(("#", "noone "))}
    assert kept == set(taken.accounts.splitlines())


def test_the_certificate_is_the_same(taken: TakenOver) -> None:
    """The authority was not asked."""
    assert taken.registry.certificate() == taken.certificate
    assert taken.server.orders() == taken.orders


def test_what_ran_before_is_retired(taken: TakenOver) -> None:
    """Nothing starts it again; other cron lines stay."""
    host = taken.registry.host
    labels = host.run(
        ["docker", "inspect", "--format", '{{index .Config.Labels "docker-registry.stack"}}', *CONTAINERS]
    )
    assert all(line.endswith(taken.registry.stack.name) for line in labels.stdout.split())
    assert host.run(["systemctl", "is-enabled", "docker-compose-registry"], check=False).returncode != 0
    table = host.run(["crontab", "-l"]).stdout.splitlines()
    assert [line for line in table if not line.startswith("#")] == ["0 3 * * * /usr/local/bin/backup"]
    assert all(line.startswith("#") for line in host.get_file("/etc/cron.d/docker-registry").splitlines())
    assert host.failed_units() == []


def test_a_second_up_changes_nothing(taken: TakenOver) -> None:
    """And a reboot brings back the stack's containers, not the old ones."""
    taken.registry.stack.preview("--expect-no-changes")
    taken.registry.host.reboot()
    wait_until_healthy(taken.registry.host)
    assert taken.registry.get("/v2/", password=PASSWORDS["alice"]).status == 200
