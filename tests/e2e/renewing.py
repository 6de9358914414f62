"""A certificate that lives for a minute and a half is renewed by the host's timer, while clients are at work."""

import time
from dataclasses import dataclass

from cryptography import x509

from tests.e2e.acme_registry import AcmeRegistry, from_server, served, within
from tests.e2e.support import OTHER_SUITE
from tests.e2e.traffic import Asking
from tests.lab.acme_settings import Settings
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.pebble import Pebble

UNIT = "docker-registry-certificate"
CERTBOT_LOG = "/var/opt/certbot/logs/docker-output-certbot.log"
STAMP = f"/var/lib/systemd/timers/stamp-{UNIT}.timer"
WEEKLY = "Tue *-*-* 00:00:00"

LIFE_SECONDS = 90
"""certbot renews what lives so short after half of it; there must be time left for a slow machine."""

RUN_SECONDS = 60
SERVED_SECONDS = 10


@dataclass(frozen=True)
class Timer:
    """What systemd says of the certificate's timer."""

    enabled: bool
    active: bool
    persistent: bool
    calendar: str
    random_delay: str
    next_run: str

    @classmethod
    def of(cls, host: LabHost) -> "Timer":
        """The timer on `host` as it is now."""
        show = host.run(["systemctl", "show", f"{UNIT}.timer"]).stdout
        found = dict(line.split("=", 1) for line in show.splitlines() if "=" in line)
        return cls(
            enabled=found["UnitFileState"] == "enabled",
            active=found["ActiveState"] == "active",
            persistent=found["Persistent"] == "yes",
            calendar=found["TimersCalendar"].split("OnCalendar=")[1].split(" ;")[0],
            random_delay=found["RandomizedDelayUSec"],
            next_run=found["NextElapseUSecRealtime"],
        )


@dataclass(frozen=True)
class Run:
    """What one run of the timer's service left: orders at the server, the proxy's workers, and what is said of it."""

    result: str
    orders: int
    workers: frozenset[str]
    certificate: x509.Certificate
    certbot_log: str
    journal: str

    @classmethod
    def of(cls, registry: AcmeRegistry) -> "Run":
        """What there is now."""
        host = registry.deployed.host
        return cls(
            result=_property(host, "Result"),
            orders=registry.server.orders(),
            workers=_workers(host),
            certificate=served(registry.deployed),
            certbot_log=host.get_file(CERTBOT_LOG),
            journal=host.run(f"journalctl --sync; journalctl --no-pager -o cat -u {UNIT}.service").stdout,
        )


@dataclass(frozen=True)
class Renewal:
    """Before, after a run when the certificate was due, and after one that came because the host had missed one."""

    fqdn: str
    timer: Timer
    before: Run
    renewed: Run
    served_soon: bool
    """Whether the new certificate was served SERVED_SECONDS after the end of the service's run."""
    asking: Asking
    made_up: Run


def live_through_a_renewal(lab: Lab) -> Renewal:
    """All of it, on a host and with an ACME server that are only for this."""
    server = Pebble.start(lab, Settings(validity_seconds=LIFE_SECONDS, renewal_info=False), "pebble-renewing")
    registry = AcmeRegistry(lab, "renewing", server, OTHER_SUITE)
    host = registry.deployed.host
    registry.become(from_server(server, renewal={"schedule": WEEKLY, "randomDelay": "0s"}))
    # On a slow machine the certificate has grown old meanwhile: then this brings a fresh one.
    _run_service(host)
    before = Run.of(registry)
    time.sleep(_seconds_until_due(before.certificate))
    with Asking(registry.deployed) as asking:
        _run_service(host)
        served_soon = within(SERVED_SECONDS, lambda: served(registry.deployed) != before.certificate)
    within(RUN_SECONDS, lambda: "shutting down" not in _processes(host))
    renewed = Run.of(registry)
    timer = Timer.of(host)
    _miss_a_run(host)
    made_up = Run.of(registry)
    host.remove()
    return Renewal(registry.deployed.fqdn, timer, before, renewed, served_soon, asking, made_up)


def _run_service(host: LabHost) -> None:
    host.run(["systemctl", "start", f"{UNIT}.service"])


def _seconds_until_due(certificate: x509.Certificate) -> float:
    begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return max(0.0, (begin + end) / 2 + 1 - time.time())


def _miss_a_run(host: LabHost) -> None:
    """The timer starts as on a host that was off for two weeks; returns at the end of the run that this brings."""
    last = _property(host, "InvocationID")
    host.run(f"systemctl stop {UNIT}.timer && touch -d '14 days ago' {STAMP} && systemctl start {UNIT}.timer")
    if within(RUN_SECONDS, lambda: _property(host, "InvocationID") != last):
        within(RUN_SECONDS, lambda: _property(host, "ActiveState") in {"inactive", "failed"})


def _property(host: LabHost, name: str) -> str:
    return host.run(["systemctl", "show", "--value", "--property", name, f"{UNIT}.service"]).stdout.strip()


def _workers(host: LabHost) -> frozenset[str]:
    """Those that serve: children of the container's first process. The others compare passwords."""
    first = host.run(["docker", "inspect", "--format", "{{.State.Pid}}", "nginx"]).stdout.strip()
    found = host.run(["docker", "top", "nginx", "-eo", "pid,ppid,args"]).stdout.splitlines()
    return frozenset(line.split()[0] for line in found if "worker process" in line and line.split()[1] == first)


def _processes(host: LabHost) -> str:
    return host.run(["docker", "top", "nginx", "-eo", "pid,args"]).stdout
