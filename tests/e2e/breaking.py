"""Breaking a clean-up at a chosen point, deterministically: it is stopped there until it is broken."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.clean_up import RESULT, STORAGE, UNIT, arriving, held, within
from tests.e2e.content import Api, digest_of
from tests.e2e.support import Deployed
from tests.e2e.traffic import SlowPush
from tests.lab.docker import docker_bytes
from tests.lab.host import LabHost, archive

LITTER = 3000
"""Blobs of no image, enough that the sweep can be caught halfway."""

POINT_SECONDS = 60

_RUN = "^python3 -IB /usr/local/bin/registryctl gc"
_CLOSING = "/run/docker-registry/sockets/closing"
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
            assert within(POINT_SECONDS, lambda: _closing(host))
            assert push.under_way
            yield
            push.finish()
            return
        # Stopped from the host itself, and within its first milliseconds: over `docker exec` it would be too late.
        begun = f"grep -q unfinished {RESULT}" if self.name == "plan" else f'test "$({_LITTER_LEFT})" -lt "$all"'
        catch = (
            f"rm -f {RESULT}; all=$({_LITTER_LEFT}); systemctl start --no-block {UNIT}; "
            f"until pid=$(pgrep -of '{_RUN}'); do sleep 0.01; done; "
            f'until {begun} 2>/dev/null; do :; done; kill -STOP "$pid"; {_LITTER_LEFT}'
        )
        left = int(host.run(f"timeout {POINT_SECONDS} sh -c '{_quoted(catch)}'", timeout=POINT_SECONDS + 10).stdout)
        assert left > 0, "the sweep was over before it could be stopped"
        assert (_closing(host), held(host)) == ((False, False) if self.name == "plan" else (True, True))
        yield
        host.run(f"pgrep -f '{_RUN}' | xargs -r kill -CONT", check=False)


def _closing(host: LabHost) -> bool:
    """Whether it has told the proxy that nothing more is to be let through."""
    return host.run(["test", "-e", _CLOSING], check=False).returncode == 0


def _quoted(script: str) -> str:
    return script.replace("'", "'\\''")


def _start(host: LabHost) -> None:
    host.run(["systemctl", "start", "--no-block", UNIT])


def kill_run(host: LabHost) -> None:
    """SIGKILL to the clean-up, which is one process."""
    host.run(["systemctl", "kill", "--signal=KILL", UNIT])


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
