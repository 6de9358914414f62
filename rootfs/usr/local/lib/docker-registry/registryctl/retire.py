"""Makes way for the stack on a host where a registry was set up by hand.

Containers, network, proxy sites, cron lines and systemd units go. Images, certificates and accounts stay in place.
What goes is kept in /var/lib/docker-registry/retired; what is a stack's already is left alone, so a second run finds
nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from registryctl import ledger
from registryctl.endings import ToolError, UsageError
from registryctl.machine import RESULTS, STACK_LABEL, Machine

KEPT = RESULTS / "retired"

# The proxy first, so that nobody meets one without a registry behind it.
_CONTAINERS = ("nginx", "registry-ui", "registry")
_IMAGES = '{{range .Mounts}}{{if eq .Destination "/var/lib/registry"}}{{.Source}}{{end}}{{end}}'
_GUESTS = "{{range .Containers}}{{.Name}} {{end}}"
_COMPOSED = '{{index .Config.Labels "com.docker.compose.project.working_dir"}}'
# A line that renews certificates or collects garbage by Docker.
_CHORE = re.compile(
    r"^[^#\n]*docker.*(?:certbot.*renew|registry.*garbage-collect)|^[^#\n]*certbot.*renew.*docker", re.MULTILINE
)
_STARTS = re.compile(r"^Exec.*(?:docker-compose|docker compose|docker start)", re.MULTILINE)
_STOP_SECONDS = 60
_COMMIT_SECONDS = 3600


def run(words: Sequence[str], name: str) -> int:
    """retire-hand-made [--dry-run] ROOT NETWORK. --dry-run: only say what would go."""
    match words:
        case ["--dry-run", root, network]:
            Retirement(Machine(), Path(root), network, dry=True).run()
        case [root, network]:
            os.umask(0o077)
            Retirement(Machine(), Path(root), network, dry=False).run()
        case _:
            raise UsageError(f"{name} [--dry-run] ROOT NETWORK")
    return 0


class Retirement:
    """One run."""

    def __init__(self, machine: Machine, root: Path, network: str, *, dry: bool) -> None:
        self._machine = machine
        self._root = root
        self._network = network
        self._dry = dry
        self._stamp = f"{machine.now().astimezone():%Y%m%d-%H%M%S}"

    def run(self) -> None:
        """Raises `ToolError` before anything is touched."""
        containers = [name for name in _CONTAINERS if self._is_by_hand("container", ".Config.Labels", name)]
        self._check(containers)
        for name in containers:
            self._keep_container(name)
        self._retire_chores()
        units = self._disable_units(containers)
        self._retire_sites()
        for name in containers:
            self._retire_container(name)
        if self._has_network():
            self._do("docker", "network", "rm", self._network)
            self._say(f"the network {self._network}")
        for unit in units:
            self._retire_unit(unit)
        if units:
            self._do("systemctl", "daemon-reload")

    def _is_by_hand(self, kind: str, labels: str, name: str) -> bool:
        return self._shown(kind, f'{{{{index {labels} "{STACK_LABEL}"}}}}', name) == ""

    def _has_network(self) -> bool:
        return self._is_by_hand("network", ".Labels", self._network)

    def _shown(self, kind: str, form: str, name: str) -> str | None:
        return self._machine.answer("docker", kind, "inspect", "--format", form, name)

    def _check(self, containers: Sequence[str]) -> None:
        wanted = self._root / "docker-registry/data"
        if "registry" in containers:
            images = self._shown("container", _IMAGES, "registry") or ""
            if os.path.realpath(images or "/") != os.path.realpath(wanted):
                raise ToolError(
                    f"the images of the registry that was set up by hand lie in {images or 'its container'}, not in"
                    f" {wanted}: stop it and move them there, or set storage.root"
                )
        if self._has_network():
            for guest in (self._shown("network", _GUESTS, self._network) or "").split():
                if guest not in containers:
                    raise ToolError(
                        f"the container {guest} is in the network {self._network} too: take it out, or set network.name"
                    )

    def _retire_chores(self) -> None:
        """What would start it again by cron."""
        places = [self._machine.path(path) for path in ("/var/spool/cron/crontabs/root", "/etc/crontab")]
        for table in [*places, *sorted(self._machine.path("/etc/cron.d").glob("*"))]:
            text = _text(table)
            chores = [line for line in text.splitlines() if _CHORE.match(line)]
            for line in chores:
                self._say(f"in {table}: {line}")
            if not chores or self._dry:
                continue
            shutil.copy2(table, self._aside(table.name))
            marked = "".join(
                f"# the stack does it now: {line}" if _CHORE.match(line) else line for line in text.splitlines(True)
            )
            # Written over, not replaced: owner and mode, which cron insists on, stay.
            table.write_text(marked, encoding="utf-8", errors="surrogateescape")
            # cron looks for a new time of the directory.
            os.utime(table.parent)

    def _disable_units(self, containers: Sequence[str]) -> list[str]:
        """Units that would start it again; those by which Docker Compose does are told by its directory."""
        composed = {self._shown("container", _COMPOSED, name) or "" for name in containers} - {"", "<no value>"}
        units = []
        for unit in sorted(self._machine.path("/etc/systemd/system").glob("*.service")):
            text = _text(unit)
            about = "registry" in text or any(folder in text for folder in composed)
            if _STARTS.search(text) and about and not unit.name.startswith("docker-registry-"):
                units.append(unit.name)
                self._do("systemctl", "disable", "-q", unit.name)
        return units

    def _retire_sites(self) -> None:
        for site in sorted((self._root / "nginx/etc/conf.d").glob("*.conf")):
            # One that the stack wrote is in the ledger; registry.conf is kept beside by what puts the new one there.
            entry = self._machine.path(ledger.FOLDER) / ledger.entry_name(str(site))
            if site.name != "registry.conf" and not entry.exists():
                self._keep(site)
                self._say(f"the proxy site {site}")

    def _keep_container(self, name: str) -> None:
        """Somebody may have copied accounts or a certificate into it: its own files are kept as an image."""
        if self._dry:
            return
        shown = self._machine.answer("docker", "container", "inspect", name) or ""
        self._aside(f"{name}.json").write_text(f"{shown}\n", encoding="utf-8")
        kept = f"retired/{name}:{self._stamp}"
        self._do("docker", "commit", "--pause=false", name, kept, seconds=_COMMIT_SECONDS)

    def _retire_container(self, name: str) -> None:
        self._do("docker", "stop", "--time", "30", name)
        self._do("docker", "rm", name)
        self._say(f"the container {name}")

    def _retire_unit(self, unit: str) -> None:
        # Its containers are gone, so ignore what its own stop command says.
        for verb in ("stop", "reset-failed"):
            if not self._dry:
                self._machine.run("systemctl", verb, unit, seconds=_STOP_SECONDS)
        self._keep(self._machine.path(f"/etc/systemd/system/{unit}"))
        self._say(f"the unit {unit}")

    def _say(self, what: str) -> None:
        print(f"{'would retire' if self._dry else 'retired'} {what}", file=sys.stderr)

    def _do(self, *words: str, seconds: float = _STOP_SECONDS) -> None:
        if self._dry:
            return
        done = self._machine.run(*words, seconds=seconds)
        if done.code != 0:
            raise ToolError(f"{' '.join(words)}: {done.err.strip() or done.code}")

    def _aside(self, name: str) -> Path:
        folder = self._machine.path(KEPT)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.{self._stamp}"

    def _keep(self, path: Path) -> None:
        if not self._dry:
            shutil.move(path, self._aside(path.name))


def _text(path: Path) -> str:
    """A file's text; nothing where it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
