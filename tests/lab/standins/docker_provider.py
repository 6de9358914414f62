"""A stand-in for pulumi-resource-docker: `python -m tests.lab.standins.docker_provider ENGINE`."""
# ruff: noqa: N802 (the protocol names the methods)

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from tests.lab.standins.checking import DEFAULTS, check
from tests.lab.standins.diffing import compare
from tests.lab.standins.docker_container import Container
from tests.lab.standins.docker_resource import (
    Daemon,
    IncompleteError,
    RefusedError,
    Resource,
    merged_inputs,
    planned_state,
    updated_state,
)
from tests.lab.standins.docker_schema import PROVIDER
from tests.lab.standins.docker_small import Network, RemoteImage, Volume
from tests.lab.standins.engine_api import ApiError, EngineApi
from tests.lab.standins.plugin import CallError, answering, engine_address, serve
from tests.lab.standins.proto import Context, empty_pb2, provider_pb2, provider_pb2_grpc
from tests.lab.standins.provider import Provider, check_response, diff_response, init_failed, name_of, type_of
from tests.lab.standins.values import UNKNOWN, Json, Props, from_struct, plain, to_struct

DEFAULT_HOST = "unix:///var/run/docker.sock"
RESOURCES: dict[str, Resource] = {
    "docker:index/container:Container": Container(),
    "docker:index/network:Network": Network(),
    "docker:index/volume:Volume": Volume(),
    "docker:index/remoteImage:RemoteImage": RemoteImage(),
}
TLS = ("caMaterial", "certMaterial", "certPath", "keyMaterial")
ENCODED = ("sshOpts", "registryAuth", "disableDockerDaemonCheck")


class DockerProvider(Provider):
    """Containers, networks, volumes and images of one daemon."""

    version = "5.2.0"

    def __init__(self, engine: str | None) -> None:
        super().__init__(engine)
        self.daemon = Daemon(EngineApi(DEFAULT_HOST))

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        inputs, problems = check(PROVIDER, plain(from_struct(request.news)))
        del inputs[DEFAULTS]
        for name in ENCODED:
            if inputs.get(name) not in (None, UNKNOWN):
                inputs[name] = json.dumps(json.loads(inputs[name]), separators=(",", ":"))
        return check_response(inputs, problems)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        changes = compare(PROVIDER, from_struct(request.olds), from_struct(request.news))
        return diff_response(changes) if changes.kinds else provider_pb2.DiffResponse()

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Context) -> provider_pb2.ConfigureResponse:
        with answering(context):
            self.daemon = configured_daemon(plain(from_struct(request.args)))
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        with answering(context):
            resource = resource_of(request.urn)
            inputs, problems = check(resource.fields, from_struct(request.news))
            if resource.named and "name" not in inputs:
                inputs["name"] = _generated_name(request)
                inputs[DEFAULTS] = sorted([*inputs[DEFAULTS], "name"])
            return check_response(inputs, problems)

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        with answering(context):
            resource = resource_of(request.urn)
            state, news = from_struct(request.olds), from_struct(request.news)
            changes = compare(resource.fields, state, news, list(request.ignoreChanges))
            return diff_response(changes, delete_first=_name_stays(resource, state, news))

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> provider_pb2.CreateResponse:
        with answering(context), self.running.call(context):
            resource, inputs = resource_of(request.urn), from_struct(request.properties)
            if request.preview:
                planned = planned_state(resource.fields, inputs, filler=UNKNOWN)
                return provider_pb2.CreateResponse(properties=to_struct({**planned, "id": UNKNOWN}))
            try:
                identity, state = resource.create(self.daemon, _values(inputs))
            except RefusedError as error:
                raise CallError(str(error)) from None
            except IncompleteError as error:
                partial = {**planned_state(resource.fields, _values(inputs)), "id": error.identity}
                raise init_failed(
                    request.urn, error.identity, partial, inputs, f"creating {request.urn}: {error}"
                ) from None
            return provider_pb2.CreateResponse(id=identity, properties=to_struct({**state, "id": identity}))

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> provider_pb2.UpdateResponse:
        with answering(context), self.running.call(context):
            resource = resource_of(request.urn)
            state, inputs = from_struct(request.olds), _values(from_struct(request.news))
            planned = updated_state(resource.fields, state, inputs, preview=request.preview)
            if not request.preview:
                try:
                    planned = resource.update(self.daemon, request.id, state, planned)
                except RefusedError as error:
                    raise CallError(f"updating {request.urn}: {error}") from None
            return provider_pb2.UpdateResponse(properties=to_struct({**state, **planned, "id": request.id}))

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> provider_pb2.ReadResponse:
        with answering(context), self.running.call(context):
            resource = resource_of(request.urn)
            state, inputs = from_struct(request.properties), from_struct(request.inputs)
            try:
                found = resource.read(self.daemon, request.id, state)
            except RefusedError as error:
                raise CallError(f"refreshing {request.urn}: {error}") from None
            if found is None:
                return provider_pb2.ReadResponse()
            identity, now = found
            return provider_pb2.ReadResponse(
                id=identity,
                properties=to_struct({**now, "id": identity}),
                inputs=to_struct(merged_inputs(resource.fields, inputs, now)),
            )

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> empty_pb2.Empty:
        with answering(context), self.running.call(context):
            try:
                resource_of(request.urn).delete(self.daemon, request.id, from_struct(request.properties))
            except RefusedError as error:
                raise CallError(f"deleting {request.urn}: {error}") from None
            return empty_pb2.Empty()


def resource_of(urn: str) -> Resource:
    """The resource type of a URN; raises CallError for one that the stand-in lacks."""
    kind = type_of(urn)
    if kind not in RESOURCES:
        raise CallError(f"the stand-in has no resource type {kind}")
    return RESOURCES[kind]


def configured_daemon(args: Mapping[str, Any]) -> Daemon:
    """The daemon that the provider's configuration means. One that isn't reached over SSH must answer now."""
    if any(args.get(name) for name in TLS):
        raise CallError(f"the stand-in has no TLS: {', '.join(TLS)}")
    context = os.environ.get("DOCKER_CONTEXT") or args.get("context")
    host = _context_host(context) if context else args.get("host") or DEFAULT_HOST
    api = EngineApi(host, json.loads(args.get("sshOpts") or "[]"))
    if not api.over_ssh and args.get("disableDockerDaemonCheck") != "true":
        try:
            api.ping()
        except ApiError as error:
            raise CallError(f"Error pinging Docker server: {error}") from None
    logins = {
        entry.get("address", "registry-1.docker.io"): {
            "username": entry.get("username", ""),
            "password": entry.get("password", ""),
            "serveraddress": entry.get("address", ""),
        }
        for entry in json.loads(args.get("registryAuth") or "[]")
    }
    return Daemon(api, logins)


def _context_host(name: str) -> str:
    """The daemon of a Docker context; raises CallError when there is no such context."""
    if name == "default":
        return os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    from pathlib import Path  # noqa: PLC0415  (slow to import, and few use a context)

    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    for path in folder.glob("contexts/meta/*/meta.json"):
        meta = json.loads(path.read_text())
        if meta["Name"] == name:
            return str(meta["Endpoints"]["docker"]["Host"])
    raise CallError(f'Error initializing Docker client: context "{name}" not found')


def _values(inputs: Props) -> Props:
    """The inputs without the lists of defaulted properties."""
    return {name: _without_defaults(value) for name, value in inputs.items() if name != DEFAULTS}


def _without_defaults(value: Json) -> Json:
    if isinstance(value, dict):
        return _values(value)
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value


def _generated_name(request: Json) -> str:
    """The name the resource has already, the one the engine proposes, or a new one."""
    old = from_struct(request.olds)
    if "name" in old.get(DEFAULTS, []) and old.get("name"):
        return str(old["name"])
    if request.autonaming.proposed_name:
        return str(request.autonaming.proposed_name)
    return f"{name_of(request.urn)}-{os.urandom(4).hex()[:7]}"


def _name_stays(resource: Resource, state: Props, news: Props) -> bool:
    """Old and new would have one name: the old one must go first."""
    return resource.named and "name" not in news.get(DEFAULTS, []) and state.get("name") == news.get("name")


def main() -> None:
    """Serve the engine that started this process."""
    provider = DockerProvider(engine_address(sys.argv[1:]))
    serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
        running=provider.running,
    )


if __name__ == "__main__":
    main()
