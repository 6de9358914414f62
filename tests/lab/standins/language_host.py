"""A minimal Python language host: `python -m tests.lab.standins.language_host ENGINE`.

Runs the program in a process of its own, as the official host does, and starts that process before the engine
asks for it, so that the SDK is imported meanwhile.
"""
# ruff: noqa: N802 (the protocol names the methods)

import json
import os
import subprocess
import sys
import threading
from typing import Any

from tests.lab.standins.plugin import engine_address, serve
from tests.lab.standins.proto import (
    Context,
    Message,
    empty_pb2,
    json_format,
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
)
from tests.lab.standins.values import Json

# The program's process ends with this status when it has shown its error to the user itself.
ERROR_SHOWN = 32

# As PYTHONPATH names it to this process.
REPOSITORY = __file__.removesuffix("/tests/lab/standins/language_host.py")


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves the few calls that `pulumi preview`, `up`, `refresh` and `destroy` make."""

    def __init__(self, engine: str | None) -> None:
        self._engine = engine
        self._prepared: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start a process for the next program."""
        with self._lock:
            if self._prepared is None:
                self._prepared = _start_runner()

    def close(self) -> None:
        """End a process that no program needed."""
        with self._lock:
            if self._prepared is not None:
                self._prepared.kill()

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: Context
    ) -> language_pb2.LanguageHandshakeResponse:
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Message, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version="3.272.0")

    def GetRequiredPlugins(self, request: Message, context: Context) -> language_pb2.GetRequiredPluginsResponse:
        self.prepare()
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Message, context: Context) -> language_pb2.GetRequiredPackagesResponse:
        self.prepare()  # a host that only tells about itself never comes here
        return language_pb2.GetRequiredPackagesResponse()

    def RuntimeOptionsPrompts(self, request: Message, context: Context) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request: Message, context: Context) -> language_pb2.AboutResponse:
        version = ".".join(str(part) for part in sys.version_info[:3])
        return language_pb2.AboutResponse(executable=sys.executable, version=version)

    def GetProgramDependencies(self, request: Message, context: Context) -> language_pb2.GetProgramDependenciesResponse:
        return language_pb2.GetProgramDependenciesResponse()

    def InstallDependencies(self, request: Message, context: Context) -> Json:
        """The dependencies are those of this process: there is nothing to install."""
        return iter([language_pb2.InstallDependenciesResponse(stdout=b"dependencies are installed already\n")])

    def RunPlugin(self, request: language_pb2.RunPluginRequest, context: Context) -> Json:
        """Run a plugin written in Python, such as a policy pack, in its own virtual environment."""
        from pathlib import Path  # noqa: PLC0415  (slow to import, and a program needs no plugin)

        folder = Path(request.info.program_directory)
        options = json_format.MessageToDict(request.info.options)
        python = folder / options["virtualenv"] / "bin/python" if "virtualenv" in options else Path(sys.executable)
        process = subprocess.Popen(
            [str(python), "-u", str(folder), *request.args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=request.pwd,
            env=program_environment() | dict(entry.partition("=")[::2] for entry in request.env),
        )
        context.add_callback(lambda: _end(process))
        assert process.stdout is not None
        for line in process.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, request: Message, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Run(self, request: language_pb2.RunRequest, context: Context) -> language_pb2.RunResponse:
        """Run the program; an error it has shown itself is reported without a text."""
        self.prepare()
        with self._lock:
            process, self._prepared = self._prepared, None
        assert process is not None
        context.add_callback(lambda: _end(process))
        order = json.dumps(run_order(request, self._engine)).encode()
        process.communicate(order)
        status = process.returncode
        if status == 0:
            return language_pb2.RunResponse()
        if status == ERROR_SHOWN:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=_exit_text(status))


def run_order(request: Json, engine: str | None) -> dict[str, Any]:
    """What the program's process must know, from the engine's request."""
    directory = request.info.program_directory or request.pwd
    return {
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization or "organization",
        "monitor": request.monitor_address,
        "engine": engine or (request.args[0] if request.args else ""),
        "parallel": request.parallel,
        "dry_run": request.dryRun,
        "root_directory": request.info.root_directory,
        "directory": directory,
        "pwd": request.pwd,
        "program": request.info.entry_point or request.program or ".",
        "args": list(request.args),
        "config": dict(request.config),
        "secret_keys": list(request.configSecretKeys),
    }


def _start_runner() -> subprocess.Popen[bytes]:
    runner = f"{REPOSITORY}/tests/lab/standins/program_runner.py"
    # In a group of its own: the signal that ends this host must not reach a program that never ran.
    return subprocess.Popen(
        [sys.executable, "-P", runner], stdin=subprocess.PIPE, env=program_environment(), process_group=0
    )


def program_environment() -> dict[str, str]:
    """The environment of the program: as the engine gave it, without the way to this package."""
    env = dict(os.environ)
    paths = [path for path in env.pop("PYTHONPATH", "").split(os.pathsep) if path not in ("", REPOSITORY)]
    if paths:
        env["PYTHONPATH"] = os.pathsep.join(paths)
    return env


def _end(process: subprocess.Popen[bytes]) -> None:
    """The call is over or was cancelled: a program that still runs ends with it."""
    if process.poll() is None:
        process.terminate()


def _exit_text(status: int) -> str:
    if status < 0:
        return f"Program exited by signal {-status}"
    return f"Program exited with non-zero exit code: {status}"


def main() -> None:
    """Serve the engine that started this process."""
    host = LanguageHost(engine_address(sys.argv[1:]))
    serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server), on_exit=host.close)


if __name__ == "__main__":
    main()
