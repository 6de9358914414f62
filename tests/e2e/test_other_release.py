"""What touches the host, once more on a host of another release: the same tests as of the shared registry.

That it boots, becomes a registry and is back after a reboot is in test_first_up.py, and that its certificate is renewed
in test_acme.py: their hosts are of the other release, too.
"""

from collections.abc import Iterator

import pytest

from tests.e2e import (
    test_adoption,
    test_drift,
    test_garbage_collection,
    test_logs,
    test_registry_reach,
    test_restrictions,
    test_status,
    test_systems,
)
from tests.e2e.drifting import CONTAINERS, FILES
from tests.e2e.support import OTHER_SUITE, Deployed, wait_until_healthy
from tests.e2e.test_drift import Life
from tests.lab.clients import Client
from tests.lab.clone import Clone
from tests.lab.host import LabHost

pytestmark = pytest.mark.e2e

DRIFT = {
    name: (FILES | CONTAINERS)[name]
    for name in (
        *("content", "a tool removed", "mode of a directory", "a timer disabled", "a timer stopped"),
        *("Docker not at boot", "time zone", "a container removed"),
    )
}


@pytest.fixture(scope="module")
def deployed(blank: Deployed) -> Deployed:
    """The shared registry of these tests, in the place of the one of the newer release."""
    return blank


@pytest.fixture(scope="module")
def client(blank: Deployed, client_host: LabHost) -> Client:
    """A client of it, logged in."""
    return blank.client(client_host)


@pytest.fixture(scope="module")
def suite() -> str:
    """The release of the host that is taken over."""
    return OTHER_SUITE


@pytest.fixture(scope="module")
def life(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """A host that drifts in one way of each sort, and is mended."""
    clone = Clone(tmp_path_factory.mktemp("drift") / "clone")
    clone.adopt(deployed.stack)
    life = Life(deployed, clone)
    life.drift("untouched")
    life.happen(DRIFT, "files")
    yield life
    deployed.host.run("find /var/opt /usr/local -depth -name '*~' -exec rm -rf {} +")
    wait_until_healthy(deployed.host)


def test_each_kind_is_named(life: Life) -> None:
    """Files and modes, units and the time zone, and a container."""
    said = life.said["files"].stdout.splitlines()
    assert [kind.named for kind in DRIFT.values() if kind.named not in said] == []


def test_up_mends_everything(life: Life) -> None:
    """Afterwards nothing is found."""
    done = life.said["files, mended"]
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_host_is_of_the_other_release(deployed: Deployed) -> None:
    """Or all of this would be said of the same one twice."""
    system = dict(line.split("=", 1) for line in deployed.host.get_file("/etc/os-release").splitlines() if "=" in line)
    assert system["VERSION_CODENAME"] == OTHER_SUITE


test_documented_packages_are_what_the_host_has = test_systems.test_documented_packages_are_what_the_host_has

# The guard of the network, and what the kernel and its control groups hold the containers to.
containers = test_restrictions.containers
test_restrictions_hold = test_restrictions.test_restrictions
test_the_kernel_holds_it_to_them = test_restrictions.test_the_kernel_holds_it_to_them
host = test_registry_reach.host
guard = test_registry_reach.guard
test_a_user_of_the_host_gets_nothing = test_registry_reach.test_a_user_of_the_host_gets_nothing
test_the_guard_comes_back_with_docker = test_registry_reach.test_the_guard_comes_back_with_docker

# Units and timers, in the words of this release's systemd.
test_all_is_well = test_status.test_all_is_well
test_a_disabled_timer_is_a_warning = test_status.test_a_disabled_timer_is_a_warning
test_a_failed_service_is_a_warning = test_status.test_a_failed_service_is_a_warning

# Its logrotate.
rotation = test_logs.rotation
test_rotation_loses_no_more_than_its_own_window = test_logs.test_rotation_loses_no_more_than_its_own_window
test_rotation_goes_on_in_a_file_that_is_short_again = test_logs.test_rotation_goes_on_in_a_file_that_is_short_again
test_rotated_logs_are_root_s_alone = test_logs.test_rotated_logs_are_root_s_alone

# The clean-up, with its Docker.
kept = test_garbage_collection.kept
test_a_dry_run_tells_what_a_run_then_removes = test_garbage_collection.test_a_dry_run_tells_what_a_run_then_removes
test_empty_repositories_leave_the_catalogue = test_garbage_collection.test_empty_repositories_leave_the_catalogue

# Drift, which is asked with its own tools.
test_an_untouched_host_shows_nothing = test_drift.test_an_untouched_host_shows_nothing
test_the_registry_serves_as_before = test_drift.test_the_registry_serves_as_before

# A registry made by hand, with this release's cron and Docker.
taken = test_adoption.taken
test_the_outage_is_short = test_adoption.test_the_outage_is_short
test_what_ran_before_is_retired = test_adoption.test_what_ran_before_is_retired
