"""Lab hosts: containers that boot systemd, with sshd and (on request) their own Docker daemon."""

import io
import json
import shlex
import subprocess
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.lab import images
from tests.lab.docker import docker, docker_bytes, inspect
from tests.lab.lab import IP_LABEL, Lab
from tests.lab.locks import locked
from tests.lab.log import step
from tests.lab.machine import ensure_commands
from tests.lab.paths import private_directory, write_private
from tests.lab.run import LabError, run
from tests.lab.sysinfo import container_rights, name_servers

BOOT_SECONDS = 90
HostImage = Literal["blank", "ready", "client"]

DAEMON_SETTINGS = {
    "registry-mirrors": ["http://hub:5000"],
    "bip": "100.127.128.1/24",
    "default-address-pools": [{"base": "100.127.192.0/19", "size": 24}],
    "live-restore": False,
}
"""The daemon.json of every host. Its networks are clear of 100.127.255.0/24 and of the lab's own."""


@dataclass
class LabHost:
    """One host of a lab. `start` makes it, `find` takes one that is there."""

    lab: Lab
    name: str
    address: str
    aliases: list[str] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        name: str,
        image: HostImage = "ready",
        aliases: Sequence[str] = (),
        lab: Lab | None = None,
        memory: str | None = None,
        suite: str = images.SUITES[-1],
    ) -> "LabHost":
        """Make the host `name` of Debian `suite` and wait until it has booted and sshd answers.

        `blank` has no Docker yet (its packages are in apt's cache), `ready` has, `client` has clients of registries
        too. Other hosts of the lab reach it under its name and its `aliases`. `memory` limits it (`512m`). Raises
        LabError if the name is taken.
        """
        lab = lab or Lab.open()
        ensure_commands("ssh", "ssh-keygen")
        reference = images.build(f"host-{image}-{suite}")
        container = f"{lab.name}-{name}"
        with locked(f"lab-{lab.name}-addresses"):
            if inspect("container", container) is not None:
                raise LabError(f"lab {lab.name} has a host {name!r} already: remove it, or use another name")
            host = cls(lab, name, lab.free_address(), list(aliases))
            host._create(reference, memory)
        try:
            with step(f"host {name} ({image}, {suite}) at {host.address}"):
                host._equip()
                docker("start", container)
                host.wait()
        except BaseException:
            host.remove()
            raise
        return host

    @classmethod
    def find(cls, name: str, lab: Lab | None = None) -> "LabHost | None":
        """The host `name` if the lab has one, running or not."""
        lab = lab or Lab.open()
        found = inspect("container", f"{lab.name}-{name}")
        if found is None:
            return None
        network = found["NetworkSettings"]["Networks"][lab.name]
        known = {name, found["Id"][:12]}
        aliases = [alias for alias in network.get("Aliases") or [] if alias not in known]
        return cls(lab, name, found["Config"]["Labels"][IP_LABEL], aliases)

    @property
    def container(self) -> str:
        """The container's name."""
        return f"{self.lab.name}-{self.name}"

    @property
    def folder(self) -> Path:
        """This host's files on the machine: its host key, its known_hosts."""
        return private_directory(self.lab.folder / self.name)

    @property
    def host_key(self) -> str:
        """The public host key in authorized_keys form, without comment."""
        kind, key, *_ = (self.folder / "ssh_host_ed25519_key.pub").read_text().split()
        return f"{kind} {key}"

    @property
    def private_key_path(self) -> Path:
        """The client key that root and `deploy` (who may use sudo without a password) let in."""
        return self.lab.private_key

    def ssh_command(self, user: str = "root") -> list[str]:
        """A complete ssh command line, up to and with the destination."""
        options = {
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
        }
        pairs = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "/dev/null", "-i", str(self.private_key_path), *pairs, f"{user}@{self.address}"]

    def ssh(
        self, command: str, *, user: str = "root", check: bool = True, stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the host over SSH."""
        argv = [*self.ssh_command(user), command]
        return run(argv, log=f"host-{self.container}", check=check, stdin=stdin, timeout=timeout)

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        stdin: str | None = None,
        timeout: float = 300,
        private: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root without SSH: a text goes to `sh -c`, a list is run as it is.

        `private` output is not logged.
        """
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        flags = ["-i"] if stdin is not None else []
        return docker(
            *("exec", *flags, self.container, *argv),
            check=check,
            stdin=stdin,
            timeout=timeout,
            log=f"host-{self.container}",
            private=private,
        )

    def put_file(self, path: str, content: str | bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
        """Write a file on the host; the folders that lead to it are made (root, 755)."""
        self.run(["mkdir", "-p", str(Path(path).parent)])
        data = content.encode() if isinstance(content, str) else content
        docker_bytes(["cp", "-", f"{self.container}:/"], archive([(path, data, mode, owner)]))

    def get_file(self, path: str) -> str:
        """The text of a file on the host; it is not logged."""
        return self.run(["cat", path], private=True).stdout

    def wait(self, seconds: float = BOOT_SECONDS) -> None:
        """Wait until the host has booted (its units may have failed) and sshd answers; LabError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            done = self.run(["systemctl", "is-system-running"], check=False, timeout=30)
            state = done.stdout.strip()
            if state in {"running", "degraded"} and self.ssh("true", check=False).returncode == 0:
                return
            if time.monotonic() > deadline:
                units = self.run(["systemctl", "list-jobs", "--no-pager"], check=False).stdout
                raise LabError(f"host {self.name} has not booted after {seconds:.0f} s ({state})\n{units}")
            time.sleep(0.2)

    def failed_units(self) -> list[str]:
        """The systemd units that failed, none on a healthy host."""
        argv = ["systemctl", "list-units", "--failed", "--plain", "--no-legend"]
        return [line.split()[0] for line in self.run(argv).stdout.splitlines() if line.strip()]

    def reboot(self, *, wait: bool = True) -> None:
        """Shut the host down in order, start it again, and wait."""
        docker("restart", "--time", "60", self.container, timeout=180)
        if wait:
            self.wait()

    def power_cycle(self, *, wait: bool = True) -> None:
        """Cut the power and start again, and wait."""
        docker("kill", self.container)
        docker("start", self.container)
        if wait:
            self.wait()

    def stop(self) -> None:
        """Shut the host down; its disks stay."""
        docker("stop", "--time", "60", self.container, timeout=180)

    def resume(self) -> None:
        """Start a stopped host and wait."""
        docker("start", self.container)
        self.wait()

    def remove(self) -> None:
        """Remove the host and its disks."""
        docker("rm", "--force", "--volumes", self.container, check=False)
        docker("volume", "rm", "--force", f"{self.container}-docker", check=False)

    def _create(self, reference: str, memory: str | None) -> None:
        volume = f"{self.container}-docker"
        docker("volume", "create", *self.lab.labels(), volume)
        names = [word for alias in [self.name, *self.aliases] for word in ("--network-alias", alias)]
        limits = ["--memory", memory, "--memory-swap", memory] if memory else []
        docker(
            "create",
            *("--name", self.container, "--hostname", self.name),
            *("--network", self.lab.name, "--ip", self.address, *names),
            *("--label", f"{IP_LABEL}={self.address}", *self.lab.labels()),
            *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),  # noqa: S108
            *("-v", f"{volume}:/var/lib/docker"),
            *container_rights(),
            *limits,
            reference,
        )

    def _equip(self) -> None:
        """Give the host its identity and settings before its first boot."""
        key = self.folder / "ssh_host_ed25519_key"
        for leftover in (key, key.with_suffix(".pub")):
            leftover.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key)], log="ssh")
        write_private(self.folder / "known_hosts", f"{self.address} {self.host_key}\n")
        daemon = DAEMON_SETTINGS | {"dns": name_servers()}
        authorized = (self.lab.public_key + "\n").encode()
        files = [
            ("etc/ssh/ssh_host_ed25519_key", key.read_bytes(), 0o600, (0, 0)),
            ("etc/ssh/ssh_host_ed25519_key.pub", key.with_suffix(".pub").read_bytes(), 0o644, (0, 0)),
            ("root/.ssh/authorized_keys", authorized, 0o600, (0, 0)),
            ("home/deploy/.ssh/authorized_keys", authorized, 0o600, (1000, 1000)),
            ("etc/docker/daemon.json", (json.dumps(daemon, indent=2) + "\n").encode(), 0o644, (0, 0)),
        ]
        docker_bytes(["cp", "-", f"{self.container}:/"], archive(files))

    def describe(self) -> str:
        """The ssh command as one line for a shell."""
        return shlex.join(self.ssh_command())


def archive(files: Sequence[tuple[str, bytes, int, tuple[int, int]]]) -> bytes:
    """A tar of files: path, content, mode, and owner."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content, mode, (uid, gid) in files:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(content), mode, uid, gid, int(time.time())
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
