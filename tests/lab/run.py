"""Running commands: complete output in a log file, a short error that names it."""

import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.lab.paths import log_file

TAIL_LINES = 25


class LabError(RuntimeError):
    """The lab can't go on; the message says why and what to do."""


class CommandError(LabError):
    """A command failed. Carries what it printed and the log file with everything."""

    def __init__(self, argv: Sequence[str], reason: str, output: str, log: Path) -> None:
        self.argv = list(argv)
        self.output = output
        self.log = log
        tail = "\n".join("  | " + line for line in output.rstrip().splitlines()[-TAIL_LINES:])
        super().__init__(f"{shlex.join(argv)[:300]}: {reason}\n{tail}\n  full output: {log}")


def run(
    argv: Sequence[str],
    *,
    log: str,
    check: bool = True,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 600,
    private: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `argv` and return what it printed.

    `log` names the log file (without folder and suffix). `stdin` is never logged: secrets go there.
    The output is not logged either, nor is it in an error, when it is `private`. `timeout` is in seconds.

    Raises CommandError when the command fails (with `check`) or takes too long.
    """
    path = log_file(log)
    try:
        done = subprocess.run(
            list(argv),
            input="" if stdin is None else stdin,
            capture_output=True,
            text=True,
            errors="replace",
            env=None if env is None else dict(env),
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        output = "(private)" if private else _text(expired.stdout) + _text(expired.stderr)
        _write(path, argv, f"no end after {timeout:.0f} s", output)
        raise CommandError(argv, f"no end after {timeout:.0f} s", output, path) from None
    output = "(private)" if private else done.stdout + done.stderr
    _write(path, argv, f"exit {done.returncode}", output)
    if check and done.returncode != 0:
        raise CommandError(argv, f"exit {done.returncode}", output, path)
    return done


def stream(
    argv: Sequence[str],
    *,
    log: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: IO[bytes] | None = None,
    stdin: IO[bytes] | None = None,
    timeout: float = 1800,
) -> None:
    """Run a long command whose output goes to the log file as it comes; raises CommandError."""
    path = log_file(log)
    _write(path, argv, "started", "")
    offset = path.stat().st_size
    with path.open("ab") as out:
        process = subprocess.Popen(
            list(argv),
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or out,
            stderr=out,
            env=None if env is None else dict(env),
            cwd=cwd,
        )
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        except BaseException:
            process.kill()
            process.wait()
            raise
    if code != 0:
        with path.open("rb") as text:
            text.seek(offset)
            output = text.read().decode(errors="replace")
        raise CommandError(argv, f"no end after {timeout:.0f} s" if code is None else f"exit {code}", output, path)


def clean_environment() -> dict[str, str]:
    """This process's environment without variables that would point Docker or Pulumi elsewhere.

    And without what would let Python compile the program in each run anew.
    """
    dropped = ("DOCKER_", "PULUMI_", "COMPOSE_", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)}


def _text(value: str | bytes | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else value.decode(errors="replace")


def _write(path: Path, argv: Sequence[str], outcome: str, output: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    with path.open("a", encoding="utf-8") as stream_:
        stream_.write(f"--- {stamp} {shlex.join(argv)} [{outcome}]\n{output}")
        if output and not output.endswith("\n"):
            stream_.write("\n")
