"""The stand-ins as the engine starts them: processes of their own, without what they don't use at their start."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2_grpc, provider_pb2, provider_pb2_grpc

from tests.contract.replay import STACK
from tests.lab.paths import ROOT
from tests.lab.standins.values import from_struct, to_struct

SLOW = {"asyncio", "inspect", "grpc.aio._channel", "http.client", "ssl", "paramiko", "pulumi.resource", "tarfile"}


@contextmanager
def started(module: str) -> Iterator[grpc.Channel]:
    """The plugin in a process, and a connection to it."""
    argv = [sys.executable, "-m", f"tests.lab.standins.{module}", "127.0.0.1:1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        assert process.stdout is not None
        try:
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield channel
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize(("module", "version"), [("command_provider", "1.2.1"), ("docker_provider", "5.2.0")])
def test_provider_process_answers(module: str, version: str) -> None:
    with started(module) as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        assert stub.GetPluginInfo(empty_pb2.Empty()).version == version
        with pytest.raises(grpc.RpcError) as failure:  # a mistake in the plugin itself: gRPC shows a traceback
            stub.Check(provider_pb2.CheckRequest(urn="no URN", news=struct_pb2.Struct()))
        assert "list index out of range" in (failure.value.details() or "")


def test_command_process_runs_a_command_without_an_engine_to_log_to() -> None:
    with started("command_provider") as channel:
        request = provider_pb2.CreateRequest(
            urn=f"{STACK}command:local:Command::date", properties=to_struct({"create": "echo out; echo err >&2"})
        )
        answer = provider_pb2_grpc.ResourceProviderStub(channel).Create(request)
        found = from_struct(answer.properties)
    assert (found["stdout"], found["stderr"]) == ("out", "err")


def test_language_process_answers() -> None:
    with started("language_host") as channel:
        stub = language_pb2_grpc.LanguageRuntimeStub(channel)
        assert stub.GetPluginInfo(empty_pb2.Empty()).version


@pytest.mark.parametrize("module", ["command_provider", "docker_provider", "language_host"])
def test_start_leaves_out_what_is_slow_to_import(module: str) -> None:
    code = (
        "import sys; from tests.lab.standins import light; light.is_plugin_process = lambda: True\n"
        f"import tests.lab.standins.{module}; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "grpc" in loaded
    assert not SLOW & set(loaded)
