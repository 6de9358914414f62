"""Whatever keeps a certificate from being issued or renewed is told by name, loses nothing, and is over by itself."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e import acme_first_troubles as first
from tests.e2e import acme_later_troubles as later
from tests.e2e.acme_trouble import Chain
from tests.e2e.conftest import NewHost, NewStack
from tests.lab.acme_settings import Settings
from tests.lab.lab import Lab

pytestmark = pytest.mark.e2e

CHAIN_SECONDS = 600

# A host each, with the scenarios that are played there in turn.
CHAINS = {
    "unissued": [
        first.port_80_is_taken,
        first.names_do_not_lead_to_the_host,
        first.port_80_is_taken_meanwhile,
        first.server_is_down_at_first,
        first.secrets_are_root_s_alone,
        first.systemd_accepts_the_units,
        later.order_is_invalid,
        later.engine_is_killed_at_a_change,
        later.clock_is_fast,
        later.clock_is_slow,
        later.expiry_is_near,
    ],
    "unlucky": [
        first.disk_is_full_at_first,
        first.all_but_certbot_is_killed_at_first,
        later.disk_is_full_at_renewal,
        later.server_is_down_at_renewal,
        later.nonces_are_rejected,
        later.rate_limit_is_reached,
        later.renewal_is_killed,
    ],
}
SERVERS = {"unissued": Settings(renewal_info=False, external_accounts={first.EAB_ID: first.EAB_KEY})}


@pytest.fixture(scope="module")
def outcomes(lab: Lab, new_host: NewHost, new_stack: NewStack) -> Iterator[dict[str, Future[None]]]:
    """What comes of each scenario; all hosts are at work at the same time."""
    chains = [Chain(name, scenarios, SERVERS.get(name)) for name, scenarios in CHAINS.items()]
    with ThreadPoolExecutor(len(chains)) as pool:
        for chain in chains:
            pool.submit(chain.play, lab, new_host, new_stack)
        yield {name: outcome for chain in chains for name, outcome in chain.outcomes.items()}


@pytest.mark.parametrize("scenario", [scenario.__name__ for chain in CHAINS.values() for scenario in chain])
def test_nothing_is_lost_when(scenario: str, outcomes: dict[str, Future[None]]) -> None:
    """Each scenario says what is promised in its own words."""
    outcomes[scenario].result(CHAIN_SECONDS)
