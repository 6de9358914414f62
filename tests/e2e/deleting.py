"""docker-repository-rmi, on the registry's host and elsewhere."""

import base64
import json
import shlex

from tests.e2e.support import Deployed
from tests.lab import gotools
from tests.lab.docker import docker
from tests.lab.host import LabHost
from tests.lab.stack import Result

TOOL = "docker-repository-rmi"


def remove(where: Deployed, *words: str, yes: bool = True) -> Result:
    """Run the tool on the host, without a terminal."""
    return where.host.run([TOOL, *(["--yes"] if yes else []), *words], check=False)


class Elsewhere:
    """A machine that isn't the registry's, with the tool in a folder of its own."""

    def __init__(self, where: Deployed, host: LabHost, with_regbot: bool) -> None:
        self._where, self._host = where, host
        self._folder = "/opt/registry-tools"
        for path in (
            "bin/docker-repository-rmi",
            *(f"lib/docker-registry/{part}-images.lua" for part in ("delete", "requested")),
        ):
            content = where.host.get_file(f"/usr/local/{path}")
            host.put_file(f"{self._folder}/{path.rpartition('/')[2]}", content, 0o755)
        self._path = "/usr/sbin:/usr/bin:/sbin:/bin"
        if with_regbot:
            docker("cp", str(gotools.build("regbot")), f"{host.container}:{self._folder}/regbot")
            self._path = f"{self._folder}:{self._path}"

    def remove(self, image_name: str, password: str = "", registry: str = "") -> Result:
        """Run it; a `password` other than that of docker login is only for this."""
        account = "/root/.docker"
        if password:
            account = f"{self._folder}/account"
            auth = base64.b64encode(f"alice:{password}".encode()).decode()
            self._host.put_file(
                f"{account}/config.json", json.dumps({"auths": {self._where.fqdn: {"auth": auth}}}), 0o600
            )
        variables = f"PATH={self._path} HOME=/root DOCKER_CONFIG={account}"
        words = ["--yes", "--registry", registry or self._where.fqdn, image_name]
        return self._host.run(f"{variables} {shlex.join([f'{self._folder}/{TOOL}', *words])}", check=False)
