"""A host for `registry-status`, on which all is well at first."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from config.access import Access
from config.users import User
from registryctl import facts
from registryctl.machine import Done
from registryctl.status import command
from registryctl.status.timers import UNITS
from rendering.access import access_file
from tests.registryctl.fake_machine import FAILED, FakeMachine
from tests.registryctl.running import Ran, run
from tests.registryctl.stored import DEFAULTS
from tests.rendering.sites import user
from tests.unit.config import pki

CONTAINERS = ("nginx", "registry", "registry-ui")
SUBNET = "100.127.255.0/24"
FQDN = "dr.example.net"
WELL = "Up 2 hours (healthy)"
MEGABYTE = 1048576


class StatusHost:
    """See above."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = FakeMachine(root)
        self.data = root / "data/docker-registry/data"
        self.data.mkdir(parents=True)
        self.facts: dict[str, Any] = json.loads(
            json.dumps(
                {
                    **DEFAULTS,
                    "root": str(root / "data"),
                    "warnPercent": 85,
                    "fqdn": FQDN,
                    "network": "registry",
                    "images": {"nginx": "nginx:1", "certbot": "certbot:1"},
                    "certificate": {"mode": "acme", "served": self.served(), "warnDays": 7, "chain": None, "key": None},
                }
            )
        )
        monkeypatch.setattr(facts, "PATH", root / "host.json")
        monkeypatch.setattr(command, "Machine", lambda: self.machine)
        self.machine.real("openssl")
        self.machine.says("docker container inspect", FAILED)
        self.machine.says("docker image inspect", _tags)
        self.renewal_ended("success", 0)
        self.has_certificate(starts=-timedelta(days=1), ends=timedelta(days=60))
        self.containers()
        self.network(SUBNET)
        self.guarded(SUBNET)
        self.disk(data=(40, "/"), logs=(40, "/"))
        self.accounts(user("alice"))
        self._units: dict[str, str] = {}
        self.machine.path(UNITS).mkdir(parents=True)
        self.machine.says("systemctl show", self._show)
        for timer in ("docker-registry-certificate", "docker-registry-gc", "logrotate"):
            self.timer(timer)

    def accounts(self, *users: User) -> None:
        """Who may use the registry."""
        file = access_file(users=users, access=Access(), stack="a/b/c", root=str(self.machine.root / "data"))
        self.machine.file(file.path, file.content)

    def served(self, folder: str = f"letsencrypt/live/{FQDN}") -> str:
        """Where a chain lies."""
        return str(self.machine.root / "data" / folder / "fullchain.pem")

    def has_certificate(self, *, starts: timedelta, ends: timedelta, folder: str = f"letsencrypt/live/{FQDN}") -> Path:
        """A certificate where the proxy has it, by the clock of this machine; its file."""
        self.machine.time = datetime.now(UTC)
        return self.machine.file(self.served(folder), pki.issue(FQDN, starts=starts, ends=ends).pem)

    def renewal_was(self, result: str) -> None:
        """How the last renewal went, in the words of its tool."""
        self.machine.file("/var/lib/docker-registry/renewal", f"{result} 2026-01-02T03:04:05+00:00\n")

    def renewal_ended(self, result: str, code: int) -> None:
        """How systemd says that the renewal's service ended."""
        shown = f"ExecMainStatus={code}\nResult={result}\n"
        self.machine.says("systemctl show --property=Result,ExecMainStatus docker-registry-certificate.service", shown)

    def containers(self, **changes: tuple[str, str] | None) -> None:
        """What Docker says of each container: state and status; None is for one that is not there."""
        found = {name: changes.pop(name.replace("-", "_"), ("running", WELL)) for name in CONTAINERS}
        found.update({f"registry-mirror-{prefix}": pair for prefix, pair in changes.items()})
        ids = dict(zip(CONTAINERS, ("sha256:aa", "sha256:bb", "example.net/ui:2"), strict=True))
        lines = [f"{name}|{pair[0]}|{pair[1]}|{ids.get(name, 'sha256:bb')}\n" for name, pair in found.items() if pair]
        self.machine.says(f"docker ps --all --no-trunc --filter label=docker-registry.stack={self.facts['stack']}",
                          "".join(lines))  # fmt: skip

    def files(self, *, proxy: str, registry: str) -> None:
        """Which directories the running containers have for the registry's files."""
        for number, place in (("11", proxy), ("12", registry)):
            seen = self.machine.path(f"/proc/{number}/root/var/lib/registry")
            seen.mkdir(parents=True)
            self.machine.path(place).mkdir(exist_ok=True)
            (seen / "docker").symlink_to(self.machine.path(place))
        self.machine.says("docker container inspect --format {{.State.Pid}} nginx registry", "11\n12\n")

    def network(self, subnet: str | None) -> None:
        """The network's subnet; None where there is none."""
        self.machine.says("docker network inspect", FAILED if subnet is None else f"{subnet}\n")

    def guarded(self, *subnets: str) -> None:
        """Rules keep others out of these subnets."""
        mark = "-m comment --comment docker-registry"
        ways = ("PREROUTING ! -i br-0 -d {}", "OUTPUT -d {} -m owner --uid-owner 1-4294967294")
        rules = [f"-A {way.format(subnet)} {mark} -j DROP\n" for subnet in subnets for way in ways]
        self.machine.says("iptables -w -t raw -S", "".join(rules))

    def disk(self, data: tuple[int, str], logs: tuple[int, str]) -> None:
        """How full the file systems are, and where they are mounted."""

        def df(*words: str, **_: str) -> str:
            used, mount = data if words[-1].endswith("/docker-registry/data") else logs
            return f"Use%       Avail Mounted on\n {used}% {7 * MEGABYTE} {mount}\n"

        self.machine.says("df", df)

    def timer(self, name: str, *, file: str = "enabled", active: str = "active", **service: str) -> None:
        """A timer, and its service: `result`, `code` and `running`."""
        if name != "logrotate":
            self.machine.file(f"{UNITS}/{name}.timer")
        times = "NextElapseUSecRealtime=Wed 2026-11-25 05:01:00 UTC\nLastTriggerUSec=Tue 2026-11-24 05:01:09 UTC"
        self._units[f"{name}.timer"] = f"Id={name}.timer\n{times}\nActiveState={active}\nUnitFileState={file}\n"
        ended = {"result": "success", "code": "0", "running": "inactive"} | service
        lines = [f"Result={ended['result']}", f"ExecMainStatus={ended['code']}", f"ActiveState={ended['running']}"]
        self._units[f"{name}.service"] = "\n".join([f"Id={name}.service", *lines, ""])

    def change_unit(self, name: str, before: str, after: str) -> None:
        """Systemd says something else of a unit."""
        self._units[name] = self._units[name].replace(before, after)

    def forget_unit(self, name: str) -> None:
        """Systemd has none of this name."""
        del self._units[name]

    def held_off(self, word: str) -> None:
        """Somebody keeps writes out, and has written this of itself."""
        self.machine.file("/run/docker-registry/closed", word)
        self._lock = os.open(self.data, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def run(self, *words: str) -> Ran:
        """`registry-status`."""
        (self.machine.root / "host.json").write_text(json.dumps(self.facts))
        return run(*words, called="registry-status")

    def all(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code, which is the same with and without --json, and the JSON, whose problems are lines of text."""
        as_json, as_text = self.run("--json", *words), self.run(*words)
        assert as_json.err == as_text.err == ""
        assert as_json.code == as_text.code
        found: dict[str, Any] = json.loads(as_json.out)
        assert found["status"] == as_json.code
        assert bool(found["problems"]) == bool(as_json.code)
        assert set(found["problems"]) <= set(as_text.out.splitlines())
        return as_json.code, found

    def _show(self, _properties: str, *units: str, **_: str) -> str:
        return "\n".join(self._units.get(unit, f"Id={unit}\n") for unit in units)


def _tags(_option: str, _form: str, *ids: str, **_: str) -> Done:
    """One image has two names, one has lost its own."""
    assert set(ids) <= {"sha256:aa", "sha256:bb"}
    return Done(0, "sha256:aa|nginx:1.28.0 other:2 \nsha256:bb|\n", "")
