"""Runs a program under mocks and records what it asks the engine for: inputs, secrets, and resource options.

Pulumi's own mocks hide the options, so the requests themselves are recorded. The answers are those of the engine and
the two providers: in a preview, what a provider computes is unknown; what comes of a secret input is secret.
"""

from __future__ import annotations

import asyncio
import contextvars
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]
from pulumi.runtime import mocks, rpc, settings, stack
from pulumi.runtime.proto import resource_pb2

from rendering.bundle import Entry
from tests.unit.bundles import entries_of
from tests.unit.loops import close_loop

PROJECT, STACK, ORGANIZATION = "docker-registry", "production", "acme"
STACK_NAME = f"{ORGANIZATION}/{PROJECT}/{STACK}"
SECONDS = 60.0
"""The longest that a program may run: one that waits for itself fails instead of hanging."""

Answer = Callable[[str], str]
"""The standard output of a command, given the command."""


class Unknown:
    """A value that only an update will tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Recorded:
    """A resource as the program registered it. `secrets` are the paths of its secret inputs, such as `stdin`."""

    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    custom: bool
    provider: str
    """The name of the explicit provider; empty for the default one."""
    depends_on: frozenset[str]
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    replace_on_changes: tuple[str, ...]
    ignore_changes: tuple[str, ...]
    aliases: tuple[str, ...]
    """Names that it once had."""
    additional_secret_outputs: tuple[str, ...]
    before_create: tuple[str, ...]
    """The names of the hooks that run before it is created."""
    on_error: tuple[str, ...]
    """The names of the hooks that run when one of its operations fails."""

    @property
    def is_command(self) -> bool:
        """Whether it is a command on a host."""
        return self.type in ("command:local:Command", "command:remote:Command")

    @property
    def commands(self) -> dict[str, Any]:
        """The command lines it has, of `create`, `update` and `delete`."""
        return {act: self.inputs[act] for act in ("create", "update", "delete") if act in self.inputs}


@dataclass
class Recording:
    """All that one run of a program registered."""

    resources: dict[str, Recorded] = field(default_factory=dict)
    registered_outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each component, and the stack itself under the name `STACK`, registered as its outputs."""
    secret_outputs: dict[str, frozenset[str]] = field(default_factory=dict)
    hooks: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Recorded:
        return self.resources[name]

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self.resources.values())

    @property
    def commands(self) -> list[Recorded]:
        """The commands on the host."""
        return [resource for resource in self if resource.is_command]

    @property
    def directories(self) -> list[str]:
        """The directories that commands make: mode, owner and path of each."""
        makers = ("/prepare-volumes ", "/prepare-mirror ")
        tables = [one for one in self.commands if any(maker in str(one.inputs["create"]) for maker in makers)]
        lines = [line for one in tables for line in str(one.inputs["stdin"]).splitlines()]
        return [*lines, *(f"{it.mode} {it.owner} {it.path}" for _, it in self._entries() if it.content is None)]

    @property
    def files(self) -> dict[str, tuple[Recorded, Entry]]:
        """The files that commands put on the host, by path, each with its command."""
        found = {entry.path: (one, entry) for one, entry in self._entries() if entry.content is not None}
        for one in self.commands:
            words = shlex.split(str(one.inputs["create"]), comments=True)
            if any(word.endswith("/put-file") for word in words):
                mode, owner = (words[words.index(option) + 1] for option in ("--mode", "--owner"))
                found[words[-1]] = one, Entry(words[-1], mode, owner, str(one.inputs["stdin"]))
        return found

    def _entries(self) -> Iterator[tuple[Recorded, Entry]]:
        for one in self.commands:
            if "/put-files " in str(one.inputs["create"]):
                yield from ((one, entry) for entry in entries_of(str(one.inputs["stdin"])))

    @property
    def components(self) -> list[Recorded]:
        """The components."""
        return [resource for resource in self if not resource.custom]

    def of_type(self, type_: str) -> list[Recorded]:
        """The resources of one type."""
        return [resource for resource in self if resource.type == type_]


def record(program: Callable[[], object], *, preview: bool, answer: Answer, seconds: float = SECONDS) -> Recording:
    """Run a program; an exception in it, or in anything that comes of it, is raised here.

    Raises `TimeoutError` when it does not end.
    """
    # All that the SDK remembers of a run lies in context variables: no run sees another one's.
    return contextvars.copy_context().run(_record, program, preview, answer, seconds)


def _record(program: Callable[[], object], preview: bool, answer: Answer, seconds: float) -> Recording:
    recording = Recording()
    settings.set_root_resource(None)  # type: ignore[arg-type]
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]
            monitor=_Monitor(recording, _Answers(answer, preview)),
            monitor_features=set(),
            engine=mocks.MockEngine(None),
            project=PROJECT,
            stack=STACK,
            organization=ORGANIZATION,
            dry_run=preview,
            callbacks=None,
            outputs=set(),
        )
    )

    def run() -> None:
        program()

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await stack.run_in_stack(run)

    with asyncio.Runner() as runner:
        # Outputs are made while the program runs, on the loop of its thread.
        runner.run(bounded(), context=contextvars.copy_context())
    return recording


class _Answers(mocks.Mocks):
    """What the two providers answer."""

    def __init__(self, answer: Answer, preview: bool) -> None:
        self._answer = answer
        self._preview = preview

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"a function was called, which a preview without the host can't answer: {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if self._preview and args.custom:
            return "", dict(args.inputs)
        return f"{args.name}-0123456789abcdef", args.inputs | self._computed(args)

    def _computed(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        if args.typ == "docker:index/remoteImage:RemoteImage":
            return {"imageId": f"sha256:{args.inputs['name']}"}
        if not args.typ.startswith("command:"):
            return {}
        output = self._answer(str(args.inputs["create"]))
        secret = rpc.is_rpc_secret(args.inputs.get("stdin"))
        return {"stdout": rpc.wrap_rpc_secret(output) if secret else output, "stderr": ""}


class _Monitor(mocks.MockMonitor):
    """The engine, as far as a program sees it."""

    def __init__(self, recording: Recording, answers: mocks.Mocks) -> None:
        super().__init__(answers)
        self._recording = recording

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: ANN401, N802
        try:
            response = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        finally:
            close_loop()
        if request.type != "pulumi:pulumi:Stack":
            assert request.name not in self._recording.resources, f"two resources are called {request.name}"
            self._recording.resources[request.name] = _recorded(request)
        return response

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> Any:  # noqa: ANN401
        name = _name(request.urn)
        name = STACK if name == f"{PROJECT}-{STACK}" else name
        assert name not in self._recording.registered_outputs, f"{name} registers its outputs twice"
        values, secrets = _plain(request.outputs)
        self._recording.registered_outputs[name] = values
        self._recording.secret_outputs[name] = secrets
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def RegisterResourceHook(self, request: resource_pb2.RegisterResourceHookRequest) -> Any:  # noqa: ANN401, N802
        self._recording.hooks.add(request.name)
        return super().RegisterResourceHook(request)  # type: ignore[no-untyped-call]


def _recorded(request: resource_pb2.RegisterResourceRequest) -> Recorded:
    inputs, secrets = _plain(request.object)
    return Recorded(
        type=request.type,
        name=request.name,
        parent="" if request.parent.endswith(f"::{PROJECT}-{STACK}") else _name(request.parent),
        inputs=inputs,
        secrets=secrets,
        custom=request.custom,
        # A reference is URN::ID.
        provider=_name(request.provider.rpartition("::")[0]) if request.provider else "",
        depends_on=frozenset(_name(urn) for urn in request.dependencies),
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace,
        replace_on_changes=tuple(request.replaceOnChanges),
        ignore_changes=tuple(request.ignoreChanges),
        aliases=tuple(alias.spec.name for alias in request.aliases),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        before_create=tuple(request.hooks.before_create),
        on_error=tuple(request.hooks.on_error),
    )


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _plain(properties: Struct) -> tuple[dict[str, Any], frozenset[str]]:
    """Properties as plain values, and the paths of those that are secret."""
    secrets: set[str] = set()

    def plain(value: Any, path: str) -> Any:  # noqa: ANN401
        match value:
            case {rpc._special_sig_key: rpc._special_secret_sig, "value": inner}:
                secrets.add(path)
                return plain(inner, path)
            case dict():
                return {key: plain(inner, f"{path}.{key}") for key, inner in value.items()}
            case list():
                return [plain(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
            case rpc.UNKNOWN:
                return UNKNOWN
            case float() if value.is_integer():
                return int(value)
        return value

    return {key: plain(value, key) for key, value in MessageToDict(properties).items()}, frozenset(secrets)


def exported(recording: Recording) -> dict[str, Any]:
    """The outputs of the stack."""
    return recording.registered_outputs[STACK]


def text_of(value: object) -> str:
    """All of a value as one text, to look for what must, or must not, be in it."""
    match value:
        case dict():
            return "\n".join(f"{key}\n{text_of(inner)}" for key, inner in value.items())
        case list():
            return "\n".join(text_of(inner) for inner in value)
        case _:
            return str(value)
