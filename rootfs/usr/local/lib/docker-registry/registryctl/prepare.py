"""What comes once all packages are there: Docker runs, now and from each boot; the time zone; who may use Docker."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from registryctl.compiled import compile_modules
from registryctl.endings import ToolError, UsageError
from registryctl.machine import Machine

_ZONES = "/usr/share/zoneinfo"
_LOCALTIME = "/etc/localtime"
_NAME = "/etc/timezone"
_TRIES = 20
_PAUSE = 1.0
_START_SECONDS = 300


def run(words: Sequence[str], name: str) -> int:
    """start-docker ZONE USER."""
    if len(words) != 2:  # noqa: PLR2004 - these two
        raise UsageError(f"{name} ZONE USER")
    zone, user = words
    machine = Machine()
    _start_docker(machine)
    version = _version(machine)
    _set_time_zone(machine, zone)
    _admit(machine, user)
    compile_modules()
    # What the containers need is known by now: the Docker provider waits for this line.
    print(version)
    return 0


def _start_docker(machine: Machine) -> None:
    """To enable what is enabled takes systemd a while, too."""
    if all(machine.run("systemctl", question, "-q", "docker").code == 0 for question in ("is-enabled", "is-active")):
        return
    if machine.run("systemctl", "enable", "--now", "docker", seconds=_START_SECONDS).code != 0:
        raise ToolError("host: Docker does not start; see journalctl -u docker")


def _version(machine: Machine) -> str:
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE)
        version = machine.answer("docker", "version", "--format", "Docker {{.Server.Version}}")
        if version is not None:
            return version
    raise ToolError("host: Docker's daemon does not answer; see journalctl -u docker")


def _set_time_zone(machine: Machine, zone: str) -> None:
    wanted, link, name = (machine.path(path) for path in (f"{_ZONES}/{zone}", _LOCALTIME, _NAME))
    if not wanted.exists():
        raise ToolError(f"host: there is no time zone {zone}")
    if os.path.realpath(link) == str(wanted):
        return
    new = link.with_name(".localtime.new~")
    new.unlink(missing_ok=True)
    new.symlink_to(wanted)
    new.replace(link)
    # Debian 13 has no such file any more; where there is one, it says the same.
    if name.exists():
        name.write_text(f"{zone}\n", encoding="utf-8")


def _admit(machine: Machine, user: str) -> None:
    """A login that isn't root reaches Docker by its group."""
    if user == "root" or "docker" in (machine.answer("id", "-nG", user) or "").split():
        return
    done = machine.run("usermod", "-aG", "docker", user)
    if done.code != 0:
        raise ToolError(f"host: usermod: {done.err.strip()}")
