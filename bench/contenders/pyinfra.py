"""The same as a pyinfra deploy."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from bench.contenders.setup import BIN, FILES, Contender, Setup
from tests.lab.run import clean_environment, run


class Pyinfra(Contender):
    """`pyinfra INVENTORY deploy.py`."""

    name: ClassVar[str] = "pyinfra"

    def __init__(self, folder: Path) -> None:
        self._inventory = folder / "inventory.py"

    def configure(self, setup: Setup) -> None:
        """See `Contender`."""
        data = {
            "ssh_user": "root",
            "ssh_key": str(setup.host.private_key_path),
            "ssh_known_hosts_file": str(setup.host.folder / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": False,
            "ssh_look_for_keys": False,
            "ssh_config_file": "/dev/null",
        } | setup.values()
        self._inventory.write_text(f"registry = [({setup.host.address!r}, {data!r})]\n")

    def run(self) -> None:
        """See `Contender`."""
        argv = [str(BIN / "pyinfra"), "--yes", str(self._inventory), str(FILES / "deploy.py")]
        run(argv, log="bench-pyinfra", env=clean_environment(), cwd=FILES)

    def forget(self) -> None:
        """The inventory goes."""
        self._inventory.unlink(missing_ok=True)
