"""A host whose registry is backed up, on which commands run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from registryctl import backup, machine, recover, repository
from registryctl.taking import DATA
from tests.registryctl.backed import PASSWORD, STACK
from tests.registryctl.fake_restic import FakeRestic
from tests.registryctl.running import Ran
from tests.registryctl.stored import StoredHost
from tests.registryctl.world import World

NAME = "team/app"


class BackedHost(StoredHost):
    """A host with a registry and the settings of its backup."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(root, monkeypatch)
        (root / "srv/docker-registry").mkdir(parents=True)
        self.world = World(root / "srv" / DATA)
        self.settings: dict[str, Any] = {
            "stack": STACK,
            "repository": str(root / "repository"),
            "restUser": None,
            "sftp": None,
            "keep": {},
            "checkParts": 3,
            "appendOnly": False,
            "logs": False,
        }
        self.secrets: dict[str, Any] = {"password": PASSWORD, "restPassword": None, "environment": {}}
        monkeypatch.setattr(repository, "HOME", root)
        monkeypatch.setattr(machine, "RESULTS", self.results)
        for module in (backup, recover):
            monkeypatch.setattr(module, "Restic", FakeRestic)

    def run(self, *words: str, called: str = "registryctl") -> Ran:
        """Runs a command there, with the settings as they are."""
        (self.root / "backup.json").write_text(json.dumps(self.settings))
        (self.root / "backup-secrets.json").write_text(json.dumps(self.secrets))
        done = super().run(*words, called=called)
        assert PASSWORD not in done.out + done.err
        return done

    def known(self) -> dict[str, Any]:
        """What status can know."""
        found: dict[str, Any] = json.loads((self.results / "backup").read_text())
        return found


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BackedHost:
    """With an image."""
    found = BackedHost(tmp_path, monkeypatch)
    found.world.image(NAME, "1.0", b"a layer")
    return found
