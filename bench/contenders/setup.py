"""The registry that every contender sets up, and what they have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from config.images import Images
from config.secrets import Account
from config.users import Htpasswd
from rendering.htpasswd import hash_of
from tests.e2e.support import USER
from tests.lab.host import LabHost
from tests.lab.paths import ROOT

FILES = Path(__file__).parent / "files"
BIN = ROOT / ".bench/bin"
"""The contenders' own environment has their programs."""

IMAGES = Images()


@dataclass(frozen=True)
class AcmeServer:
    """The server that all certificates come from. It is a private one, which nobody trusts unless told to."""

    directory: str
    ca: str
    """PEM of the authority behind the server's own HTTPS."""
    root: str
    """PEM of the root of the certificates that it issues."""


@dataclass(frozen=True)
class Setup:
    """One registry on one host."""

    host: LabHost
    fqdn: str
    password: str
    server: AcmeServer
    read_timeout: int = 900
    """What a run with one changed file changes."""

    def values(self) -> dict[str, str]:
        """The settings under the names that the contenders' files use. The account's hash is made beforehand."""
        account = Account(USER, password=self.password)
        return {
            "fqdn": self.fqdn,
            "account": f"{USER}:{hash_of(account, Htpasswd(), self.fqdn)}",
            "read_timeout": str(self.read_timeout),
            "acme_server": self.server.directory,
            "acme_ca": self.server.ca.rstrip("\n"),
            "nginx_image": str(IMAGES.nginx),
            "registry_image": str(IMAGES.registry),
            "ui_image": str(IMAGES.ui),
            "certbot_image": str(IMAGES.certbot),
        }


class Contender(ABC):
    """A way to set up a registry."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    """What must be on the host beforehand, beside Docker."""

    @abstractmethod
    def configure(self, setup: Setup) -> None:
        """Write the settings, as an administrator edits them."""

    @abstractmethod
    def run(self) -> None:
        """Bring the host to what `configure` was given. Raises CommandError."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is known of the host, if any is: the next one is another."""
