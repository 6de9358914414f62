"""One `up` brings a live host from an earlier version of this program here."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.clean_up import Kept, Puller, Pusher, at_work, clean_up
from tests.e2e.conftest import NewHost
from tests.e2e.content import Api
from tests.e2e.support import Deployed, deploy
from tests.lab import earlier
from tests.lab.host import LabHost
from tests.lab.lab import Lab
from tests.lab.paths import ROOT
from tests.lab.run import LabError
from tests.lab.stack import LabStack

pytestmark = pytest.mark.e2e

FQDN = "upgraded.example.net"
REPLACED_SECONDS = 30
"""How long pulls may fail at most: the proxy and the registry are replaced once."""

OURS = r"/(?:usr/local/|etc/(?:docker-registry|systemd/system/docker-registry|tmpfiles.d|logrotate.d/docker-opt))"
"""Where the program's own files lie."""


@dataclass(frozen=True)
class Upgraded:
    """A host that the earlier version made, with images, and that `up` has brought here while clients were at work."""

    registry: Deployed
    kept: Kept
    pullers: list[Puller]
    pushers: list[Pusher]


@pytest.fixture(scope="module")
def upgraded(lab: Lab, new_host: NewHost) -> Iterator[Upgraded]:
    """See `Upgraded`."""
    host = new_host("upgraded", aliases=[FQDN])
    stack = LabStack(f"{lab.name}-upgraded", host, program=_earlier())
    stack.init()
    try:
        yield _upgrade(host, stack)
    finally:
        stack.remove()


def _upgrade(host: LabHost, stack: LabStack) -> Upgraded:
    retention = {"mode": "dry-run", "policies": [{"repositories": ["none/*"], "keepLast": 1}]}
    settings = {"retention": retention, "gc": {"maxShare": 100}}
    registry = deploy(host, stack, FQDN, {**settings, **earlier.SETTINGS})
    kept = Kept.push(registry, "upgrade/kept")
    Api(registry).image("upgrade/garbage", "1.0", os.urandom(1000))
    assert clean_up(host).code == 0
    pullers, pushers = [Puller(kept)], [Pusher(registry, "upgrade/load")]
    stack.program = ROOT
    stack.configure({key: value for key, value in registry.settings.items() if key != "images"})
    with at_work([*pullers, *pushers]):
        stack.up()
    return Upgraded(registry, kept, pullers, pushers)


def test_no_image_is_lost(upgraded: Upgraded) -> None:
    """Whatever was pushed before, or meanwhile and was said to be there, is there; a clean-up takes none of it."""
    upgraded.kept.check()
    assert all(pusher.check() for pusher in upgraded.pushers)
    assert clean_up(upgraded.registry.host).code == 0
    upgraded.kept.check()
    assert all(pusher.check() for pusher in upgraded.pushers)


def test_pulls_fail_no_longer_than_containers_are_replaced(upgraded: Upgraded) -> None:
    """Each that fails takes some hundredths of a second."""
    failing = [puller.longest_outage for puller in upgraded.pullers]
    assert max(failing) < REPLACED_SECONDS, failing


def test_nothing_of_the_earlier_version_is_left(upgraded: Upgraded, deployed: Deployed) -> None:
    """The host has the same files and units as one that is new, and the same images."""
    old, new = upgraded.registry.host, deployed.host
    assert _files(old) == _files(new)
    units = "systemctl list-unit-files --no-legend 'docker-registry*' | sed 's/ .*//'"
    only = {"docker-registry-retention.service", "docker-registry-retention.timer"}
    assert set(old.run(units).stdout.split()) - only == set(new.run(units).stdout.split()) - only
    images = "docker image ls --format '{{.Repository}}'"
    assert earlier.GONE_IMAGE.partition(":")[0] not in old.run(images).stdout.split()


def test_a_second_up_changes_nothing(upgraded: Upgraded) -> None:
    """Nor does a refresh."""
    upgraded.registry.stack.up("--expect-no-changes")
    upgraded.registry.stack.refresh("--expect-no-changes")


def test_it_is_well(upgraded: Upgraded) -> None:
    """By its own account."""
    done = upgraded.registry.host.run(
        ["registry-status", "--json", "containers", "network", "timers", "writes"], check=False
    )
    assert done.returncode == 0, json.loads(done.stdout)["problems"]


def _earlier() -> Path:
    """Skips where the checkout lacks its history."""
    try:
        return earlier.program()
    except LabError as error:
        pytest.skip(str(error))


def _files(host: LabHost) -> set[str]:
    found = host.run("find /usr/local /etc -xdev -type f").stdout.splitlines()
    return {path for path in found if re.match(OURS, path) and "retention" not in path}
