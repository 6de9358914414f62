"""Check, Diff and the provider's own configuration: the stand-ins answer as the official providers did."""

from collections.abc import Iterator

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2_grpc

from tests.contract.replay import Call, ask, differences, recorded, serving
from tests.lab.standins.command_provider import CommandProvider
from tests.lab.standins.docker_provider import DockerProvider

Stubs = dict[str, provider_pb2_grpc.ResourceProviderStub]
CALLS = recorded("CheckConfig", "DiffConfig", "Configure", "Check", "Diff")


@pytest.fixture(scope="module")
def stubs() -> Iterator[Stubs]:
    """A connection to each stand-in."""
    with serving(DockerProvider(None)) as docker, serving(CommandProvider(None)) as command:
        yield {"docker": docker, "command": command}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_answers_as_recorded(stubs: Stubs, call: Call) -> None:
    if call.error:
        with pytest.raises(grpc.RpcError) as failure:
            ask(stubs[call.provider], call)
        assert failure.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert (failure.value.details() or "nothing") in call.error
    else:
        assert differences(ask(stubs[call.provider], call), call.response) == []
