"""The `docker` command against the daemon the lab uses."""

import fcntl
import json
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import IO, Any

from tests.lab.machine import ensure_docker, stop_docker
from tests.lab.paths import cache_dir
from tests.lab.run import LabError, run


class _InUse:
    """A lock that all lab processes share while they use the daemon; the kernel drops it with the process."""

    def __init__(self) -> None:
        self._handle: IO[str] | None = None

    def claim(self) -> None:
        if self._handle is None:
            self._handle = (cache_dir("locks") / "daemon-users.lock").open("a")
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def alone(self) -> bool:
        """Whether no other process shares the lock; if so none can until this one ends or claims anew."""
        self.claim()
        assert self._handle is not None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.claim()
            return False
        return True


_in_use = _InUse()


@cache
def environment() -> dict[str, str]:
    """The environment for `docker`; starts the daemon at the first call."""
    _in_use.claim()
    return ensure_docker()


def release() -> bool:
    """Stop the daemon if the lab started it and nobody needs it; says whether it was stopped.

    Needed it is while a container runs in it or another lab process is at work.
    """
    if not _in_use.alone():
        return False
    environment.cache_clear()
    return stop_docker()


def docker(
    *argv: str,
    check: bool = True,
    stdin: str | None = None,
    timeout: float = 300,
    log: str = "docker",
    private: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `docker argv…`; raises CommandError when it fails. `private` output is not logged."""
    return run(
        ["docker", *argv], log=log, check=check, stdin=stdin, env=environment(), timeout=timeout, private=private
    )


def docker_bytes(argv: Sequence[str], data: bytes) -> None:
    """Run `docker argv…` with binary standard input that is not logged."""
    done = subprocess.run(
        ["docker", *argv], input=data, capture_output=True, env=environment(), check=False, timeout=120
    )
    if done.returncode != 0:
        raise LabError(f"docker {argv[0]}: {done.stderr.decode(errors='replace').strip()}")


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """What `docker KIND inspect NAME` says, or None when there is no such thing."""
    done = docker(kind, "inspect", name, check=False)
    if done.returncode != 0:
        return None
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0]
