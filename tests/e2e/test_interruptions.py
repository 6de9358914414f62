"""Whatever breaks a `pulumi up`, the next one completes without repair by hand on the host."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.conftest import NewHost, NewStack
from tests.e2e.interrupting import (
    Both,
    DockerEvent,
    HostSays,
    Point,
    Running,
    begun,
    created,
    done,
    forget_everything,
    interrupt,
    kill,
    restart_docker,
    sever,
)
from tests.lab.clients import TEST_IMAGE
from tests.lab.host import HostImage, LabHost
from tests.lab.stack import LabStack, default_config

pytestmark = pytest.mark.e2e

FQDN = "broken.example.net"
PASSWORD = "a password for alice"
SCENARIO_SECONDS = 900
BRIDGE = "br-0123456789ab"
NO_CHANGES = "--expect-no-changes"


@dataclass(frozen=True)
class Scenario:
    """An interrupted `up`: the promise's words, where, by what; `change` are settings that a deployed stack gets."""

    words: str
    point: Point
    act: Callable[[Running], None] = kill
    change: Mapping[str, Any] = field(default_factory=dict)


def _made(name: str) -> DockerEvent:
    """The container exists; that it gets healthy, and that it is recorded, is seconds away."""
    return DockerEvent("container", "create", name)


# A host each, one after the other. The first `up` of a host pulls its images.
BLANK = (
    Scenario("killed while packages are installed", HostSays("pgrep -x dpkg")),
    Scenario("killed in the page's start", _made("registry-ui")),
    Scenario("killed before the last resource", begun("host-versions")),
)
FIRST = (
    Scenario("killed in image pulls", done("images-registry")),
    Scenario("killed after 10 resources", created(10)),
    Scenario("killed with the proxy made, not recorded", _made("nginx")),
    Scenario(
        "killed in a replacement, the old registry gone",
        DockerEvent("container", "destroy", "registry"),
        change={"registry": {"logLevel": "debug"}},
    ),
)
SECOND = (
    Scenario("killed with the network made, not recorded", DockerEvent("network", "create", "registry")),
    Scenario("killed with the registry made, not recorded", _made("registry")),
    Scenario("killed in the certificate", begun("certificate-self-signed")),
)
THIRD = (
    # A Docker that ends while it makes a network keeps half of it in its own store for good: docs/troubleshooting.md.
    Scenario("Docker restarts in image pulls", Both(done("images-registry"), done("network-bridge")), restart_docker),
    Scenario("SSH breaks in the registry's start", _made("registry"), sever),
    Scenario("killed with a volume made, not recorded", DockerEvent("volume", "create", "registry-data")),
    Scenario(
        "killed in a replacement, the new page made, not recorded",
        _made("registry-ui"),
        change={"ui": {"title": "Another title"}},
    ),
)
CHAINS: Mapping[str, Sequence[Scenario]] = {"blank": BLANK, "first": FIRST, "second": SECOND, "third": THIRD}
ALL = [scenario for chain in CHAINS.values() for scenario in chain]


class Chain:
    """A host with the scenarios that run on it in turn, and what came of each."""

    def __init__(self, name: str, scenarios: Sequence[Scenario], new_host: NewHost, new_stack: NewStack) -> None:
        self._name = name
        self._scenarios = scenarios
        self._new_host = new_host
        self._new_stack = new_stack
        self.outcomes: dict[str, Future[None]] = {scenario.words: Future() for scenario in scenarios}

    def run(self) -> None:
        """Runs all scenarios; one that fails doesn't keep the next from running."""
        try:
            image: HostImage = "blank" if self._name == "blank" else "ready"
            host = self._new_host(f"broken-{self._name}", image=image)
            stack = self._new_stack(f"broken-{self._name}", host)
            stack.configure(default_config(host, FQDN, PASSWORD))
            untouched = stack.export()
        except BaseException as error:
            for outcome in self.outcomes.values():
                outcome.set_exception(error)
            raise
        for scenario in self._scenarios:
            outcome = self.outcomes[scenario.words]
            try:
                if scenario.change:
                    stack.configure(default_config(host, FQDN, PASSWORD) | dict(scenario.change))
                else:
                    forget_everything(host)
                    # A scenario before this one may have failed in the midst of its run.
                    stack.cancel()
                    stack.restore(untouched)
                _play(scenario, host, stack)
            except BaseException as error:
                outcome.set_exception(error)
            else:
                outcome.set_result(None)


def _play(scenario: Scenario, host: LabHost, stack: LabStack) -> None:
    interrupt(stack, host, scenario.point, scenario.act)
    stack.cancel()
    stack.up()
    stack.preview(NO_CHANGES)


@pytest.fixture(scope="module")
def outcomes(new_host: NewHost, new_stack: NewStack) -> Iterator[dict[str, Future[None]]]:
    """What comes of each scenario, by its words; all hosts are at work at the same time, and beside the tests."""
    chains = [Chain(name, scenarios, new_host, new_stack) for name, scenarios in CHAINS.items()]
    with ThreadPoolExecutor(len(chains)) as pool:
        for chain in chains:
            pool.submit(chain.run)
        yield {words: outcome for chain in chains for words, outcome in chain.outcomes.items()}


@pytest.fixture(scope="module")
def claimed(new_host: NewHost) -> LabHost:
    """A host on which somebody was before the first `up`."""
    host = new_host("claimed")
    host.run(["docker", "pull", "--quiet", TEST_IMAGE])
    # As a Docker leaves it that ends while it makes the network.
    add = f"ip link add {BRIDGE} type bridge && ip address add 100.127.255.1/24 dev {BRIDGE} && ip link set {BRIDGE} up"
    host.run(add)
    return host


@pytest.fixture(scope="module")
def claiming(claimed: LabHost, new_stack: NewStack) -> LabStack:
    """The stack of that host."""
    stack = new_stack("claimed", claimed)
    stack.configure(default_config(claimed, FQDN, PASSWORD))
    return stack


@pytest.mark.usefixtures("outcomes")
def test_foreign_network_of_our_name_stays(claimed: LabHost, claiming: LabStack) -> None:
    """A network `registry` that isn't this stack's fails `up` with Docker's own words, and stays as it is."""
    network = _make(claimed, "network", "registry")
    failed = claiming.up(check=False)
    assert failed.returncode != 0
    assert "network with name registry already exists" in failed.stdout + failed.stderr
    assert _id(claimed, "network", "registry") == network
    claimed.run(["docker", "network", "rm", "registry"])


@pytest.mark.usefixtures("outcomes")
def test_foreign_container_of_our_name_stays(claimed: LabHost, claiming: LabStack) -> None:
    """A container `nginx` of another stack fails `up` with Docker's own words, and runs on.

    The network that this stack left on the way, of which its state knows nothing, is removed and made anew.
    """
    network = _make(claimed, "network", "registry", owner=_full_name(claiming))
    container = _make(claimed, "container", "nginx", owner="organization/docker-registry/another")
    failed = claiming.up(check=False)
    assert failed.returncode != 0
    assert 'container name "/nginx" is already in use' in failed.stdout + failed.stderr
    assert _id(claimed, "container", "nginx") == container
    assert _id(claimed, "network", "registry") not in ("", network)
    claimed.run(["docker", "rm", "--force", "nginx"])


@pytest.mark.usefixtures("outcomes")
def test_a_bridge_that_docker_has_forgotten_is_removed(claimed: LabHost, claiming: LabStack) -> None:
    """It has the network's addresses: with two of them, packets would go to the wrong one."""
    assert claiming.host is claimed
    assert claimed.run(["ip", "link", "show", BRIDGE], check=False).returncode != 0
    assert len(claimed.run(["ip", "-4", "route", "show", "100.127.255.0/24"]).stdout.splitlines()) == 1


@pytest.mark.usefixtures("outcomes")
def test_own_orphan_is_remade(claimed: LabHost, claiming: LabStack) -> None:
    """A container of this stack that its state doesn't know is removed and made anew; the output says so."""
    orphan = _make(claimed, "container", "nginx", owner=_full_name(claiming))
    up = claiming.up()
    assert "removed the container nginx that an interrupted run had left" in up.stdout
    assert _id(claimed, "container", "nginx") not in ("", orphan)
    claiming.preview(NO_CHANGES)


@pytest.mark.usefixtures("outcomes")
def test_container_that_is_gone_is_replaced(claimed: LabHost, claiming: LabStack) -> None:
    """A change that replaces a container completes where that is gone already, and no refresh has told the state."""
    claimed.run(["docker", "rm", "--force", "registry"])
    claiming.configure(default_config(claimed, FQDN, PASSWORD) | {"registry": {"logLevel": "debug"}})
    claiming.up()
    claiming.preview(NO_CHANGES)
    names = claimed.run(["docker", "ps", "-a", "--format", "{{.Names}}"]).stdout.split()
    assert sorted(names) == ["nginx", "registry", "registry-ui"]


@pytest.mark.parametrize("words", [scenario.words for scenario in ALL])
def test_next_up_completes_after(words: str, outcomes: dict[str, Future[None]]) -> None:
    """After an interruption `pulumi cancel` and `pulumi up` are all it takes, and then nothing is left to change."""
    outcomes[words].result(SCENARIO_SECONDS)


def _full_name(stack: LabStack) -> str:
    return f"organization/docker-registry/{stack.name}"


def _make(host: LabHost, kind: str, name: str, owner: str | None = None) -> str:
    """A network, or a running container, with the label of the stack `owner`; its ID."""
    label = ["--label", f"docker-registry.stack={owner}"] if owner else []
    act = (
        ["create", *label, name]
        if kind == "network"
        else ["run", "-d", *label, "--name", name, TEST_IMAGE, "sleep", "600"]
    )
    host.run(["docker", kind, *act])
    return _id(host, kind, name)


def _id(host: LabHost, kind: str, name: str) -> str:
    return host.run(["docker", kind, "inspect", "--format", "{{.Id}}", name], check=False).stdout.strip()
