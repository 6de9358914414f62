"""The lab of one test run: hosts, stacks, and one deployed registry that tests share.

Each run has a lab of its own; what a killed run left is removed by the next one.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.e2e.support import Deployed, deploy
from tests.lab.clients import Client
from tests.lab.docker import release
from tests.lab.host import HostImage, LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.locks import locked
from tests.lab.paths import run_dir
from tests.lab.run import LabError
from tests.lab.stack import LabStack

RUNS_AT_ONCE = 8
DEPLOYED_FQDN = "registry.example.net"
BLANK_FQDN = "blank.example.net"
BLANK_TITLE = "Images of the blank host"

NewHost = Callable[..., LabHost]
"""`new_host(name, image="ready", aliases=())`: see `LabHost.start`."""

NewStack = Callable[[str, LabHost], LabStack]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A lab with a hub that this test run alone has."""
    with ExitStack() as held:
        name = _claim(held)
        _clear(name)
        here = Lab.open(name)
        try:
            start_hub(here)
            yield here
        finally:
            _clear(name)
            release()


@pytest.fixture(scope="module")
def new_host(lab: Lab) -> Iterator[NewHost]:
    """Starts hosts, which live as long as the module's tests run. Names and aliases are unique in a run."""
    started: list[LabHost] = []

    def start(name: str, image: HostImage = "ready", aliases: Sequence[str] = ()) -> LabHost:
        host = LabHost.start(name, image, aliases=aliases, lab=lab)
        started.append(host)
        return host

    yield start
    for host in started:
        host.remove()


@pytest.fixture(scope="module")
def new_stack(lab: Lab) -> Iterator[NewStack]:
    """Creates stacks without settings; with the end of the module they are forgotten, whatever they made."""
    made: list[LabStack] = []

    def create(name: str, host: LabHost) -> LabStack:
        stack = _stack(lab, name, host)
        made.append(stack)
        return stack

    yield create
    for stack in made:
        stack.remove()


@pytest.fixture(scope="session")
def deployments(lab: Lab, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Deployed]]]:
    """The shared registries that tests of this run ask for, made side by side."""
    makers = {"deployed": _deploy_ready, "blank": _deploy_blank}
    asked = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    with ThreadPoolExecutor(len(makers)) as pool:
        yield {name: pool.submit(make, lab) for name, make in makers.items() if name in asked}


@pytest.fixture(scope="session")
def deployed(deployments: dict[str, Future[Deployed]]) -> Deployed:
    """A registry that all tests share: they leave it, and its settings, as they found it."""
    return deployments["deployed"].result()


@pytest.fixture(scope="session")
def blank(deployments: dict[str, Future[Deployed]]) -> Deployed:
    """A second registry to share, on a host that had no Docker before `up`."""
    return deployments["blank"].result()


@pytest.fixture(scope="session")
def client_host(lab: Lab) -> LabHost:
    """A host that has docker, podman, skopeo and curl, and isn't managed by any stack."""
    return LabHost.start("client", image="client", lab=lab)


@pytest.fixture(scope="session")
def client(deployed: Deployed, client_host: LabHost) -> Client:
    """A client of `deployed`, logged in."""
    return deployed.client(client_host)


def _deploy_ready(lab: Lab) -> Deployed:
    host = LabHost.start("registry", aliases=[DEPLOYED_FQDN], lab=lab)
    return deploy(host, _stack(lab, "registry", host), DEPLOYED_FQDN)


def _deploy_blank(lab: Lab) -> Deployed:
    host = LabHost.start("blank", image="blank", aliases=[BLANK_FQDN], lab=lab)
    assert host.run(["sh", "-c", "command -v docker"], check=False).returncode != 0
    return deploy(host, _stack(lab, "blank", host), BLANK_FQDN, {"ui": {"title": BLANK_TITLE}})


def _claim(held: ExitStack) -> str:
    """The first name of a lab that no other test run of this checkout uses now."""
    for number in range(1, RUNS_AT_ONCE + 1):
        name = f"{default_name()}-e2e{number}"
        try:
            held.enter_context(locked(f"command-{name}", wait=False))
        except LabError:
            continue
        return name
    raise LabError(f"{RUNS_AT_ONCE} test runs of this checkout are under way: wait for one to end")


def _clear(name: str) -> None:
    for settings in run_dir("stacks").glob(f"{name}-*.yaml"):
        LabStack(settings.stem).remove()
    found = Lab.find(name)
    if found is not None:
        found.remove()


def _stack(lab: Lab, name: str, host: LabHost) -> LabStack:
    stack = LabStack(f"{lab.name}-{name}", host)
    stack.init()
    return stack
