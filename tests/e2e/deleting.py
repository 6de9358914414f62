"""docker-repository-rmi, on the registry's host and elsewhere."""

import base64
import json
import shlex
import zipapp
from pathlib import Path

from rendering.rootfs import TOOLS, TREE
from tests.e2e.support import Deployed
from tests.lab.host import LabHost
from tests.lab.stack import Result

TOOL = "docker-repository-rmi"


def remove(where: Deployed, *words: str, yes: bool = True) -> Result:
    """Run the tool on the host, without a terminal."""
    return where.host.run([TOOL, *(["--yes"] if yes else []), *words], check=False)


class Elsewhere:
    """A machine that isn't the registry's, with the program as one file."""

    def __init__(self, where: Deployed, host: LabHost, folder: Path) -> None:
        self._where, self._host = where, host
        self._program = "/opt/registryctl.pyz"
        made = folder / "registryctl.pyz"
        zipapp.create_archive(TREE / TOOLS.lstrip("/"), made, main="registryctl.cli:run")
        host.put_file(self._program, made.read_bytes())

    def remove(self, image_name: str, password: str = "", registry: str = "") -> Result:
        """Run it; a `password` other than that of docker login is only for this."""
        account = "/root/.docker"
        if password:
            account = "/opt/account"
            auth = base64.b64encode(f"alice:{password}".encode()).decode()
            self._host.put_file(
                f"{account}/config.json", json.dumps({"auths": {self._where.fqdn: {"auth": auth}}}), 0o600
            )
        variables = f"HOME=/root DOCKER_CONFIG={account}"
        words = ["rm", "--yes", "--registry", registry or self._where.fqdn, image_name]
        return self._host.run(f"{variables} python3 {shlex.join([self._program, *words])}", check=False)
