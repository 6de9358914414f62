"""A host for `registry-status`: containers, network, disk, timers, and writes that are held off."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from rendering.rootfs import TOOLS
from tests.rendering.certificate_host import CertificateHost

HOLD = "/run/docker-registry/hold"
UNITS = "/etc/systemd/system"
CONTAINERS = ("nginx", "registry", "registry-ui")
WELL = "Up 2 hours (healthy)"
MEGABYTE = 1048576

# One line of Docker for each container, and what systemd has of a unit, where the test wrote them.
_DOCKER = """
case "$1" in
    ps) cat {root}/docker-ps ;;
    image) for id; do case $id in sha256:aa*) echo "$id|nginx:1.28.0 other:2 " ;; sha256:*) echo "$id|" ;; esac; done ;;
    network) cat {root}/docker-network ;; exec) test "$2" = "$(cat {root}/answers 2>/dev/null)" ;;
    container) case $4 in *Health*) echo the-check ;; *) cat "{root}/process-$5" "{root}/process-$6" ;; esac ;;
esac
"""
_SYSTEMCTL = """
case $* in
    *=Result\\ --value*) echo success ;;
    *=ExecMainStatus\\ --value*) echo 0 ;;
    *) for unit; do case $unit in *.timer | *.service) cat "{root}/units/$unit" 2>/dev/null; echo ;; esac; done ;;
esac
"""


class Host(CertificateHost):
    """A host on which all is well."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for place in ("/run/docker-registry", UNITS, "/units"):
            self.path(place).mkdir(parents=True, exist_ok=True)
        tool = self.path(f"{TOOLS}/status-timers")
        tool.write_text(tool.read_text().replace(UNITS, str(self.path(UNITS))))
        tool = self.path(f"{TOOLS}/status-containers")
        tool.write_text(tool.read_text().replace("'/proc/", f"'{self.path('/proc')}/"))
        self.path("/var/lib/docker-registry/stack").write_text("a/b/c\n")
        self.command("docker", _DOCKER.format(root=root))
        self.command("systemctl", _SYSTEMCTL.format(root=root))
        self.has_certificate(starts=-timedelta(days=1), ends=timedelta(days=60))
        self.containers()
        self.network("100.127.255.0/24")
        self.disk(data=(40, "/"), logs=(40, "/"))
        for timer in ("docker-registry-certificate", "docker-registry-gc", "logrotate"):
            self.timer(timer)

    def containers(self, **changes: tuple[str, str] | None) -> None:
        """What Docker says of each container: state and status; None is for one that is not there."""
        found = {name: changes.get(name.replace("-", "_"), ("running", WELL)) for name in CONTAINERS}
        ids = dict(zip(CONTAINERS, ("sha256:aa", "sha256:bb", "example.net/ui:2"), strict=True))
        lines = [f"{name}|{pair[0]}|{pair[1]}|{ids[name]}\n" for name, pair in found.items() if pair]
        self.path("/docker-ps").write_text("".join(lines))

    def files(self, name: str, directory: str) -> None:
        """Which directory a running container has for the registry's files."""
        self.path(f"/process-{name}").write_text(f"{directory}-{name}\n".replace(" ", "-"))
        seen = self.path(f"/proc/{directory}-{name}/root/var/lib/registry".replace(" ", "-"))
        seen.mkdir(parents=True)
        target = self.path(f"/{directory}")
        target.mkdir(exist_ok=True)
        (seen / "docker").symlink_to(target)

    def network(self, subnet: str | None) -> None:
        """The network's subnet; None where there is none."""
        path = self.path("/docker-network")
        path.unlink(missing_ok=True)
        if subnet is not None:
            path.write_text(f"{subnet}\n")

    def disk(self, data: tuple[int, str], logs: tuple[int, str]) -> None:
        """How full the file systems are, and where they are mounted."""
        line = f"echo ' {{}}% {7 * MEGABYTE} {{}}'"
        cases = f"*/data) {line.format(*data)} ;; *) {line.format(*logs)} ;;"
        self.command("df", f'echo "Use% Avail Mounted on"; for path; do :; done; case $path in {cases} esac')

    def timer(self, name: str, *, file: str = "enabled", active: str = "active", **service: str) -> None:
        """A timer, and its service: `result`, `code` and `running`."""
        if name != "logrotate":
            self.path(f"{UNITS}/{name}.timer").touch()
        times = "NextElapseUSecRealtime=Wed 2026-11-25 05:01:00 UTC\nLastTriggerUSec=Tue 2026-11-24 05:01:09 UTC"
        timer = f"Id={name}.timer\n{times}\nActiveState={active}\nUnitFileState={file}\n"
        self.path(f"/units/{name}.timer").write_text(timer)
        ended = {"result": "success", "code": "0", "running": "inactive"} | service
        lines = [f"Result={ended['result']}", f"ExecMainStatus={ended['code']}", f"ActiveState={ended['running']}"]
        self.path(f"/units/{name}.service").write_text("\n".join([f"Id={name}.service", *lines, ""]))

    def held_off(self, text: str, ago: float) -> None:
        """Writes have been held off for so many seconds."""
        hold = self.path(HOLD)
        hold.write_text(text)
        os.utime(hold, (time.time() - ago, time.time() - ago))

    def all(self, *words: str) -> tuple[int, dict[str, Any]]:
        """The exit code, which is the same with and without --json, and the JSON, whose problems are lines of text."""
        as_json = self.run("../../bin/registry-status", "--json", *words)
        as_text = self.run("../../bin/registry-status", *words)
        assert as_json.err == as_text.err == ""
        assert as_json.code == as_text.code
        found: dict[str, Any] = json.loads(as_json.out)
        assert found["status"] == as_json.code
        assert bool(found["problems"]) == bool(as_json.code)
        assert set(found["problems"]) <= set(as_text.out.splitlines())
        return as_json.code, found
