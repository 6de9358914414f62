"""A stand-in for pulumi-resource-command: `python -m tests.lab.standins.command_provider ENGINE`."""
# ruff: noqa: N802 (the protocol names the methods)

import functools
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tests.lab.standins.checking import DEFAULTS, Problems, check
from tests.lab.standins.command_schema import HIDDEN, RESOURCES
from tests.lab.standins.diffing import Changes, compare
from tests.lab.standins.plugin import CallError, answering, engine_address, serve
from tests.lab.standins.proto import Context, empty_pb2, grpc, provider_pb2, provider_pb2_grpc
from tests.lab.standins.provider import Provider, check_response, diff_response, name_of, type_of
from tests.lab.standins.schema import Fields
from tests.lab.standins.values import (
    ARCHIVE,
    ASSET,
    SIGNATURE,
    UNKNOWN,
    Json,
    Props,
    from_struct,
    is_secret,
    plain,
    secret,
    to_struct,
)

COPIES = ("command:remote:CopyToRemote", "command:remote:CopyFile")
OUTPUTS = ("stdout", "stderr")
FRAMEWORK = {"__pulumi-go-provider-version": "1.2.0"}


class CommandProvider(Provider):
    """Runs commands and copies files, locally or over SSH."""

    version = "1.2.1"

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        return check_response({**from_struct(request.news), **FRAMEWORK}, [])

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Context) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "DiffConfig is not implemented")

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Context) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, acceptResources=True, acceptOutputs=True, supportsPreview=True
        )

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        with answering(context):
            return check_response(*check_inputs(fields_of(request.urn), from_struct(request.news)))

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        with answering(context):
            old = from_struct(request.old_inputs) or from_struct(request.olds)
            news = from_struct(request.news)
            return diff_response(changes_of(fields_of(request.urn), old, news, list(request.ignoreChanges)))

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> provider_pb2.CreateResponse:
        with answering(context), self.running.call(context):
            inputs = from_struct(request.properties)
            copying = type_of(request.urn) in COPIES
            if request.preview:
                identity, outputs = "", {} if copying else dict.fromkeys(OUTPUTS, UNKNOWN)
            else:
                identity = ("" if copying else name_of(request.urn)) + os.urandom(4).hex()
                outputs = self._act(request.urn, inputs, inputs.get("create"), {})
            return provider_pb2.CreateResponse(id=identity, properties=to_struct({**inputs, **outputs}))

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> provider_pb2.UpdateResponse:
        with answering(context), self.running.call(context):
            inputs, old = from_struct(request.news), from_struct(request.olds)
            previous = {name: old[name] for name in OUTPUTS if name in old}
            if request.preview:
                outputs: Props = dict.fromkeys(previous, UNKNOWN)
            elif type_of(request.urn) in COPIES and not _needs_copy(inputs, old):
                outputs = {}
            else:
                command = inputs.get("update") or inputs.get("create")
                outputs = self._act(request.urn, inputs, command, previous)
            return provider_pb2.UpdateResponse(properties=to_struct({**inputs, **outputs}))

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> empty_pb2.Empty:
        with answering(context), self.running.call(context):
            state = from_struct(request.properties)
            if state.get("delete") and type_of(request.urn) not in COPIES:
                previous = {name: state[name] for name in OUTPUTS if name in state}
                self._act(request.urn, state, state["delete"], previous)
            return empty_pb2.Empty()

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> provider_pb2.ReadResponse:
        """What the state says: nothing is looked up."""
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def _act(self, urn: str, inputs: Props, command: Json, previous: Mapping[str, Any]) -> Props:
        """Do what the resource is for, and return its outputs. Without a command they stay as they were."""
        log = functools.partial(self.log, urn=urn)
        kind = type_of(urn)
        if kind in COPIES:
            from tests.lab.standins import command_copy  # noqa: PLC0415  (with SSH slow to import: not at the start)

            command_copy.copy(inputs, log)
            return {}
        before = {name: plain(value) for name, value in previous.items()}
        if command is None:
            return {"stdout": "", "stderr": "", **before}
        return _runner(kind)(inputs, plain(command), before, log)


def fields_of(urn: str) -> Fields:
    """The properties of the URN's resource type; raises CallError for a type that the stand-in lacks."""
    kind = type_of(urn)
    if kind not in RESOURCES:
        raise CallError(f"the stand-in has no resource type {kind}")
    return RESOURCES[kind]


def check_inputs(fields: Fields, news: Props) -> tuple[Props, Problems]:
    """The inputs with their defaults and secrets marked, and what is wrong with them."""
    checked, problems = check(fields, plain_marks(news))
    inputs: Props = {name: news.get(name, value) for name, value in checked.items() if name != DEFAULTS}
    if isinstance(checked.get("connection"), dict):
        given = news["connection"]
        inputs["connection"] = secret(
            _checked_connection(checked["connection"], given["value"] if is_secret(given) else given)
        )
    source = inputs.get("source")
    kind = source.get(SIGNATURE) if isinstance(source, dict) else None
    if isinstance(source, dict) and kind == ASSET:
        inputs["source"] = {"path": "", "text": "", "uri": "", **source}
    elif isinstance(source, dict) and kind != ARCHIVE:
        problems.append(("source", "either asset or archive must be set"))
    return inputs, problems


def _checked_connection(checked: Props, given: Props) -> Props:
    """The checked connection, where each value keeps its own mark and the private ones get one."""
    connection = {name: given.get(name, value) for name, value in checked.items() if name != DEFAULTS}
    for name in HIDDEN:
        if name in connection:
            connection[name] = secret(connection[name])
    if isinstance(checked.get("proxy"), dict):
        connection["proxy"] = _checked_connection(checked["proxy"], plain(given["proxy"]))
    return connection


def plain_marks(props: Props) -> Props:
    """The properties without secret marks; assets stay as they are."""
    return {name: plain(value) for name, value in props.items()}


def changes_of(fields: Fields, old: Props, news: Props, ignored: list[str]) -> Changes:
    """The changed inputs. None replaces: for `triggers` the SDK itself asks for that."""
    inputs = {name: prop for name, prop in fields.items() if not prop.output}
    return compare(inputs, plain_marks(old), plain_marks(news), ignored)


def _runner(kind: str) -> Callable[..., Props]:
    """What runs a command, imported only now: a preview needs none, and a local command no SSH."""
    if kind == "command:local:Command":
        from tests.lab.standins.command_run import run_local  # noqa: PLC0415

        return run_local
    from tests.lab.standins.command_remote import run_remote  # noqa: PLC0415

    return run_remote


def _needs_copy(inputs: Props, old: Props) -> bool:
    """Only another content or another remote path is copied again."""
    before, after = plain(old), plain(inputs)
    if before.get("remotePath") != after.get("remotePath") or before.get("localPath") != after.get("localPath"):
        return True
    return bool(before.get("source", {}).get("hash") != after.get("source", {}).get("hash"))


def main() -> None:
    """Serve the engine that started this process."""
    provider = CommandProvider(engine_address(sys.argv[1:]))
    serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
        running=provider.running,
    )


if __name__ == "__main__":
    main()
