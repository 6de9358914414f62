"""Each alert fires by its real cause, as a real Prometheus sees it, and ends with that.

The rules are those of the repository, but for times; promtool tries those (tests/rendering/test_alert_rules.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from tests.docs.blocks import ROOT
from tests.e2e.alarms import (
    BACKUPS,
    CAUSES,
    CHAIN,
    ELSEWHERE,
    GROUPS,
    KEY,
    MEGABYTES,
    PASSWORD,
    READER,
    Meanwhile,
    World,
    guess,
    status,
)
from tests.e2e.backing import PASSWORD as BACKUP_PASSWORD
from tests.e2e.backing import quicken
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.prometheus import WINDOW, prometheus, queries, within
from tests.e2e.support import deploy
from tests.e2e.test_metrics import NOT_HERE
from tests.lab.authority import Authority
from tests.lab.lab import Lab
from tests.lab.paths import write_private
from tests.lab.stack import Secret

pytestmark = pytest.mark.e2e

FQDN = "alarms.example.net"
BURST = "DockerRegistryLoginsFail"
SECONDS = 90


@pytest.fixture(scope="module")
def world(lab: Lab, new_host: NewHost, new_stack: NewStack) -> Iterator[World]:
    """All that alerts are about is there and well: a backup, a certificate that somebody else renews, a small disk."""
    host = new_host("alarms", aliases=[FQDN])
    host.run(
        f"mount -t tmpfs -o size={MEGABYTES}m,mode=755 tmpfs /var/opt; mkdir -p {BACKUPS} {CHAIN.rpartition('/')[0]}"
    )
    authority = Authority("The administrator's authority")
    chain, key = authority.issue(FQDN)
    host.put_file(CHAIN, chain)
    host.put_file(KEY, key, 0o600)
    settings = {
        "certificate": {"mode": "files", "chainPath": CHAIN, "privateKeyPath": KEY},
        "backup": {"repository": BACKUPS, "password": Secret(BACKUP_PASSWORD)},
    }
    made = deploy(host, new_stack("alarms", host), FQDN, settings)
    soon = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    users = [
        *made.settings["users"],
        {"name": READER, "password": Secret(PASSWORD), "role": "metrics"},
        {"name": "leaving", "password": Secret("leaves soon"), "expires": soon},
    ]
    more = {"users": users, "metrics": {"enabled": True, "schedule": "*-*-* *:*:00/5"}}
    registry = replace(
        made,
        ca=write_private(host.folder / "authority.pem", authority.certificate),
        settings={**made.settings, **more},
    )
    registry.stack.configure(registry.settings)
    registry.stack.up()
    api = Api(registry)
    api.image("team/app", "1.0", os.urandom(100_000))
    api.close()
    host.run("systemctl start docker-registry-certificate docker-registry-gc; registryctl backup", timeout=300)
    quicken(host, BACKUPS)
    with prometheus(lab, registry, READER, PASSWORD) as found:
        yield World(registry, found, authority)


@pytest.fixture(scope="module")
def burst(world: World) -> float:
    """Wrong passwords, before all else; when."""
    quiet = {*CAUSES, BURST} - {"DockerRegistryAccountEnds"}
    within(
        SECONDS, lambda: not world.prometheus.firing() & quiet, lambda: f"{world.prometheus.firing()} {status(world)}"
    )
    guess(world)
    within(SECONDS, lambda: BURST in world.prometheus.firing())
    return time.monotonic()


def test_each_alert_has_a_cause_here() -> None:
    """A new one needs a line in `CAUSES`, or in `ELSEWHERE` where it is of what this registry can't have."""
    rules = yaml.safe_load((ROOT / "monitoring" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == {*CAUSES, BURST, *ELSEWHERE}
    assert all((ROOT / place).is_file() for place in ELSEWHERE.values())
    assert sorted(alert for group in GROUPS for alert in group) == sorted(CAUSES)


@dataclass(frozen=True)
class Played:
    """Of the alerts of a group: which fired too early, which fired, and which ended; and what was there instead."""

    early: set[str]
    fired: set[str]
    ended: set[str]
    said: str


def play(world: World, alerts: Sequence[str]) -> Played:
    """The causes of a group come, and go once all of its alerts fire."""
    early = world.prometheus.firing() & set(alerts) - {"DockerRegistryAccountEnds"}
    with ExitStack() as held:
        phases = {alert: held.enter_context(CAUSES[alert](world)) for alert in alerts}
        fired = await_alerts(world, {alert: its.before for alert, its in phases.items()}, firing=True)
        said = f"{world.prometheus.firing()} {status(world)}"
        for its in reversed(phases.values()):
            its.mend()
        ended = await_alerts(world, {alert: its.after for alert, its in phases.items()}, firing=False)
        said += f", then {world.prometheus.firing()} {status(world)}"
    return Played(early, fired, ended, said)


def await_alerts(world: World, alerts: Mapping[str, Meanwhile], *, firing: bool) -> set[str]:
    """Those that fire in time, or end."""
    seen: set[str] = set()

    def all_seen() -> bool:
        for alert in alerts.keys() - seen:
            alerts[alert]()
        now = world.prometheus.firing()
        seen.update(alert for alert in alerts if (alert in now) == firing)
        return alerts.keys() == seen

    with suppress(AssertionError):
        within(SECONDS, all_seen)
    return seen


@pytest.fixture(scope="module")
def played(world: World, burst: float) -> Callable[[str], Played]:
    """What came of the group that an alert is in, which is played once."""
    assert burst
    outcomes: dict[Sequence[str], Future[Played]] = {}

    def outcome(alert: str) -> Played:
        [group] = (one for one in GROUPS if alert in one)
        if group not in outcomes:
            outcomes[group] = Future()
            try:
                outcomes[group].set_result(play(world, group))
            except BaseException as error:
                outcomes[group].set_exception(error)
        return outcomes[group].result()

    return outcome


@pytest.mark.parametrize("alert", [alert for group in GROUPS for alert in group])
def test_it_fires_by_its_cause_and_ends_with_it(alert: str, played: Callable[[str], Played]) -> None:
    """And not before."""
    found = played(alert)
    assert alert not in found.early
    assert alert in found.fired, found.said
    assert alert in found.ended, found.said


def test_what_only_troubles_show_is_in_the_dashboard(world: World) -> None:
    """All other panels have data in test_metrics."""
    asked = queries()
    wanted = [query for title in NOT_HERE for query in asked[title]]
    within(SECONDS, lambda: all(map(world.prometheus.result, wanted)), lambda: f"{wanted}")


def test_a_burst_of_wrong_passwords_is_over_when_it_is(world: World, burst: float) -> None:
    """It counts for a while."""
    left = WINDOW - (time.monotonic() - burst)
    within(max(left, 0) + SECONDS, lambda: BURST not in world.prometheus.firing())
    assert world.prometheus.firing() == set()
