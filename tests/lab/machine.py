"""What the machine that runs the lab needs: distribution packages and a Docker daemon."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.locks import locked
from tests.lab.log import step
from tests.lab.paths import cache_dir, log_file
from tests.lab.run import LabError, clean_environment, run

PACKAGES = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "chromium": "chromium",
    "curl": "curl",
    "skopeo": "skopeo",
    "certutil": "libnss3-tools",
    "htpasswd": "apache2-utils",
    "restic": "restic",
    "shellcheck": "shellcheck",
    "sslscan": "sslscan",
}
"""Command → the Debian and Ubuntu package that has it."""

RUN = Path("/run/docker-registry-lab")
"""Socket, pid file and state of a Docker daemon started by the lab."""

DAEMON_START_SECONDS = 60
DAEMON_STOP_SECONDS = 30


def ensure_commands(*commands: str) -> None:
    """Install, through apt, the packages of those `commands` that the machine lacks.

    Raises LabError, naming the packages, where that takes rights this user hasn't got.
    """
    missing = sorted({PACKAGES[name] for name in commands if not which(name)})
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(
            f"the lab needs the packages: {names} — install them, or run the lab as root on Debian or Ubuntu"
        )
    with locked("apt"), step(f"machine: installing {names}"), _no_service_starts():
        env = clean_environment() | {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], log="apt", env=env)
        run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], log="apt", env=env, timeout=1800)


def which(command: str) -> str | None:
    """The path of `command`; folders of system commands count even where PATH leaves them out."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin"])
    return shutil.which(command, path=path)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep package scripts from starting services (a Docker daemon with default networks, say)."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def docker_environment() -> dict[str, str]:
    """The environment in which `docker` reaches the machine's daemon, or the lab's own where it has none."""
    env = clean_environment()
    if _answers(env):
        return env
    return env | {"DOCKER_HOST": f"unix://{RUN}/docker.sock"}


def ensure_docker() -> dict[str, str]:
    """Make sure that a Docker daemon answers and return the environment to reach it."""
    ensure_commands("docker")
    env = docker_environment()
    if _answers(env):
        return env
    with locked("dockerd"):
        if not _answers(env):
            ensure_commands("dockerd")
            with step("machine: starting a Docker daemon for the lab"):
                _start_daemon(env)
    return env


def stop_docker() -> bool:
    """Stop the daemon that the lab started, if no container runs in it; says whether it did.

    Call it through `docker.release`, which knows whether other lab processes are at work.
    """
    with locked("dockerd"):
        pid = _daemon_pid()
        if pid is None:
            return False
        env = clean_environment() | {"DOCKER_HOST": f"unix://{RUN}/docker.sock"}
        if run(["docker", "ps", "-q"], log="docker", env=env, check=False).stdout.strip():
            return False
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + DAEMON_STOP_SECONDS
        while _daemon_pid() is not None:
            if time.monotonic() > deadline:
                raise LabError(f"the lab's Docker daemon (pid {pid}) does not end")
            time.sleep(0.1)
        return True


def _answers(env: dict[str, str]) -> bool:
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


def _daemon_pid() -> int | None:
    """The recorded daemon's pid, if that process still is the lab's daemon."""
    try:
        pid = int((RUN / "docker.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    ours = (
        command
        and Path(command[0].decode()).name == "dockerd"
        and str(RUN / "docker.sock").encode() in b" ".join(command)
    )
    return pid if ours else None


def _start_daemon(env: dict[str, str]) -> None:
    if os.geteuid() != 0:
        raise LabError("no Docker daemon answers, and only root can start one: start Docker, or run the lab as root")
    RUN.mkdir(mode=0o700, exist_ok=True)
    dockerd = which("dockerd")
    if dockerd is None:
        raise LabError("there is no dockerd on this machine: install the package docker.io")
    log = log_file("dockerd")
    with log.open("ab") as out:
        process = subprocess.Popen(
            [
                dockerd,
                f"--host=unix://{RUN}/docker.sock",
                f"--data-root={cache_dir('docker')}",
                f"--exec-root={RUN}/exec",
                f"--pidfile={RUN}/docker.pid",
                "--bip=100.127.0.1/24",
                "--default-address-pool=base=100.127.64.0/18,size=24",
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=clean_environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + DAEMON_START_SECONDS
    while not _answers(env):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise LabError(f"the Docker daemon did not start; the end of {log}:\n{tail}")
        time.sleep(0.2)
