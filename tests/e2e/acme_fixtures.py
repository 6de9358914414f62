"""Fixtures that the tests of certificates share: a plugin, as their modules share them and others need not know."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.acme_registry import AcmeRegistry, from_server
from tests.e2e.renewing import Renewal, live_through_a_renewal
from tests.lab.acme_settings import Settings
from tests.lab.lab import Lab
from tests.lab.pebble import Pebble


@pytest.fixture(scope="session")
def background(lab: Lab, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[AcmeRegistry | Renewal]]]:
    """What tests of this run ask for of the fixtures below, made side by side."""
    makers: dict[str, Callable[[Lab], AcmeRegistry | Renewal]] = {"acme": _acme, "renewal": live_through_a_renewal}
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(len(makers)) as pool:
        yield {name: pool.submit(make, lab) for name, make in makers.items() if name in asked}


@pytest.fixture(scope="session")
def acme(background: dict[str, Future[AcmeRegistry | Renewal]]) -> AcmeRegistry:
    """A registry that has a certificate for 90 days, as everything is by default; tests may change its settings."""
    found = background["acme"].result()
    assert isinstance(found, AcmeRegistry)
    return found


@pytest.fixture(scope="session")
def renewal(background: dict[str, Future[AcmeRegistry | Renewal]]) -> Renewal:
    """What came of a renewal."""
    found = background["renewal"].result()
    assert isinstance(found, Renewal)
    return found


def _acme(lab: Lab) -> AcmeRegistry:
    server = Pebble.start(lab, Settings(renewal_info=False), "pebble-acme")
    registry = AcmeRegistry(lab, "acme", server)
    registry.become(from_server(server))
    return registry
