"""Breaking a `pulumi up` at a chosen point of its progress, and bringing a host back to how it was before."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.lab.docker import environment
from tests.lab.host import LabHost
from tests.lab.paths import log_file
from tests.lab.run import LabError
from tests.lab.stack import LabStack, kill_group

POINT_SECONDS = 240
"""How long a run may take to reach a point."""

END_SECONDS = 400
"""How long a run may take to notice what has happened to it; a container is waited for 120 s."""

_FORGET = """
docker ps -aq | xargs -r docker rm --force
docker network ls -q --filter type=custom | xargs -r docker network rm
docker volume ls -q | xargs -r docker volume rm
rm -rf /var/opt/* /var/lib/docker-registry /usr/local/lib/docker-registry
"""


class Running:
    """An `up` under way, with what it has printed so far."""

    def __init__(self, stack: LabStack, host: LabHost, log: Path, offset: int) -> None:
        self.stack = stack
        self.host = host
        self._log = log
        self._offset = offset
        self.started = time.time()
        self.process = stack.popen_up()

    def printed(self) -> str:
        """What the engine has printed so far."""
        with self._log.open("rb") as stream:
            stream.seek(self._offset)
            return stream.read().decode(errors="replace")

    def ended(self) -> bool:
        """Whether the engine has come to its end, good or bad."""
        return self.process.poll() is not None


class Point(Protocol):
    """A point of an `up`'s progress."""

    def reached(self, run: Running) -> bool:
        """Whether the run has come to this point; asked again and again."""


@dataclass(frozen=True)
class Printed:
    """The engine has printed so many lines that match a pattern."""

    pattern: str
    count: int = 1

    def reached(self, run: Running) -> bool:
        """See `Point`."""
        return len(re.findall(self.pattern, run.printed())) >= self.count


@dataclass(frozen=True)
class HostSays:
    """A command on the host succeeds."""

    command: str

    def reached(self, run: Running) -> bool:
        """See `Point`."""
        return run.host.run(self.command, check=False, timeout=30).returncode == 0


@dataclass(frozen=True)
class Both:
    """The run has come to one point and to the other."""

    one: Point
    other: Point

    def reached(self, run: Running) -> bool:
        """See `Point`."""
        return self.one.reached(run) and self.other.reached(run)


def created(count: int) -> Printed:
    """So many resources are made and recorded."""
    return Printed(r" created \(", count)


def begun(resource: str) -> Printed:
    """The engine has asked for this resource; it is not recorded."""
    return Printed(rf" {resource} (creating|replacing|updating|deleting)")


def done(resource: str) -> Printed:
    """This resource is made and recorded."""
    return Printed(rf" {resource} created \(")


@dataclass(frozen=True)
class DockerEvent:
    """The host's Docker has done something of which the engine does not know yet: `container`, `create`, `nginx`."""

    kind: str
    event: str
    name: str

    def reached(self, run: Running) -> bool:
        """Waits for the event itself: a poll would come too late."""
        filters = [f"type={self.kind}", f"event={self.event}", f"{self.kind}={self.name}"]
        argv = ["docker", "exec", run.host.container, "docker", "events", "--since", f"{run.started:.3f}"]
        argv += [word for text in filters for word in ("--filter", text)]
        with _reading(argv) as lines:
            return next(lines, None) is not None


@contextmanager
def _reading(argv: list[str]) -> Iterator[Iterator[str]]:
    process = subprocess.Popen(
        ["timeout", str(POINT_SECONDS), *argv], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        yield iter(process.stdout or ())
    finally:
        process.terminate()
        process.wait(10)


def interrupt(stack: LabStack, host: LabHost, point: Point, act: Callable[[Running], None]) -> None:
    """Starts an `up`, does `act` when it has come to `point`, and sees it end.

    Raises LabError when the run ends, or time does, before the point.
    """
    log = log_file(stack.log)
    run = Running(stack, host, log, log.stat().st_size)
    try:
        deadline = time.monotonic() + POINT_SECONDS
        while not point.reached(run) or run.ended():
            if run.ended() or time.monotonic() > deadline:
                raise LabError(f"the run did not come to {point}:\n{run.printed()[-2000:]}")
            time.sleep(0.05)
        act(run)
        run.process.wait(END_SECONDS)
    finally:
        kill_group(run.process)


def kill(run: Running) -> None:
    """SIGKILL to the engine and its process group."""
    kill_group(run.process)


def sever(run: Running) -> None:
    """Every SSH session of the host breaks, the master connections of the `ssh` client among them."""
    # The processes of the sessions; the daemon that listens goes on. One may end by itself, or with another.
    found = "ps -eo pid=,args= | awk '$2 ~ /^sshd(-session)?:$/ && $3 != \"/usr/sbin/sshd\" { print $1 }'"
    run.host.run(f'{found} | while read -r pid; do kill -9 "$pid" || [ ! -d "/proc/$pid" ]; done')


def restart_docker(run: Running) -> None:
    """The host's Docker daemon is restarted."""
    run.host.run(["systemctl", "restart", "docker"], timeout=60)


def forget_everything(host: LabHost) -> None:
    """The host as before the first `up`, but for packages and pulled images."""
    host.run(f"command -v docker >/dev/null || exit 0\n{_FORGET}")
