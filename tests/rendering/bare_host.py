"""A host before there is anything of ours: its packages, units and Docker are what a test says, and no other."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rendering.rootfs import TOOLS
from rendering.tools import check_script
from tests.rendering.host_tools import FakeHost, Ran

_PLACES = (
    *("/etc/os-release", "/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"),
    *("/run/systemd/system", "/snap/bin", "/var/log"),
)
_SYSTEM = "awk cat cp cut env flock grep head ln mkdir mv readlink rm sed sh sort tail touch tr"
SOCKET = "unix:///var/run/docker.sock"

_DPKG_QUERY = 'for package; do :; done\ncat {root}/packages/"$package" 2>/dev/null'
_DPKG = """
[ "$1" != --compare-versions ] || exec {dpkg} "$@"
sed -i -E 's/^(unpacked|half-configured)$/installed/' {root}/packages/* 2>/dev/null || true
"""
# A package is a file with the commands that it brings. One that was cut off while it was configured keeps apt from
# everything, one that was cut off before is unpacked again.
_APT_GET = """
echo "$*" >>{root}/apt-calls
while [ "$1" != install ] && [ "$1" != update ]; do shift; done
if [ "$1" = update ]; then mv {root}/unlisted/* {root}/listed 2>/dev/null; exit 0; fi
shift
for package; do
    [ -e "{root}/listed/$package" ] || {{ echo "E: Unable to locate package $package"; exit 100; }}
    case $(cat "{root}/packages/$package" 2>/dev/null) in unpacked | half-c*) echo "E: interrupted"; exit 100 ;; esac
done
for package; do
    for name in $(cat "{root}/listed/$package"); do cp "{root}/brought/$name" {root}/bin; done
    printf installed >"{root}/packages/$package"
done
"""
_APT_CACHE = 'if [ -e "{root}/listed/$2" ]; then cat {root}/depends/"$2" 2>/dev/null; fi'
_SYSTEMCTL = """
for unit; do :; done
case $1 in
    is-enabled) cat "{root}/units/$unit" && grep -qx enabled "{root}/units/$unit" ;;
    is-active) test -e "{root}/active/$unit" ;;
    enable) test ! -e {root}/broken || exit 1; echo enabled >"{root}/units/$unit"; touch "{root}/active/$unit" ;;
esac
"""
_DOCKER = """
case $1 in
    version) test -e {root}/active/docker && test ! -e {root}/silent && echo "Docker 26.1.5" ;;
    --version) echo "Docker version 26.1.5, build a72d7cd" ;;
    context) cat "{root}$HOME/context" ;;
    volume) cat "{root}/volumes/$5" ;;
    *) exit 1 ;;
esac
"""
_GETENT = 'case $2 in root) echo root:x:0:0::/root:/bin/sh ;; *) echo "$2:x:1000:1000::/home/$2:/bin/sh" ;; esac'
_ID = "case $1 in -u) echo 0 ;; -un) echo root ;; -nG) echo users ;; esac"


class BareHost(FakeHost):
    """Debian 13 with systemd and its package lists; nothing is installed, and nobody logs in but root and deploy."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        for name in ("packages", "listed", "unlisted", "depends", "brought", "units", "active", "system", "volumes"):
            (root / name).mkdir()
        for place in ("/run/systemd/system", "/snap/bin", "/var/log", "/etc", "/usr/share/zoneinfo/Etc"):
            self.path(place).mkdir(parents=True)
        # It comes by standard input; here it is a file, as the others are.
        check = self.path(f"{TOOLS}/check-host")
        check.write_text(self._moved(check_script()))
        check.chmod(0o755)
        for tool in ("missing-packages", "check-host", "registryctl/prepare.py"):
            self._move(self.path(f"{TOOLS}/{tool}"))
        self._use_only_the_system()
        self.path("/usr/share/zoneinfo/Etc/UTC").write_text("UTC")
        self.is_system("debian", "13")
        self.leads("root", SOCKET)
        self.leads("deploy", SOCKET)
        self.archive("iptables", "iptables")
        self.archive("logrotate", "logrotate")
        self.archive("openssl", "openssl")
        self.archive("python3", "python3")

    def is_system(self, name: str, version: str | None) -> None:
        """What the host says that it is."""
        number = "" if version is None else f'VERSION_ID="{version}"\n'
        self.path("/etc/os-release").write_text(f"ID={name}\n{number}")

    def leads(self, user: str, socket: str) -> None:
        """Where the docker of a user leads to."""
        home = self.path("/root" if user == "root" else f"/home/{user}")
        home.mkdir(parents=True, exist_ok=True)
        (home / "context").write_text(f"{socket}\n")

    def archive(self, package: str, *commands: str, listed: bool = True) -> None:
        """The distribution has a package with these commands; what is not listed appears with `apt-get update`."""
        (self.root / ("listed" if listed else "unlisted") / package).write_text(" ".join(commands))
        for name in commands:
            self._bring(self.root / "brought" / name)

    def archive_docker(self, *, split: bool, listed: bool = True) -> None:
        """The distribution's Docker, with its command line in the same package or split from it."""
        if split:
            self.archive("docker-cli", "docker", listed=listed)
            (self.root / "depends" / "docker.io").write_text("docker.io\n  Depends: runc\n  Recommends: docker-cli\n")
        self.archive("docker.io", *(("dockerd",) if split else ("dockerd", "docker")), listed=listed)

    def install(self, package: str, *commands: str, state: str = "installed") -> None:
        """A package is on the host, with its commands."""
        (self.root / "packages" / package).write_text(state)
        for name in commands:
            self._bring(self.root / "bin" / name)

    def install_all_but_docker(self) -> None:
        """Everything else that the registry needs is there."""
        for name in ("iptables", "logrotate", "openssl", "python3"):
            self.install(name, name)

    def unit(self, name: str, state: str) -> None:
        """What systemd says of a unit."""
        (self.root / "units" / name).write_text(f"{state}\n")

    def volume(self, name: str, place: str) -> None:
        """Docker has a volume of this name there."""
        (self.root / "volumes" / name).write_text(f"{place}\n")

    def prepare(self, *besides: str, install: str = "yes", user: str = "root") -> Ran:
        """prepare-host, for a login; with these options besides."""
        return self.run("prepare-host", "--install", install, "--time-zone", "Etc/UTC", "--user", user, *besides)

    def check(self, *, install: str = "yes", user: str = "root") -> Ran:
        """check-host for a first run."""
        volumes = "registry-data=/var/opt/docker-registry/data registry-logs=/var/opt/docker-registry/logs"
        words = ("--stack", "a/b/c", "--subnet", "100.127.255.0/24", "--ports", "80 443", "--volumes", volumes)
        return self.run("check-host", *words, "--install", install, "--user", user)

    def installed_by_us(self) -> list[Sequence[str]]:
        """The packages that apt was asked to install, a list for each time."""
        calls = self.root / "apt-calls"
        lines = [line.split() for line in calls.read_text().splitlines()] if calls.exists() else []
        return [line[line.index("install") + 1 :] for line in lines if "install" in line]

    def _bring(self, path: Path) -> None:
        does = {"docker": _DOCKER.format(root=self.root), "python3": f'exec {sys.executable} "$@"'}
        path.write_text(f"#!/bin/sh\n{does.get(path.name, 'exit 0')}\n")
        path.chmod(0o755)

    def _move(self, tool: Path) -> None:
        script = tool.read_text()
        for place in _PLACES:
            script = script.replace(place, str(self.path(place)))
        script = script.replace("_PAUSE = 1.0", "_PAUSE = 0.0")
        tool.write_text(script)

    def _use_only_the_system(self) -> None:
        """The machine's own Docker, or what else it has, is not the host's."""
        system = self.root / "system"
        for name in _SYSTEM.split():
            (system / name).symlink_to(str(shutil.which(name)))
        self.system = str(system)
        scripts = {
            "dpkg-query": _DPKG_QUERY,
            "dpkg": _DPKG,
            "apt-get": _APT_GET,
            "apt-cache": _APT_CACHE,
            "systemctl": _SYSTEMCTL,
            "getent": _GETENT,
            "id": _ID,
            "runuser": 'shift 3; exec "$@"',
            "sleep": "exit 0",
        }
        for name, script in scripts.items():
            self.command(name, script.format(root=self.root, dpkg=shutil.which("dpkg")))
