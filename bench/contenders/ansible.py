"""The same as an Ansible playbook."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import ClassVar

from bench.contenders.setup import BIN, FILES, Contender, Setup
from tests.lab.run import clean_environment, run

INVENTORY = """\
[registry]
{address} ansible_user=root ansible_ssh_private_key_file={key} ansible_python_interpreter=/usr/bin/python3
[registry:vars]
ansible_ssh_common_args=-F /dev/null -o IdentitiesOnly=yes -o UserKnownHostsFile={known_hosts}
"""


class Ansible(Contender):
    """`ansible-playbook`, with the settings that its documentation recommends for speed (`files/ansible.cfg`)."""

    name: ClassVar[str] = "Ansible"
    packages: ClassVar[tuple[str, ...]] = ("python3", "python3-requests")

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "ansible"
        self._folder.mkdir()

    def configure(self, setup: Setup) -> None:
        """See `Contender`."""
        known = setup.host.folder / "known_hosts"
        text = INVENTORY.format(address=setup.host.address, key=setup.host.private_key_path, known_hosts=known)
        (self._folder / "hosts").write_text(text)
        (self._folder / "settings.json").write_text(json.dumps(setup.values()))

    def run(self) -> None:
        """See `Contender`."""
        kept = {key: value for key, value in clean_environment().items() if not key.startswith("ANSIBLE_")}
        environment = kept | {
            "PATH": f"{BIN}:{kept.get('PATH', '')}",
            "ANSIBLE_CONFIG": str(FILES / "ansible.cfg"),
            "ANSIBLE_HOME": str(self._folder / "home"),
        }
        run(
            [
                *(str(BIN / "ansible-playbook"), "--inventory", str(self._folder / "hosts")),
                *("--extra-vars", f"@{self._folder / 'settings.json'}", str(FILES / "playbook.yml")),
            ],
            log="bench-ansible",
            env=environment,
            cwd=FILES,
        )

    def forget(self) -> None:
        """Connections that it keeps would lead to a host that is gone."""
        shutil.rmtree(self._folder / "home", ignore_errors=True)
