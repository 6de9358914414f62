"""Running the commands of the command provider, on this machine; and what they have in common with the others."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

from tests.lab.standins.gotext import quoted
from tests.lab.standins.plugin import CallError
from tests.lab.standins.values import Props, plain

PREVIOUS = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}
CHUNK = 32768
Log = Callable[..., None]


class Result(NamedTuple):
    """What a command printed; `status` is None when it ended without one."""

    stdout: str
    stderr: str
    combined: str
    status: int | None

    @property
    def failure(self) -> str:
        """How the command failed, or nothing."""
        if self.status is None:
            return "wait: remote command exited without exit status or exit signal"
        if self.status == 0:
            return ""
        return f"Process exited with status {self.status}"


def run_local(inputs: Props, command: str, previous: Mapping[str, str], log: Log) -> Props:
    """Run `command` on this machine and return its outputs; raises CallError."""
    values = plain(inputs)
    argv = [*(values.get("interpreter") or ["/bin/sh", "-c"]), command]
    environment = {**os.environ, **(values.get("environment") or {}), **previous_outputs(values, previous)}
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if values.get("stdin") else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=values.get("dir"),
            env=environment,
        )
    except OSError as error:
        raise CallError(
            f"fork/exec {argv[0]}: {(error.strerror or '').lower()}: running {quoted(command)}:\n"
        ) from None
    with LineLog(values.get("logging"), log) as lines:
        result = _communicate(process, values.get("stdin") or "", lines.add)
    return outputs_of(result, command, "exit status")


def _communicate(process: subprocess.Popen[bytes], stdin: str, show: Callable[[str, bytes], None]) -> Result:
    buffers = {"stdout": bytearray(), "stderr": bytearray(), "both": bytearray()}
    lock = threading.Lock()

    def receive(name: str, stream: IO[bytes]) -> None:
        while piece := os.read(stream.fileno(), CHUNK):
            with lock:
                buffers[name] += piece
                buffers["both"] += piece
                show(name, piece)

    assert process.stdout is not None
    assert process.stderr is not None
    threads = [
        threading.Thread(target=receive, args=(name, stream), daemon=True)
        for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
    ]
    for thread in threads:
        thread.start()
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(stdin.encode())
    for thread in threads:
        thread.join()
    status = process.wait()
    decoded = {name: bytes(data).decode(errors="replace") for name, data in buffers.items()}
    return Result(decoded["stdout"], decoded["stderr"], decoded["both"], status)


def outputs_of(result: Result, command: str, wording: str = "") -> Props:
    """The outputs of a command that succeeded; raises CallError, with everything it printed, for one that didn't."""
    reason = f"{wording} {result.status}" if wording and result.status else result.failure
    if reason:
        raise CallError(f"{reason}: running {quoted(command)}:\n{result.combined}")
    return {"stdout": result.stdout.removesuffix("\n"), "stderr": result.stderr.removesuffix("\n")}


def previous_outputs(values: Mapping[str, Any], previous: Mapping[str, str]) -> dict[str, str]:
    """The variables that hold the outputs of the run before."""
    if values.get("addPreviousOutputInEnv") is False:
        return {}
    return {variable: previous[name] for name, variable in PREVIOUS.items() if previous.get(name)}


class LineLog:
    """Shows the output of a command in the engine's log, line by line, as its `logging` input says."""

    def __init__(self, logging: str | None, log: Log) -> None:
        chosen = logging or "stdoutAndStderr"
        self._shown = {"stdoutAndStderr": {"stdout", "stderr"}, "none": set()}.get(chosen, {chosen})
        self._log = log
        self._rest = b""

    def __enter__(self) -> "LineLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self._rest:
            self._log("info", self._rest.decode(errors="replace"))

    def add(self, stream: str, piece: bytes) -> None:
        """Take a piece of output."""
        if stream not in self._shown:
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._log("info", line.decode(errors="replace"))
