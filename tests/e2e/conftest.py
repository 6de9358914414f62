"""The lab of one test run: hosts, stacks, and one deployed registry that tests share.

Each run has a lab of its own; what a killed run left is removed by the next one.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property

import pytest

from tests.e2e.support import OTHER_SUITE, Deployed, deploy
from tests.lab.clients import Client
from tests.lab.docker import release
from tests.lab.host import HostImage, LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name, names_of_checkout
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
        _clear_what_is_left(name)
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


@dataclass
class Shared:
    """What tests of this process share: each is begun when it is first asked for, side by side with the others."""

    lab: Lab
    pool: Executor

    @cached_property
    def deployed(self) -> Future[Deployed]:
        """See the fixture of that name; so the others."""
        return self.pool.submit(_deploy_ready, self.lab)

    @cached_property
    def blank(self) -> Future[Deployed]:
        return self.pool.submit(_deploy_blank, self.lab)

    @cached_property
    def client_host(self) -> Future[LabHost]:
        return self.pool.submit(LabHost.start, "client", image="client", lab=self.lab)


@pytest.fixture(scope="session")
def shared(lab: Lab) -> Iterator[Shared]:
    """See `Shared`. What was begun is there before the lab goes."""
    with ThreadPoolExecutor() as pool:
        yield Shared(lab, pool)


@pytest.fixture(scope="session", autouse=True)
def ahead(request: pytest.FixtureRequest) -> None:
    """Begins what tests of this run will ask for, while others run."""
    if hasattr(request.config, "workerinput"):
        # A process that shares the tests with others knows the tests of all, and does not know which it gets.
        return
    wanted = {"deployed", "blank", "client_host"}
    wanted &= {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    for name in wanted:
        getattr(request.getfixturevalue("shared"), name)


@pytest.fixture(scope="session")
def deployed(shared: Shared) -> Deployed:
    """A registry that all tests share: they leave it, and its settings, as they found it."""
    return shared.deployed.result()


@pytest.fixture(scope="session")
def blank(shared: Shared) -> Deployed:
    """A second registry to share, on a host of OTHER_SUITE that had no Docker before `up`, as a user with sudo."""
    return shared.blank.result()


@pytest.fixture(scope="session")
def client_host(shared: Shared) -> LabHost:
    """A host that has docker, podman, skopeo and curl, and isn't managed by any stack."""
    return shared.client_host.result()


@pytest.fixture(scope="session")
def client(deployed: Deployed, client_host: LabHost) -> Client:
    """A client of `deployed`, logged in."""
    return deployed.client(client_host)


def _deploy_ready(lab: Lab) -> Deployed:
    host = LabHost.start("registry", aliases=[DEPLOYED_FQDN], lab=lab)
    return deploy(host, _stack(lab, "registry", host), DEPLOYED_FQDN)


def _deploy_blank(lab: Lab) -> Deployed:
    host = LabHost.start("blank", image="blank", aliases=[BLANK_FQDN], lab=lab, suite=OTHER_SUITE)
    assert host.run(["sh", "-c", "command -v docker"], check=False).returncode != 0
    login = {"user": "deploy", "sudo": True}
    return deploy(host, _stack(lab, "blank", host), BLANK_FQDN, {"host": login, "ui": {"title": BLANK_TITLE}})


def _names() -> list[str]:
    return [f"{default_name()}-e2e{number}" for number in range(1, RUNS_AT_ONCE + 1)]


def _clear_what_is_left(mine: str) -> None:
    """Remove what killed runs left of other labs: they may have been more than now are."""
    for name in set(_names()) & set(names_of_checkout()) - {mine}:
        with suppress(LabError), locked(f"command-{name}", wait=False):
            _clear(name)


def _claim(held: ExitStack) -> str:
    """The first name of a lab that no other test run of this checkout uses now."""
    for name in _names():
        try:
            held.enter_context(locked(f"command-{name}", wait=False))
        except LabError:
            continue
        return name
    raise LabError(f"{RUNS_AT_ONCE} test runs of this checkout are under way: wait for one to end")


def _clear(name: str) -> None:
    state = run_dir("state") / ".pulumi"
    left = [*run_dir("stacks").glob(f"{name}-*.yaml"), *state.glob(f"stacks/*/{name}-*.json")]
    for stack in {path.stem for path in left}:
        LabStack(stack).remove()
    found = Lab.find(name)
    if found is not None:
        found.remove()


def _stack(lab: Lab, name: str, host: LabHost) -> LabStack:
    stack = LabStack(f"{lab.name}-{name}", host)
    stack.init()
    return stack
