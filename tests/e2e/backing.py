"""A registry that is backed up to another host, and what its tests ask of both."""

import json
import time
import zipapp
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from rendering.rootfs import TOOLS, TREE
from tests.e2e.clean_up import STORAGE, Kept, within
from tests.e2e.content import Api
from tests.e2e.support import Deployed, deploy
from tests.lab import gotools
from tests.lab.host import LabHost
from tests.lab.stack import LabStack, Result, Secret
from tests.registryctl.quick_key import quick

PASSWORD = "opens the backups of the lab"
REPOSITORY = "/srv/backups/registry"
_PORT = 5000


@dataclass
class World:
    """A registry that is backed up to another host."""

    registry: Deployed
    nas: LabHost
    kept: Kept
    settings: dict[str, Any] = field(repr=False)

    @property
    def host(self) -> LabHost:
        """The registry's."""
        return self.registry.host

    def ctl(self, *words: str, check: bool = True) -> Result:
        """`registryctl` on it."""
        return self.host.run(["registryctl", *words], check=check, timeout=600)

    def backup(self) -> str:
        """Makes one; its run."""
        return str(json.loads(self.ctl("backup", "--json").stdout)["run"])

    def runs(self) -> dict[str, bool]:
        """Those that there are: run → whether it is whole."""
        return {one["run"]: one["whole"] for one in json.loads(self.ctl("backup", "list", "--json").stdout)}

    def drill(self, *words: str) -> dict[str, Any]:
        """Restores one beside the registry; what came of it."""
        found: dict[str, Any] = json.loads(self.ctl("backup", "drill", "--json", *words).stdout)
        return found

    def repository(self, *words: str) -> Result:
        """A command on the other host, in the repository."""
        return self.nas.run(["sh", "-ec", f"cd {REPOSITORY}; {' '.join(words)}"])

    def change(self, **settings: Any) -> None:  # noqa: ANN401
        """Other settings of the backup, as `up` would write them."""
        self._change("backup.json", settings)

    def change_secrets(self, **secrets: Any) -> None:  # noqa: ANN401
        """Other secrets, as `up` would write them."""
        self._change("backup-secrets.json", secrets)

    def _change(self, name: str, settings: Mapping[str, Any]) -> None:
        path = f"/etc/docker-registry/{name}"
        found = json.loads(self.host.get_file(path))
        self.host.put_file(path, json.dumps({**found, **settings}), 0o600)

    @contextmanager
    def another_place(self, repository: str, **settings: Any) -> Iterator[None]:  # noqa: ANN401
        """The backups go elsewhere for a while; what status knew is as before then."""
        known = "/var/lib/docker-registry/backup"
        paths = ["/etc/docker-registry/backup.json", "/etc/docker-registry/backup-secrets.json", known]
        before = {path: self.host.get_file(path) for path in paths}
        self.host.run(["rm", known])
        self.change(repository=repository, sftp=None, restUser=None, **settings)
        try:
            yield
        finally:
            for path, content in before.items():
                self.host.put_file(path, content, 0o600)

    def status(self) -> dict[str, Any]:
        """What `registry-status` says of the backup."""
        said = self.host.run(["registry-status", "--json", "backup"], check=False).stdout
        assert PASSWORD not in said
        found: dict[str, Any] = json.loads(said)["backup"]
        return found

    def refused(self, *words: str) -> str:
        """The one line with which a command fails."""
        done = self.ctl(*words, check=False)
        assert done.returncode not in {0, 2}
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert PASSWORD not in line
        return line


def backed_up(host: LabHost, nas: LabHost, stack: LabStack, fqdn: str, **settings: Any) -> World:  # noqa: ANN401
    """A registry on `host` with images of every kind, whose backups go to `nas` by SFTP."""
    nas.run(["mkdir", "-p", str(Path(REPOSITORY).parent)])
    backup = {
        "repository": f"sftp:root@{nas.name}:{REPOSITORY}",
        "password": Secret(PASSWORD),
        "hostKey": nas.host_key,
        "privateKey": Secret(nas.private_key_path.read_text()),
        "keep": {"last": 1},
        "checkParts": 2,
    }
    registry = deploy(host, stack, fqdn, {"backup": backup, "gc": {"maxShare": 100}, **settings})
    return World(registry, nas, Kept(registry), backup)


def times(host: LabHost, repository: str) -> str:
    """The push times of a repository, to the nanosecond."""
    top = f"{STORAGE}/repositories/{repository}/_manifests"
    return host.run(f"cd {top}; find . -name link -printf '%p %T+\\n' | sort").stdout


def quicken(host: LabHost, repository: str) -> None:
    """Each run of restic tries the password, for half a second of a processor: that is the tests' time from here on."""
    [key] = host.run(["find", f"{repository}/keys", "-type", "f"]).stdout.split()
    name, text = quick(host.get_file(key), PASSWORD)
    # Not `put_file`: the repository may lie on a disk that the host has mounted.
    host.run(f"umask 077; cat >{repository}/keys/{name}; rm {key}", stdin=text)


class Elsewhere:
    """A host that no `up` has seen: backups are restored there by the documented command."""

    def __init__(self, world: World, host: LabHost, folder: Path) -> None:
        self.host = host
        program = folder / f"{host.name}.pyz"
        zipapp.create_archive(TREE / TOOLS.lstrip("/"), program, main="registryctl.cli:run")
        host.put_file("/root/registryctl.pyz", program.read_bytes(), 0o755)
        host.put_file("/root/password", PASSWORD, 0o600)
        host.put_file("/root/.ssh/id_ed25519", world.nas.private_key_path.read_text(), 0o600)
        host.put_file("/root/.ssh/known_hosts", f"{world.nas.name} {world.nas.host_key}\n", 0o600)
        variables = f"RESTIC_REPOSITORY={world.settings['repository']} RESTIC_PASSWORD_FILE=/root/password"
        self.command = f"{variables} python3 /root/registryctl.pyz restore --into"

    def restore(self, root: str, *words: str) -> dict[str, Any]:
        """Restores below `root`; what came of it."""
        done = self.host.run(f"{self.command} {root} --json {' '.join(words)}", timeout=600)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @contextmanager
    def served(self, registry: Deployed, root: str) -> Iterator[Api]:
        """A registry that serves what was restored below `root`, and a client of it."""
        program = "/root/registry"
        if self.host.run(["test", "-e", program], check=False).returncode != 0:
            self.host.put_file(program, gotools.build("registry").read_bytes(), 0o755)
        data = {"filesystem": {"rootdirectory": f"{root}/docker-registry/data"}}
        settings = {"version": 0.1, "storage": data, "http": {"addr": f":{_PORT}"}}
        self.host.put_file("/root/registry.yml", json.dumps(settings))
        self.host.run(f"systemd-run --quiet --collect --unit=served {program} serve /root/registry.yml")
        api = PlainApi(registry, address=self.host.address)
        try:
            assert within(20, api.answers)
            yield api
        finally:
            api.close()
            self.host.run(["systemctl", "stop", "served"])


@dataclass
class PlainApi(Api):
    """A client of a registry without TLS and accounts."""

    address: str = ""

    def answers(self) -> bool:
        """Whether anybody is there."""
        try:
            return bool(self.request("GET", "/v2/")[0] == 200)
        except OSError:
            return False

    def request(self, *words: Any, **options: Any) -> Any:  # noqa: ANN401
        """See `Api`."""
        if self._connection is None:
            self._connection = HTTPConnection(self.address, _PORT, timeout=30)
        return super().request(*words, **options)


def timed(host: LabHost, command: str) -> float:
    """Runs a command on a host; its seconds."""
    begin = time.monotonic()
    host.run(["sh", "-ec", command], timeout=600)
    return time.monotonic() - begin
