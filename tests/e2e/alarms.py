"""A registry that a Prometheus watches, and what makes its alerts fire and end: the real causes, on its host."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from rendering.rootfs import TOOLS
from tests.e2e.clean_up import STORAGE, clean_up
from tests.e2e.closing import closed
from tests.e2e.content import Api
from tests.e2e.prometheus import Prometheus
from tests.e2e.support import USER, Deployed, wait_until_healthy
from tests.lab.authority import Authority

CHAIN, KEY = "/etc/ssl/own/chain.pem", "/etc/ssl/own/key.pem"
BACKUPS = "/srv/backups"
TIMER = "docker-registry-metrics"
READER, PASSWORD = "prometheus", "reads numbers alone"
MEGABYTES = 96
"""The size of the data's file system."""

_SHORT = timedelta(hours=6)
_SLOW_CLOCK = f"""
import sys
from datetime import datetime, timedelta, timezone
sys.path.insert(0, {TOOLS!r})
from registryctl import cli
from registryctl.machine import Machine
Machine.now = lambda self: datetime.now(timezone.utc) - timedelta(minutes=20)
sys.exit(cli.main(cli.load(sys.argv[1:])))
"""


@dataclass
class World:
    """The registry, its Prometheus, and who issues its certificates."""

    registry: Deployed
    prometheus: Prometheus
    authority: Authority

    def run(self, script: str, *, check: bool = True) -> str:
        """A script on the host."""
        return self.registry.host.run(script, check=check, timeout=300).stdout

    def certificate(self, lifetime: timedelta) -> None:
        """Another one, where the administrator puts it; the renewal takes it from there."""
        chain, key = self.authority.issue(self.registry.fqdn, lifetime=lifetime)
        self.registry.host.put_file(CHAIN, chain)
        self.registry.host.put_file(KEY, key, 0o600)
        self.run("systemctl start docker-registry-certificate", check=False)

    def ask(self, path: str, times: int, password: str | None = None) -> None:
        """So many requests over one connection."""
        token = base64.b64encode(f"{USER}:{password or self.registry.password}".encode()).decode()
        connection = self.registry.connect("https")
        for _ in range(times):
            connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
            connection.getresponse().read()
        connection.close()


Meanwhile = Callable[[], None]
"""What goes on while somebody waits for an alert, or its end."""


@dataclass(frozen=True)
class Phases:
    """What goes on until the alert fires; then what mends it, and what goes on until the alert ends."""

    before: Meanwhile = lambda: None
    mend: Meanwhile = lambda: None
    after: Meanwhile = lambda: None


def _commands(begin: str, end: str) -> Callable[[World], AbstractContextManager[Phases]]:
    @contextmanager
    def cause(world: World) -> Iterator[Phases]:
        world.run(begin, check=False)
        yield Phases(mend=lambda: _done(world.run(end)))

    return cause


def _done(_: object) -> None:
    """Nothing more."""


@contextmanager
def server_errors(world: World) -> Iterator[Phases]:
    """The registry is stopped while clients ask for images; others ask when it is there again."""
    world.run("docker stop registry")

    def mend() -> None:
        world.run("docker start registry")
        wait_until_healthy(world.registry.host)

    yield Phases(
        lambda: world.ask("/v2/team/app/tags/list", 5), mend, lambda: world.ask("/v2/team/app/manifests/none", 200)
    )


@contextmanager
def short_certificate(world: World) -> Iterator[Phases]:
    """Nobody has renewed it."""
    world.certificate(_SHORT)
    yield Phases(mend=lambda: world.certificate(timedelta(days=90)))


@contextmanager
def filling(world: World) -> Iterator[Phases]:
    """A few megabytes a second."""
    place = "/var/opt/filler"

    def grow() -> None:
        used = int(world.run("df --output=pcent /var/opt | tail -1").strip(" %\n"))
        if used < 90:
            world.run(f"head -c {MEGABYTES // 32}M /dev/zero >>{place}")

    yield Phases(grow, lambda: _done(world.run(f"rm {place}")))


@contextmanager
def held_off(world: World) -> Iterator[Phases]:
    """Somebody keeps writes out."""
    holding = closed(world.registry.host)
    holding.__enter__()
    yield Phases(mend=lambda: _done(holding.__exit__(None, None, None)))


@contextmanager
def unreadable(world: World) -> Iterator[Phases]:
    """A tag whose file is garbage, as a disk may leave it."""
    api = Api(world.registry)
    api.image("damaged/app", "1.0", b"damaged")
    api.close()
    link = f"{STORAGE}/repositories/damaged/app/_manifests/tags/1.0/current/link"
    world.run(f"cp {link} /root/link && echo garbage >{link}")
    assert clean_up(world.registry.host).code == 6

    def mend() -> None:
        world.run(f"cp /root/link {link}")
        assert clean_up(world.registry.host).code == 0

    yield Phases(mend=mend)


@contextmanager
def account_ends(world: World) -> Iterator[Phases]:
    """As its settings say, until they are others."""
    users = [user for user in world.registry.settings["users"] if user["name"] != "leaving"]

    def mend() -> None:
        world.registry.stack.configure({**world.registry.settings, "users": users})
        world.registry.stack.up()

    yield Phases(mend=mend)


@contextmanager
def slow_clock(world: World) -> Iterator[Phases]:
    """What writes the metrics has a clock that is twenty minutes late."""
    folder = f"/etc/systemd/system/{TIMER}.service.d"
    world.registry.host.put_file("/root/late.py", _SLOW_CLOCK)
    words = "metrics --publish"
    drop_in = f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 -IB /root/late.py {words}\n"
    world.run(f"mkdir -p {folder}")
    world.registry.host.put_file(f"{folder}/late.conf", drop_in)
    world.run("systemctl daemon-reload")
    yield Phases(mend=lambda: _done(world.run(f"rm -r {folder}; systemctl daemon-reload")))


_DAMAGE = 'for pack; do printf damage | dd of="$pack" bs=1 seek=300 conv=notrunc status=none; done'
_RENEW = "systemctl start docker-registry-certificate"

CAUSES: dict[str, Callable[[World], AbstractContextManager[Phases]]] = {
    "DockerRegistryContainerBroken": _commands("docker stop registry-ui", "docker start registry-ui"),
    "DockerRegistryNetworkUnguarded": _commands(
        "systemctl stop docker-registry-network", "systemctl start docker-registry-network"
    ),
    "DockerRegistryServerErrors": server_errors,
    "DockerRegistryCertificateEnds": short_certificate,
    "DockerRegistryRenewalFails": _commands(f"mv {KEY} {KEY}.away; {_RENEW}", f"mv {KEY}.away {KEY}; {_RENEW}"),
    "DockerRegistryTimerFailed": _commands(f"mv {KEY} {KEY}.away; {_RENEW}", f"mv {KEY}.away {KEY}; {_RENEW}"),
    "DockerRegistryDiskFills": filling,
    "DockerRegistryDiskFull": _commands(
        "fallocate -l $(($(df --output=avail -B1 /var/opt | tail -1) - 2000000)) /var/opt/filler",
        "rm /var/opt/filler",
    ),
    "DockerRegistryTimerLate": _commands(
        "systemctl stop docker-registry-gc.timer", "systemctl start docker-registry-gc.timer"
    ),
    "DockerRegistryWritesHeldOff": held_off,
    "DockerRegistryBackupOverdue": _commands(
        f"mv {BACKUPS} {BACKUPS}.away; registryctl backup", f"mv {BACKUPS}.away {BACKUPS}; registryctl backup"
    ),
    "DockerRegistryBackupDamaged": _commands(
        f"cp -a {BACKUPS} /root/whole; find {BACKUPS}/data -type f -size +20k -exec sh -c '{_DAMAGE}' sh {{}} +; "
        "registryctl backup check --all",
        f"cp -a /root/whole/. {BACKUPS}; rm -r /root/whole; registryctl backup check --all",
    ),
    "DockerRegistryCleanUpSkips": unreadable,
    "DockerRegistryAccountEnds": account_ends,
    "DockerRegistryMetricsStale": slow_clock,
    "DockerRegistryDown": _commands(
        f"systemctl stop {TIMER}.timer {TIMER}.service; rm /run/docker-registry/sockets/metrics/host.prom",
        f"systemctl start {TIMER}.timer",
    ),
}
"""Alert → what makes it fire and end."""

ELSEWHERE = {
    "DockerRegistryStoreAway": "tests/e2e/on_object_store_faults.py",
    "DockerRegistryStoreImpaired": "tests/e2e/on_object_store_faults.py",
    "DockerRegistryHostsApart": "tests/registryctl/test_status_hosts.py",
    "DockerRegistryMirrorUntrimmed": "tests/e2e/test_mirror_bounds.py",
}
"""Alert of what this registry doesn't have → where `registry-status` is seen to say what the rule asks for."""

GROUPS: tuple[tuple[str, ...], ...] = (
    (
        "DockerRegistryContainerBroken",
        "DockerRegistryNetworkUnguarded",
        "DockerRegistryCertificateEnds",
        "DockerRegistryTimerLate",
        "DockerRegistryCleanUpSkips",
        "DockerRegistryBackupOverdue",
        "DockerRegistryDiskFills",
    ),
    (
        "DockerRegistryAccountEnds",
        "DockerRegistryRenewalFails",
        "DockerRegistryTimerFailed",
        "DockerRegistryBackupDamaged",
        "DockerRegistryServerErrors",
    ),
    ("DockerRegistryDiskFull",),
    ("DockerRegistryWritesHeldOff",),
    ("DockerRegistryMetricsStale",),
    ("DockerRegistryDown",),
)
"""Alerts whose causes are there together, and end in the opposite order: each wait is for all of them.

What is about the same thing, as an overdue backup and a damaged one, is in different groups.
"""


def guess(world: World, times: int = 70) -> float:
    """A burst of wrong passwords; when it was."""
    for number in range(times):
        world.registry.get("/v2/", password=f"wrong {number}", user=f"guess{number}")
    return time.monotonic()


def status(world: World) -> str:
    """What the host itself says."""
    return json.dumps(json.loads(world.run("registry-status --json", check=False))["problems"])
