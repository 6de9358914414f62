"""Recordings of the official providers, and stand-ins to replay them against over gRPC."""

import json
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.rpc import status_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from tests.lab.standins.plugin import UNLIMITED
from tests.lab.standins.values import Json, from_struct, to_struct

RECORDINGS = Path(__file__).parent / "recordings"
STACK = "urn:pulumi:stack::project::"


@dataclass(frozen=True)
class Call:
    """One recorded call. `response` is None where it failed; `error` is empty where it didn't."""

    source: str
    method: str
    resource: str
    request: dict[str, Any]
    response: dict[str, Any] | None
    error: str

    @property
    def urn(self) -> str:
        """A URN for the resource; what precedes its type isn't recorded."""
        return STACK + self.resource

    @property
    def provider(self) -> str:
        """Which provider the call went to."""
        return "docker" if "docker" in self.resource.split("::")[0] else "command"

    @property
    def name(self) -> str:
        """A short name for test reports."""
        return f"{self.source}-{self.method}-{self.resource.split('::')[-1]}"


def recorded(*methods: str) -> list[Call]:
    """The recorded calls of these methods; an equal call is there once."""
    calls = []
    for path in sorted(RECORDINGS.glob("*.json")):
        for entry in json.loads(path.read_text()):
            error = "".join(entry.get("errors", []))
            if entry["call"] in methods:
                calls.append(
                    Call(path.stem, entry["call"], entry["resource"], entry["request"], entry.get("response"), error)
                )
    return calls


@contextmanager
def serving(provider: provider_pb2_grpc.ResourceProviderServicer) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    """The provider behind a gRPC connection."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED) as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        server.stop(None)


def ask(stub: provider_pb2_grpc.ResourceProviderStub, call: Call, **changed: Json) -> dict[str, Any]:
    """Replay a call, with some parts of its request changed, and return the answer in the recordings' form."""
    request = {**call.request, **changed}
    method: Callable[[Json], Json] = getattr(stub, call.method)
    return ANSWERS[call.method](method(_request(call, request)))


_REQUESTS: dict[str, Any] = {
    "CheckConfig": provider_pb2.CheckRequest,
    "Check": provider_pb2.CheckRequest,
    "DiffConfig": provider_pb2.DiffRequest,
    "Diff": provider_pb2.DiffRequest,
    "Configure": provider_pb2.ConfigureRequest,
    "Create": provider_pb2.CreateRequest,
    "Read": provider_pb2.ReadRequest,
    "Update": provider_pb2.UpdateRequest,
    "Delete": provider_pb2.DeleteRequest,
}
_NAMES = {"oldInputs": "old_inputs"}


def _request(call: Call, request: dict[str, Any]) -> Json:
    fields: dict[str, Any] = {} if call.method == "Configure" else {"urn": call.urn}
    for name, value in request.items():
        struct = isinstance(value, dict) and name != "variables"
        fields[_NAMES.get(name, name)] = to_struct(value) if struct else value
    return _REQUESTS[call.method](**fields)


def _configure(answer: Json) -> dict[str, Any]:
    found = {
        "acceptOutputs": answer.acceptOutputs,
        "acceptResources": answer.acceptResources,
        "acceptSecrets": answer.acceptSecrets,
        "supportsPreview": answer.supportsPreview,
        "supportsAutonamingConfiguration": answer.supports_autonaming_configuration,
    }
    return {name: value for name, value in found.items() if value}


def _check(answer: Json) -> dict[str, Any]:
    found: dict[str, Any] = {"inputs": from_struct(answer.inputs)}
    if answer.failures:
        found["failures"] = [(failure.property, failure.reason) for failure in answer.failures]
    return found


def _diff(answer: Json) -> dict[str, Any]:
    kinds = provider_pb2.PropertyDiff.Kind
    detailed = {
        path: {"kind": kinds.Name(diff.kind)} if diff.kind else {} for path, diff in answer.detailedDiff.items()
    }
    found = {
        "changes": provider_pb2.DiffResponse.DiffChanges.Name(answer.changes) if answer.changes else "",
        "deleteBeforeReplace": answer.deleteBeforeReplace,
        "detailedDiff": detailed,
        "diffs": list(answer.diffs),
        "hasDetailedDiff": answer.hasDetailedDiff,
        "replaces": list(answer.replaces),
    }
    return {name: value for name, value in found.items() if value}


def _state(answer: Json) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("id", "properties", "inputs"):
        value = getattr(answer, name, None)
        if value is not None and (value if name == "id" else value.fields):
            found[name] = value if name == "id" else from_struct(value)
    return found


ANSWERS: dict[str, Callable[[Json], dict[str, Any]]] = {
    "CheckConfig": _check,
    "Check": _check,
    "DiffConfig": _diff,
    "Diff": _diff,
    "Configure": _configure,
    "Create": _state,
    "Read": _state,
    "Update": _state,
    "Delete": lambda _: {},
}


def init_failure(error: Json) -> dict[str, Any]:
    """The details of a failure that left a resource behind."""
    metadata = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    details = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(details)
    return {**_state(details), "reasons": list(details.reasons)}


def differences(found: Json, expected: Json, path: str = "") -> list[str]:
    """What differs between an answer and the recorded one, one line for each property."""
    if isinstance(found, dict) and isinstance(expected, dict):
        lines = []
        for name in sorted({*found, *expected}):
            where = f"{path}.{name}" if path else name
            if name not in found or name not in expected:
                lines.append(f"{where}: only in {'the recording' if name in expected else 'the answer'}")
            else:
                lines += differences(found[name], expected[name], where)
        return lines
    same = type(found) is type(expected) and found == expected
    return [] if same else [f"{path}: {found!r}, recorded {expected!r}"]
