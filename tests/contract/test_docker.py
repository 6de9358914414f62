"""Create, Read, Update and Delete of the Docker stand-in: states and failures as recorded, on a fake daemon."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from tests.contract.fake_docker import FakeDaemon, listening
from tests.contract.replay import Call, ask, differences, init_failure, recorded, serving
from tests.lab.standins.docker_provider import DockerProvider
from tests.lab.standins.docker_resource import Daemon
from tests.lab.standins.engine_api import EngineApi
from tests.lab.standins.values import Json

IMAGE = "sha256:ba3432b8d8685058285fc8d7322eee682cb9c06f3374615da622313bf0e8990f"
PORT = 5000


def calls(method: str, *, failed: bool = False) -> list[Call]:
    """The Docker calls of a method that succeeded, or that failed."""
    return [call for call in recorded(method) if call.provider == "docker" and bool(call.error) == failed]


@dataclass
class Setup:
    """The stand-in, connected to a fake daemon."""

    daemon: FakeDaemon
    stub: provider_pb2_grpc.ResourceProviderStub

    def make(self, call: Call, inputs: dict[str, Any], identity: str) -> None:
        """Make what a recorded call expects to exist."""
        self.daemon.next_id = identity
        if "remoteImage" not in call.resource:
            creation = Call("", "Create", call.resource, {"properties": without_refreshed(inputs)}, None, "")
            ask(self.stub, creation)


def without_refreshed(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs that a creation could have had: a refresh may have turned them into what it found."""
    return {**inputs, "mustRun": True} if "mustRun" in inputs else inputs


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """A fake daemon with the recorded images, behind the stand-in."""
    daemon = FakeDaemon(IMAGE)
    daemon.images = {"registry:3": IMAGE, "nginx:latest": IMAGE}
    provider = DockerProvider(None)
    with listening(daemon, tmp_path / "docker.sock") as host, serving(provider) as stub:
        provider.daemon = Daemon(EngineApi(host))
        yield Setup(daemon, stub)


def ordered(answer: Json) -> Json:
    """An answer with its sets in one order."""
    answer = copy.deepcopy(answer)
    for part in ("properties", "inputs"):
        volumes = (answer or {}).get(part, {}).get("volumes")
        if volumes:
            volumes.sort(key=lambda volume: json.dumps(volume, sort_keys=True))
    return answer


@pytest.mark.parametrize("call", calls("Create"), ids=lambda call: call.name)
def test_creation(setup: Setup, call: Call) -> None:
    assert call.response is not None
    setup.daemon.next_id = call.response["id"]
    assert differences(ordered(ask(setup.stub, call)), ordered(call.response)) == []


@pytest.mark.parametrize("call", calls("Create", failed=True), ids=lambda call: call.name)
def test_failing_creation(setup: Setup, call: Call) -> None:
    properties = copy.deepcopy(call.request["properties"])
    if "healthcheck" in properties and "false" in properties["healthcheck"]["tests"]:
        properties["waitTimeout"] = 1
    if "already exists" in call.error:
        setup.make(call, properties, "0" * 64)
    setup.daemon.taken_ports = {PORT} if "already in use" in call.error else set()
    with pytest.raises(grpc.RpcError) as failure:
        ask(setup.stub, call, properties=properties)
    assert failure.value.code() == grpc.StatusCode.UNKNOWN
    assert comparable(f"rpc error: code = Unknown desc = {failure.value.details()}") == comparable(call.error)


def comparable(error: str) -> str:
    """An error without the IDs and URNs of one run."""
    return re.sub(r"urn:pulumi:\S+?::docker", "URN::docker", re.sub(r"\b[0-9a-f]{64}\b", "ID", error))


@pytest.mark.parametrize(
    ("source", "state_from"),
    [("unhealthy", ("unhealthy", "Delete")), ("create-port-taken", ("retry-after-failed-create", "Diff"))],
)
def test_state_of_a_failed_creation(setup: Setup, source: str, state_from: tuple[str, str]) -> None:
    """The engine gets the ID, the reason and exactly the state that the official provider left behind."""
    call = next(call for call in calls("Create", failed=True) if call.source == source and "ontainer" in call.resource)
    later = next(call for call in calls(state_from[1]) if call.source == state_from[0] and "ontainer" in call.resource)
    expected = later.request["properties" if state_from[1] == "Delete" else "olds"]
    setup.daemon.next_id = expected["id"]
    setup.daemon.taken_ports = {PORT}
    properties = {**call.request["properties"]}
    if source == "unhealthy":
        properties["waitTimeout"] = expected["waitTimeout"] = 1
    with pytest.raises(grpc.RpcError) as failure:
        ask(setup.stub, call, properties=properties)
    details = init_failure(failure.value)
    assert details["id"] == expected["id"]
    assert details["reasons"] == [failure.value.details()]
    assert details["inputs"] == properties
    left = {"properties": details["properties"]}
    assert differences(ordered(left), ordered({"properties": expected})) == []


@pytest.mark.parametrize("call", calls("Read"), ids=lambda call: call.name)
def test_reading(setup: Setup, call: Call) -> None:
    if call.response:
        setup.make(call, call.request["inputs"], call.request["id"])
        state = call.response["properties"]
        if state.get("exitCode") is not None:
            setup.daemon.containers[call.request["id"]].update(running=False, status=state["exitCode"])
    assert differences(ordered(ask(setup.stub, call)), ordered(call.response)) == []


@pytest.mark.parametrize("call", calls("Update"), ids=lambda call: call.name)
def test_update(setup: Setup, call: Call) -> None:
    setup.make(call, call.request["oldInputs"], call.request["id"])
    before = copy.deepcopy(setup.daemon.containers[call.request["id"]])
    assert differences(ordered(ask(setup.stub, call)), ordered(call.response)) == []
    after = setup.daemon.containers[call.request["id"]]
    assert after.get("Healthcheck") == before.get("Healthcheck"), "a health check is accepted but not applied"
    if not call.request.get("preview"):
        assert after["HostConfig"]["RestartPolicy"]["Name"] == call.request["news"]["restart"]
        assert after["HostConfig"]["Memory"] == call.request["news"].get("memory", 0) * 1024 * 1024
    else:
        assert after == before


@pytest.mark.parametrize("call", calls("Delete"), ids=lambda call: call.name)
def test_deletion(setup: Setup, call: Call) -> None:
    state = call.request["properties"]
    setup.daemon.images = {"registry:3": IMAGE}
    if ("__defaults" in call.request["oldInputs"] and "ontainer" not in call.resource) or state.get("networkDatas"):
        setup.make(call, call.request["oldInputs"], call.request["id"])
    else:
        setup.make(call, {**call.request["oldInputs"], "start": False}, call.request["id"])
    assert ask(setup.stub, call) == call.response
    assert not setup.daemon.containers
    assert not setup.daemon.networks
    assert not setup.daemon.volumes
    assert setup.daemon.images, "the recorded images are kept locally"
    if "ontainer" in call.resource:
        assert setup.daemon.stopped_with == [state["destroyGraceSeconds"] or 0]


def test_image_is_removed_unless_kept(setup: Setup) -> None:
    call = next(call for call in calls("Delete") if "remoteImage" in call.resource)
    name = call.request["properties"]["name"]
    setup.daemon.images = {name: IMAGE}
    ask(setup.stub, call, properties={**call.request["properties"], "keepLocally": False})
    assert not setup.daemon.images


def test_existing_volume_is_adopted(setup: Setup) -> None:
    call = next(call for call in calls("Delete") if "volume:" in call.resource)
    setup.make(call, call.request["oldInputs"], "")
    setup.daemon.volumes["registry-data"]["Labels"] = {"made-by": "someone"}
    setup.make(call, call.request["oldInputs"], "")
    assert setup.daemon.volumes["registry-data"]["Labels"] == {"made-by": "someone"}
