"""Other registries on the lab's network, to be mirrored: with the hub's images, for everybody or for one account."""

import http.client
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from passlib.hash import bcrypt

from config.secrets import Login
from tests.lab.docker import docker
from tests.lab.hub import ENVIRONMENT, PORT, hub_image
from tests.lab.lab import IP_LABEL, Lab
from tests.lab.locks import locked

_SECONDS = 30
_ASKED = re.compile(r'"(GET|HEAD) (/v2/\S+) HTTP/1[.][01]" \d{3}')


@dataclass
class OtherRegistry:
    """One of them. `asked` is what it was asked for since it was forgotten."""

    container: str
    address: str
    login: Login | None = None
    _seen: int = field(default=0, repr=False)

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://{self.address}:{PORT}"

    def stop(self) -> None:
        """It is away."""
        docker("stop", "--time", "1", self.container)

    def start(self) -> None:
        """Until it answers."""
        docker("start", self.container)
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, self.container
            time.sleep(0.1)

    def asked(self) -> list[str]:
        """Method and path of each request for something."""
        return [f"{method} {path}" for method, path in self._all()[self._seen :]]

    def forget(self) -> None:
        """What was asked until now."""
        self._seen = len(self._all())

    def _all(self) -> list[tuple[str, str]]:
        time.sleep(0.3)
        done = docker("logs", self.container)
        return [found for found in _ASKED.findall(done.stdout + done.stderr) if found[1] != "/v2/"]

    def _answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection(self.address, PORT, timeout=2)
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        except (OSError, http.client.HTTPException):
            return False


@contextmanager
def other_registry(lab: Lab, name: str, login: Login | None = None) -> Iterator[OtherRegistry]:
    """A registry of this name on the lab's network."""
    container = f"{lab.name}-{name}"
    options: list[str] = []
    if login is not None:
        options += ["-e", "REGISTRY_AUTH=htpasswd", "-e", "REGISTRY_AUTH_HTPASSWD_REALM=theirs"]
        options += ["-e", "REGISTRY_AUTH_HTPASSWD_PATH=/htpasswd"]
    with locked(f"lab-{lab.name}-addresses"):
        address = lab.free_address()
        options += ["--network", lab.name, "--ip", address, "--label", f"{IP_LABEL}={address}"]
        docker("create", "--name", container, *options, *lab.labels(), *ENVIRONMENT, hub_image())
    try:
        if login is not None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "htpasswd"
                file.write_text(f"{login.username}:{bcrypt.using(rounds=4).hash(login.password)}\n")
                docker("cp", str(file), f"{container}:/htpasswd")
        found = OtherRegistry(container, address, login)
        found.start()
        yield found
    finally:
        docker("rm", "--force", "--volumes", container)
