"""A host with the tools that delete images, whose Docker only writes down what it is to run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rendering.rootfs import TOOLS, TREE
from tests.rendering.host_tools import Ran

_PLACES = (TOOLS, "/etc/docker-registry", "/var/lib/docker-registry", "/run/docker-registry")
_SECONDS = 20
_UPLOADS = 3
"""hold-writes' exit code when uploads are under way, which is no reason to wait longer."""

_SYSTEMD_RUN = """
while :; do
    case $1 in
        --setenv) export "$2"; shift 2 ;;
        --property) end=${2#ExecStopPost=-}; shift 2 ;;
        --unit) shift 2 ;;
        --*) shift ;;
        *) break ;;
    esac
done
code=0
"$@" || code=$?
eval "$end"
exit $code"""


class DeletionHost:
    """Its `docker` keeps its words and its standard input, prints `said` and ends with `code`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.code = 0
        self.said = ""
        for place in (*_PLACES, "/bin", "/usr/local/bin", "/home"):
            self.path(place).mkdir(parents=True)
        for folder in (TOOLS, "/usr/local/bin"):
            for tool in (TREE / folder.lstrip("/")).iterdir():
                self._copy(f"{folder}/{tool.name}")
        self.facts("on")
        self.path("/etc/docker-registry/retention.lua").write_text("job.retention = { policies = {} }\n")
        self.deletes(allowed=True)
        self.path("/var/lib/docker-registry/stack").write_text("o/docker-registry/prod\n")
        self._command("id", "echo 0")
        # A service on the spot, with the end that systemd sees to.
        self._command("systemd-run", _SYSTEMD_RUN)
        hold = self.path("/run/docker-registry/hold")
        tool = self.path(f"{TOOLS}/hold-writes")
        tool.write_text(f'#!/bin/sh\necho "$1" >{hold}; echo "$1" >>{self.path("/holds")}\nexit {_UPLOADS}\n')
        self._command(
            "docker",
            f'[ "$1" = run ] || exit 0\nprintf "%s\\n" "$@" >{self.path("/words")}\ncat >{self.path("/config.yml")}\n'
            f"cat {self.path('/said')}\nexit $(cat {self.path('/code')})",
        )

    def path(self, path: str) -> Path:
        """A path of the host."""
        return self.root / path.lstrip("/")

    def facts(self, mode: str) -> None:
        """What the tools know of the stack."""
        self.path("/etc/docker-registry/host.conf").write_text(
            f"root={self.path('/srv')}\nnetwork=net\nregbot_image=regbot:1\nretention_mode={mode}\n"
        )

    def deletes(self, *, allowed: bool) -> None:
        """What the registry's settings say of deletion."""
        file = self.path("/srv/docker-registry/etc/config.yml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            f"storage:\n  delete:\n    enabled: {str(allowed).lower()}\n  maintenance:\n    enabled: false\n"
        )

    def run(self, tool: str, *words: str) -> Ran:
        """Run a tool that people call."""
        self.path("/said").write_text(self.said)
        self.path("/code").write_text(f"{self.code}\n")
        self.path("/words").unlink(missing_ok=True)
        done = subprocess.run(
            [str(self.path(f"/usr/local/bin/{tool}")), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={"PATH": f"{self.path('/bin')}:{os.environ['PATH']}", "HOME": str(self.path("/home"))},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def ran(self) -> list[str]:
        """The words of `docker run`; none when it wasn't run."""
        words = self.path("/words")
        return words.read_text().splitlines() if words.exists() else []

    @property
    def holds(self) -> list[str]:
        """The reasons for which writes were held off, one after the other."""
        holds = self.path("/holds")
        return holds.read_text().splitlines() if holds.exists() else []

    @property
    def held(self) -> bool:
        """Whether writes are held off."""
        return self.path("/run/docker-registry/hold").exists()

    @property
    def config(self) -> str:
        """What regbot read."""
        return self.path("/config.yml").read_text()

    def has_tag(self, repository: str, tag: str, seconds: float) -> None:
        """A tag in the registry's store, pushed at this time."""
        link = self.path("/srv/docker-registry/data/docker/registry/v2/repositories") / repository
        link = link / "_manifests" / "tags" / tag / "current" / "link"
        link.parent.mkdir(parents=True)
        link.write_text("sha256:0\n")
        os.utime(link, (seconds, seconds))

    def _copy(self, path: str) -> None:
        text = (TREE / path.lstrip("/")).read_text()
        for place in (*_PLACES, "/usr/local/bin"):
            text = text.replace(place, str(self.path(place)))
        self.path(path).write_text(text)
        self.path(path).chmod(0o755)

    def _command(self, name: str, script: str) -> None:
        self.path(f"/bin/{name}").write_text(f"#!/bin/sh\n{script}\n")
        self.path(f"/bin/{name}").chmod(0o755)
