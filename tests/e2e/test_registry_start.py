"""The registry's start script: what the registry says is in both logs, and whatever befalls the logs, it serves."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.registry import PROGRAMS
from rendering.rootfs import render
from tests.lab import gotools, images
from tests.lab.docker import docker

pytestmark = pytest.mark.e2e

LOG = "/var/log/registry/registry.log"
CONFIG = """
version: 0.1
log: {{accesslog: {{disabled: false}}}}
storage: {storage}
http: {{net: {net}, addr: "{address}", draintimeout: 5s}}
"""
ADDRESSES = {"config": ("unix", "/run/registry/writer.socket"), "reader": ("tcp", ":5000")}
"""The writer's, and the reader's: a port, because these containers have no client for a socket."""

GOOD, BAD = "{filesystem: {rootdirectory: /tmp/images}}", "{nonsense: {}}"
KINDS = {"busybox": "registry-3", "coreutils": "nginx"}
"""Where the tools in the container come from: the image that has them. Each has its own `tee`."""

SECONDS = 30
STOP_SECONDS = 20
ROUNDS = 3
_KILL_TEE = 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != tee ] || kill -9 "${p#/proc/}"; done'
_KILL_WRITER = (
    'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != registry ] || ! grep -aq config.yml $p/cmdline || '
    'kill -9 "${p#/proc/}"; done'
)
WRITERS = "/run/registry/writers"
_SOCKET = f"ls {WRITERS}/*/socket 2>/dev/null"
_CURRENT = f"cat {WRITERS}/current"
_FILL = "cat /dev/zero >/var/log/registry/filler 2>/dev/null; cat /dev/zero >>/var/log/registry/filler 2>/dev/null"


class Container:
    """A container that runs the start script, with a small file system for its log."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._asked = 0

    def ask(self) -> str:
        """Asks the registry for a repository that nobody else asks for; its name, once it has answered."""
        self._asked += 1
        repository = f"asked-{self._asked}"
        url = f"http://127.0.0.1:5000/v2/{repository}/tags/list"
        fetch = f"wget -q -O /dev/null {url} 2>&1 || curl -sS -o /dev/null -w %{{http_code}} {url}"
        wait_for(lambda: "404" in self.sh(fetch))
        return repository

    def sh(self, command: str) -> str:
        """Runs a command in the container; what it printed, also when it failed."""
        done = docker("exec", self.name, "sh", "-c", command, check=False)
        return done.stdout + done.stderr

    def in_docker_log(self, text: str) -> bool:
        """Whether Docker's log has it."""
        return text in self._docker_log()

    def in_file(self, text: str) -> bool:
        """Whether the file has it."""
        return text in self.sh(f"cat {LOG}")

    def stop(self) -> tuple[int, float]:
        """SIGTERM, as Docker and `up` stop it: the exit code, and how many seconds it took."""
        start = time.monotonic()
        docker("stop", "--time", str(STOP_SECONDS), self.name, timeout=STOP_SECONDS + SECONDS)
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", self.name).stdout), time.monotonic() - start

    def _docker_log(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Where the tools come from."""
    return str(request.param)


@contextmanager
def started(kind: str, folder: Path, storage: str = GOOD) -> Iterator[Container]:
    """A container of a kind, which is removed in the end."""
    names = [f"registry-{name}" for name in PROGRAMS]
    files = {name: render(f"/var/opt/docker-registry/etc/{name}").content for name in names} | {"http.secret": "secret"}
    for name, (net, address) in ADDRESSES.items():
        files[f"{name}.yml"] = CONFIG.format(storage=storage, net=net, address=address)
    for name, content in files.items():
        (folder / name).write_text(content)
    name = f"registry-start-{kind}-{os.getpid()}"
    argv = ["--network", "none", "--read-only", "--tmpfs", "/tmp:size=16m", "--env", "OTEL_TRACES_EXPORTER=none"]  # noqa: S108
    volumes = [f"{folder}:/etc/distribution:ro", f"{gotools.build('registry')}:/usr/local/bin/registry:ro"]
    argv += [word for volume in volumes for word in ("--volume", volume)]
    argv += ["--tmpfs", "/run/registry:size=256k", "--tmpfs", "/var/lib/registry"]
    argv += ["--tmpfs", "/var/log/registry:size=256k", "--stop-signal", "SIGTERM", "--entrypoint", "/bin/sh"]
    docker("rm", "--force", name, check=False)
    docker("run", "--detach", "--name", name, *argv, images.build(KINDS[kind]), "/etc/distribution/registry-start")
    try:
        yield Container(name)
    finally:
        docker("rm", "--force", name, check=False)


def wait_for(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not after {SECONDS} s"
        time.sleep(0.2)


def test_both_logs_have_what_it_says(kind: str, tmp_path: Path) -> None:
    """The file is root's alone."""
    with started(kind, tmp_path) as container:
        asked = container.ask()
        wait_for(lambda: container.in_docker_log(asked) and container.in_file(asked))
        assert container.sh(f"stat -c '%a %u' {LOG}") == "600 0\n"


def test_it_ends_in_order(kind: str, tmp_path: Path) -> None:
    """SIGTERM reaches the registry, which ends by itself long before it would be killed, and says so to the last.

    Also on a busy machine, where the shell looks after the registry has ended.
    """
    for _ in range(ROUNDS):
        with started(kind, tmp_path) as container:
            container.ask()
            with busy():
                code, seconds = container.stop()
            assert (code, seconds < STOP_SECONDS) == (0, True)
            assert container.in_docker_log("stopping server gracefully")


@contextmanager
def busy() -> Iterator[None]:
    """Twice as many processes that compute as there are processors."""
    computing = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in computing:
            process.kill()
            process.wait()


def test_its_last_words_are_in_the_log(kind: str, tmp_path: Path) -> None:
    """Why it does not start, each time."""
    for _ in range(ROUNDS):
        with started(kind, tmp_path, BAD) as container:
            # A writer that was just begun may miss the signal; then it has its time to end, as in a stop.
            assert docker("wait", container.name, timeout=STOP_SECONDS + SECONDS).stdout.strip() != "0"
            assert container.in_docker_log("nonsense")


def test_a_killed_tee_is_replaced(kind: str, tmp_path: Path) -> None:
    """The registry goes on, and so do both logs."""
    with started(kind, tmp_path) as container:
        container.ask()
        container.sh(_KILL_TEE)
        wait_for(lambda: container.in_docker_log(container.ask()))
        wait_for(lambda: container.in_file(container.ask()))


def test_it_serves_while_the_disk_is_full(kind: str, tmp_path: Path) -> None:
    """Docker's log has what it says meanwhile; with room again, so has the file."""
    with started(kind, tmp_path) as container:
        container.ask()
        container.sh(_FILL)
        meanwhile = [container.ask() for _ in range(40)]
        wait_for(lambda: all(container.in_docker_log(asked) for asked in meanwhile))
        assert not container.in_file(meanwhile[-1])
        container.sh("rm /var/log/registry/filler")
        wait_for(lambda: container.in_file(container.ask()))


def test_it_goes_on_after_a_copytruncate(kind: str, tmp_path: Path) -> None:
    """At the new end of the file."""
    with started(kind, tmp_path) as container:
        container.ask()
        container.sh(f"cp {LOG} {LOG}.1; : >{LOG}")
        asked = container.ask()
        wait_for(lambda: container.in_file(asked))
        # A writer that had kept its place would leave a hole of zeros.
        assert (
            container.sh(f"tr -d '\\0' <{LOG} | wc -c; wc -c <{LOG}").split()
            == [container.sh(f"wc -c <{LOG}").strip()] * 2
        )


def test_a_writer_is_published_once_there_is_room(kind: str, tmp_path: Path) -> None:
    """One that starts while /run is full takes no pushes: nobody can be told of it. It does as soon as that is over."""
    with started(kind, tmp_path) as container:
        wait_for(lambda: _published(container))
        first = container.sh(_SOCKET)
        fill = "until [ -e /run/registry/enough ]; do cat /dev/zero >>/run/registry/filler; done 2>/dev/null"
        docker("exec", "--detach", container.name, "sh", "-c", fill)
        time.sleep(1)
        container.sh(_KILL_WRITER)
        wait_for(lambda: container.sh(_SOCKET) not in {first, ""})
        time.sleep(2)
        assert not _published(container)
        container.sh("touch /run/registry/enough; sleep 0.5; rm /run/registry/filler")
        wait_for(lambda: _published(container))


def _published(container: Container) -> bool:
    return container.sh(_SOCKET) == f"{WRITERS}/{container.sh(_CURRENT).strip()}/socket\n"
