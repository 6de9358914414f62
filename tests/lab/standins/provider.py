"""The gRPC side that both provider stand-ins share."""
# ruff: noqa: N802 (the protocol names the methods)

from collections.abc import Mapping, Sequence
from typing import Any

from tests.lab.standins.diffing import Changes
from tests.lab.standins.plugin import CallError, EngineLog, Running
from tests.lab.standins.proto import Context, Message, empty_pb2, grpc, plugin_pb2, provider_pb2, provider_pb2_grpc
from tests.lab.standins.values import Props, to_struct


def type_of(urn: str) -> str:
    """The resource type in a URN (urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME)."""
    return urn.split("::")[2].rsplit("$", maxsplit=1)[-1]


def name_of(urn: str) -> str:
    """The resource name in a URN."""
    return urn.split("::", 3)[3]


def diff_response(changes: Changes, *, delete_first: bool = False) -> provider_pb2.DiffResponse:
    """The answer to a Diff call."""
    kinds = provider_pb2.PropertyDiff.Kind
    response = provider_pb2.DiffResponse(hasDetailedDiff=True, changes=provider_pb2.DiffResponse.DIFF_NONE)
    if not changes.kinds:
        return response
    response.changes = provider_pb2.DiffResponse.DIFF_SOME
    response.diffs.extend(changes.tops())
    response.replaces.extend(changes.tops(replacing=True))
    response.deleteBeforeReplace = delete_first and bool(changes.replacing)
    for path, kind in changes.kinds.items():
        name = f"{kind}_REPLACE" if path in changes.replacing else kind
        response.detailedDiff[path].kind = kinds.Value(name)
    return response


def check_response(inputs: Mapping[str, Any], problems: Sequence[tuple[str, str]]) -> provider_pb2.CheckResponse:
    """The answer to a Check call."""
    failures = [provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in problems]
    return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)


def init_failed(urn: str, identity: str, state: Props, inputs: Props, reason: str) -> CallError:
    """The resource exists but isn't what it should be: the engine keeps it in the state as failed."""
    details = provider_pb2.ErrorResourceInitFailed(
        id=identity, properties=to_struct(state), inputs=to_struct(inputs), reasons=[reason]
    )
    return CallError(reason, details=details)


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """What every provider answers in the same way. `version` is that of the SDK it stands in for."""

    version = ""

    def __init__(self, engine: str | None) -> None:
        self.log = EngineLog(engine)
        self.running = Running()

    def GetPluginInfo(self, request: Message, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.version)

    def Attach(self, request: plugin_pb2.PluginAttach, context: Context) -> empty_pb2.Empty:
        self.log = EngineLog(request.address)
        return empty_pb2.Empty()

    def Cancel(self, request: Message, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Handshake(self, request: provider_pb2.ProviderHandshakeRequest, context: Context) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Handshake is not implemented")

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Context) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the stand-in has no function {request.tok}")
