"""A registry, of each generation of Distribution, whose barrier somebody closes."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.closing import IMAGES, wait_for_writer, with_image
from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.content import Api
from tests.e2e.support import Deployed, deploy

__all__ = ["api", "at_once", "made", "registry"]

DRAIN_SECONDS = 4
COME_BACK_SECONDS = 20
AT_ONCE = 12


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, new_host: NewHost, new_stack: NewStack) -> Deployed:
    """A registry of a module's own, for which a writer has little time to end."""
    name: str = request.module.NAME
    fqdn = f"{name}.example.net"
    host = new_host(name, aliases=[fqdn])
    return deploy(host, new_stack(name, host), fqdn, {"gc": {"drainSeconds": DRAIN_SECONDS, "enabled": False}})


@pytest.fixture(scope="module", params=IMAGES)
def registry(made: Deployed, request: pytest.FixtureRequest) -> Deployed:
    """Of each generation of Distribution."""
    return with_image(made, request.param)


@pytest.fixture
def api(registry: Deployed) -> Iterator[Api]:
    """A client that is refused nothing: whatever waited."""
    wait_for_writer(registry.host)
    client = Api(registry)
    yield client
    client.close()
    assert client.pauses == []


@pytest.fixture
def at_once() -> Iterator[Callable[..., "Future[Any]"]]:
    """Runs something in the background."""
    with ThreadPoolExecutor(AT_ONCE + 4) as pool:
        yield pool.submit
