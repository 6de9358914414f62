"""A registry on this machine with all that a backup takes, and repositories of restic for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registryctl import backups, restoring
from registryctl.backups import Backup
from registryctl.files import FileStorage
from registryctl.repository import Repository
from registryctl.restic import Answer, Restic
from registryctl.restoring import Restored
from registryctl.selection import Request
from registryctl.staging import Stage
from registryctl.taking import DATA, Taken, Taking
from registryctl.time_machine import Machine, renamed
from registryctl.undo import Undone, bring_back
from tests.lab.machine import ensure_commands
from tests.lab.run import LabError
from tests.registryctl.fake_restic import FakeRestic
from tests.registryctl.quick_key import make_quick
from tests.registryctl.world import World

NOW = 1_800_000_000
STACK = "organization/docker-registry/tests"
PROGRAMS = ("fake", "restic")
PASSWORD = "correct horse battery"


def program(name: str, repository: Repository) -> Restic:
    """What is run: the tests' own, or restic itself, which root gets where it is missing."""
    if name == "fake":
        return FakeRestic(repository)
    try:
        ensure_commands("restic")
    except LabError as error:
        pytest.skip(str(error))
    return Restic(repository)


class FreeBarrier:
    """Nobody else is there. What a backup does within the turn can be watched."""

    def __init__(self) -> None:
        self.closings = 0

    def turn(self) -> Any:  # noqa: ANN401
        return nullcontext()

    def closed(self) -> Any:  # noqa: ANN401
        self.closings += 1
        return nullcontext()

    def journals(self) -> list[Any]:
        return []

    def forget(self, generations: object) -> None:
        """There is none."""


class Backed:
    """A registry below `root`, and a repository beside it."""

    def __init__(self, folder: Path, restic: str) -> None:
        self.root = folder / "root"
        (self.root / DATA).parent.mkdir(parents=True)
        self.world = World(self.root / DATA)
        environment = {
            **os.environ,
            "RESTIC_REPOSITORY": str(folder / "repository"),
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_CACHE_DIR": str(folder / "cache"),
            "TZ": "UTC",
        }
        self.repository = Repository(environment, hidden=(PASSWORD,), shown="the repository", stack=STACK)
        self.restic = program(restic, self.repository)
        self._program = restic
        self.barrier = FreeBarrier()
        self.now = NOW
        self.folder = folder
        for path, content in {
            "docker-registry/etc/http.secret": "a secret",
            "nginx/etc/auth/registry.htpasswd": "alice:hash",
            "nginx/etc/tls/self-signed/pair/fullchain.pem": "a chain",
            "letsencrypt/archive/dr.example.net/cert1.pem": "a certificate",
        }.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            file.chmod(0o600)
        live = self.root / "letsencrypt/live/dr.example.net"
        live.mkdir(parents=True)
        (live / "cert.pem").symlink_to("../../archive/dr.example.net/cert1.pem")

    def with_settings(self, **settings: Any) -> Restic:  # noqa: ANN401
        """restic with other settings."""
        return program(self._program, replace(self.repository, **settings))

    def take(self, restic: Restic | None = None, *, before: int | None = 0) -> Taken:
        """A backup, a day after the one before."""
        self.now += 86400
        known = (self.folder / "repository").exists()
        taken = Taking(restic or self.restic, self.root, self.barrier, known, lambda: self.now, before).go()
        if self._program == "restic" and not known:
            make_quick(self.folder / "repository", PASSWORD)
        return taken

    def backups(self) -> list[Backup]:
        """Those that there are."""
        return backups.backups(self.restic)

    def stage(self, root: Path | None = None, when: str | None = None) -> Stage:
        """A backup for a root."""
        return Stage(self.restic, backups.chosen(self.backups(), when, self.now), root or self.root)

    def restored(self, name: str = "other", when: str | None = None, *, merge: bool = False) -> tuple[World, Restored]:
        """A backup on another root."""
        root = self.folder / name
        stage = self.stage(root, when)
        with restoring.nobody_writes(root):
            restored = restoring.restore(stage, restoring.nobody_is_there, merge=merge)
        world = World.__new__(World)
        world.root = root / DATA
        world.v2 = world.root / "docker/registry/v2"
        return world, restored


def during(monkeypatch: pytest.MonkeyPatch, part: str, happens: Callable[[], object]) -> None:
    """Something happens once a part was read, before the next is."""
    run = Restic.run

    def patched(self: Restic, *words: str, **options: Any) -> Answer:  # noqa: ANN401
        answer = run(self, *words, **options)
        if words[0] == "backup" and any(word.endswith(f"part={part}") for word in words):
            happens()
        return answer

    monkeypatch.setattr(Restic, "run", patched)


def brought(backed: Backed, *texts: str, name: str = "", when: str | None = None) -> tuple[Undone, dict[str, str]]:
    """Brings images back beside what is there; what came of it, and what of them is not whole."""
    stage = backed.stage(when=when)
    stage.begin()
    machine = Machine(stage)
    records = [machine.fill(wanted) for wanted in machine.find([Request.parse(text) for text in texts])]
    if name:
        records = [renamed(records[0], *name.split(":"))]
    undone = Undone("")
    for record in records:
        one = bring_back(FileStorage(backed.root / DATA), record)
        undone.tags += one.tags
        undone.moved += one.moved
    stage.clear()
    return undone, machine.lacks


def wipe(backed: Backed, *parts: str) -> None:
    """Takes away a part of the storage."""
    for part in parts or ("repositories", "blobs"):
        shutil.rmtree(backed.world.v2 / part)
        (backed.world.v2 / part).mkdir()
