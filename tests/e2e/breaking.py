"""Breaking a clean-up at a chosen point, deterministically: its collector is stopped there until it is broken."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.clean_up import STORAGE, UNIT, arriving, held, within
from tests.e2e.content import Api, digest_of
from tests.e2e.support import Deployed
from tests.e2e.traffic import SlowPush
from tests.lab.docker import docker_bytes
from tests.lab.host import LabHost, archive

LITTER = 3000
"""Blobs of no image, enough that the sweep can be caught halfway."""

POINT_SECONDS = 60

_LOOKING = "^/bin/sh /usr/local/lib/docker-registry/collect-garbage"
_COLLECTING = "^registry garbage-collect /etc"
_LOOKED = f"/run/{UNIT}/looked"
_LITTER_LEFT = f"ls {STORAGE}/blobs/sha256/*/ | grep -c '^[0-9a-f]\\{{64\\}}$'"

Act = Callable[[LabHost], None]


def litter(host: LabHost) -> None:
    """Puts blobs into the storage that no image needs."""
    files = []
    for number in range(LITTER):
        content = f"{number} of no image\n".encode()
        name = digest_of(content).removeprefix("sha256:")
        files.append((f"{STORAGE}/blobs/sha256/{name[:2]}/{name}/data", content, 0o644, (0, 0)))
    docker_bytes(["cp", "-", f"{host.container}:/"], archive(files))


@dataclass(frozen=True)
class Point:
    """How far a clean-up has come: `plan` (it looks what would go), `drain` (it waits for a push) or `sweep`."""

    name: str

    @contextmanager
    def reached(self, registry: Deployed) -> Iterator[None]:
        """A clean-up has begun and stands still at this point; afterwards it goes on, if it can."""
        host = registry.host
        if self.name == "drain":
            push = SlowPush(registry, "broken/slow", 1_000_000)
            assert within(POINT_SECONDS, lambda: arriving(host, "broken/slow"))
            _start(host)
            assert within(POINT_SECONDS, lambda: held(host))
            yield
            push.finish()
            return
        # Stopped from the host itself, and within its first milliseconds: over `docker exec` it would be too late.
        process = _LOOKING if self.name == "plan" else _COLLECTING
        begun = f"test -e {_LOOKED}" if self.name == "plan" else f'test "$({_LITTER_LEFT})" -lt "$all"'
        catch = (
            f"all=$({_LITTER_LEFT}); systemctl start --no-block {UNIT}; "
            f"until pid=$(pgrep -of '{process}'); do sleep 0.01; done; "
            f'until {begun}; do :; done; kill -STOP "$pid"; {_LITTER_LEFT}'
        )
        left = int(host.run(f"timeout {POINT_SECONDS} sh -c '{_quoted(catch)}'", timeout=POINT_SECONDS + 10).stdout)
        assert self.name == "plan" or left > 0, "the sweep was over before it could be stopped"
        assert held(host) == (self.name == "sweep")
        yield
        host.run(f"pgrep -f '{process}' | xargs -r kill -CONT", check=False)


def _quoted(script: str) -> str:
    return script.replace("'", "'\\''")


def _start(host: LabHost) -> None:
    host.run(["systemctl", "start", "--no-block", UNIT])


def kill_script(host: LabHost) -> None:
    """SIGKILL to the service's main process alone."""
    host.run(["systemctl", "kill", "--kill-who=main", "--signal=KILL", UNIT])


def kill_service(host: LabHost) -> None:
    """SIGKILL to all processes of the service."""
    host.run(["systemctl", "kill", "--signal=KILL", UNIT])


def kill_collector(host: LabHost) -> None:
    """SIGKILL to the registry's collector alone."""
    host.run("pgrep -f '^registry garbage-collect' | xargs kill -KILL")


def stop_service(host: LabHost) -> None:
    """The service is stopped, as by an administrator or at its time limit."""
    host.run(["systemctl", "stop", UNIT])


def kill_registry(host: LabHost) -> None:
    """SIGKILL to the registry itself; Docker starts it again."""
    host.run("kill -KILL $(docker container inspect --format '{{.State.Pid}}' registry)")


def restart_docker(host: LabHost) -> None:
    """The Docker daemon is restarted, and all containers with it."""
    host.run(["systemctl", "restart", "docker"], timeout=120)


def reboot(host: LabHost) -> None:
    """The host shuts down and starts again."""
    host.reboot()


def power_cycle(host: LabHost) -> None:
    """The host loses its power and starts again."""
    host.power_cycle()


def can_write(registry: Deployed) -> bool:
    """Whether a push succeeds now, without waiting."""
    api = Api(registry)
    try:
        status, _, _ = api.request("POST", "/v2/broken/x/blobs/uploads/")
    except OSError:
        return False
    finally:
        api.close()
    return status == 202
