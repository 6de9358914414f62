"""Registry clients on a lab host: docker, crane and regctl, which trust the registries they were shown and no other."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from tests.lab import gotools
from tests.lab.docker import docker
from tests.lab.host import LabHost

TEST_IMAGE = "busybox:1.37.0"
"""A small image that the hub serves."""

CA_FILE = "/root/registry-ca.pem"
"""On a host: the authorities that crane and regctl trust."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Client:
    """A host that uses the registry at `registry` (`FQDN` or `FQDN:PORT`)."""

    host: LabHost
    registry: str

    def trust(self, authority: str) -> None:
        """Let docker, crane and regctl trust `authority`, a PEM text."""
        self.host.put_file(f"/etc/docker/certs.d/{self.registry}/ca.crt", authority)
        # One file for all registries that this host uses: a second one must not make it forget the first.
        known = self.host.run(["cat", CA_FILE], check=False).stdout
        if authority not in known:
            self.host.put_file(CA_FILE, known + authority)

    def login(self, username: str, password: str) -> None:
        """`docker login`, the password by standard input."""
        self.host.run(
            ["docker", "login", "--username", username, "--password-stdin", self.registry], stdin=password + "\n"
        )

    def logout(self) -> None:
        """`docker logout`."""
        self.host.run(["docker", "logout", self.registry])

    def push(self, name: str, source: str = TEST_IMAGE) -> str:
        """Tag `source` as `name` (`repository:tag`), push it, and return its digest."""
        target = f"{self.registry}/{name}"
        self.host.run(["docker", "pull", "--quiet", source])
        self.host.run(["docker", "tag", source, target])
        self.host.run(["docker", "push", "--quiet", target])
        return self.digest(name)

    def digest(self, name: str) -> str:
        """The digest that the registry has for `name`."""
        return self.crane("digest", f"{self.registry}/{name}")

    def forget(self, *names: str) -> None:
        """Remove the local copies of `names` and of every untagged image."""
        for name in names:
            self.host.run(["docker", "rmi", "--force", f"{self.registry}/{name}"], check=False)
        self.host.run(["docker", "rmi", "--force", TEST_IMAGE], check=False)
        self.host.run(["docker", "image", "prune", "--force"])

    def pull(self, name: str) -> None:
        """`docker pull`, by tag (`repository:tag`) or digest (`repository@sha256:…`)."""
        self.host.run(["docker", "pull", "--quiet", f"{self.registry}/{name}"])

    def push_index(self, name: str) -> str:
        """Push an OCI index of two platforms, OCI manifests all through, as `name`; returns its digest."""
        target = f"{self.registry}/{name}"
        self.push(f"{name}-docker")
        references = []
        for platform in ("linux/amd64", "linux/arm64"):
            reference = f"{target}-{platform.rpartition('/')[2]}"
            self.crane("mutate", "--set-platform", platform, "--tag", reference, f"{target}-docker")
            self.regctl("image", "mod", "--to-oci", "--replace", reference)
            references.append(reference)
        flags = [word for reference in references for word in ("--ref", reference)]
        self.regctl("index", "create", "--media-type", OCI_INDEX, *flags, target)
        return self.digest(name)

    def manifest(self, name: str) -> dict[str, Any]:
        """The manifest or index that the registry has for `name`."""
        found: dict[str, Any] = json.loads(self.crane("manifest", f"{self.registry}/{name}"))
        return found

    def crane(self, *argv: str) -> str:
        """Run crane with the login of docker; its output without the last line end."""
        return self._tool("crane", argv)

    def regctl(self, *argv: str) -> str:
        """Run regctl with the login of docker; its output without the last line end."""
        return self._tool("regctl", argv)

    def _tool(self, name: str, argv: tuple[str, ...]) -> str:
        path = f"/usr/local/bin/{name}"
        if self.host.run(["test", "-x", path], check=False).returncode != 0:
            docker("cp", str(gotools.build(name)), f"{self.host.container}:{path}")
        command = shlex.join([path, *argv])
        return self.host.run(f"SSL_CERT_FILE={CA_FILE} HOME=/root {command}").stdout.strip()
