"""How long a backup of many small images takes, and one after a hundredth of them changed; with a plain copy beside.

`make backup-speed TAGS=12000`: about eight files a tag, restic of this machine, and a repository on its disk.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registryctl import backups, restoring
from registryctl.repository import Repository
from registryctl.restic import Restic
from registryctl.staging import Stage
from registryctl.taking import DATA, Taking

REPOSITORIES = 100


class Nobody:
    """Nobody else is at work."""

    def turn(self) -> Any:  # noqa: ANN401
        return nullcontext()

    closed = turn

    def journals(self) -> list[Any]:
        return []

    def forget(self, generations: object) -> None:
        """There is none."""


@dataclass
class Registry:
    """Many small images below a root."""

    root: Path

    def push(self, number: int) -> None:
        """One image: a manifest, a configuration and a layer, each by a link, and a tag."""
        name = f"repositories/team{number % 10}/app{number % REPOSITORIES}"
        manifest, *parts = (self._blob(os.urandom(size)) for size in (500, 300, 1000))
        links = [f"_layers/sha256/{digest}" for digest in parts]
        tag = f"_manifests/tags/v{number}"
        links += [f"_manifests/revisions/sha256/{manifest}", f"{tag}/current", f"{tag}/index/sha256/{manifest}"]
        for link in links:
            digest = link.rpartition("/")[2] if "sha256" in link else manifest
            self._file(f"{name}/{link}/link", f"sha256:{digest}".encode())

    def _blob(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self._file(f"blobs/sha256/{digest[:2]}/{digest}/data", content)
        return digest

    def _file(self, path: str, content: bytes) -> None:
        file = self.root / DATA / "docker/registry/v2" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def main(tags: int) -> None:
    """Prints what is measured."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        registry = Registry(root)
        for number in range(tags):
            registry.push(number)
        files = sum(len(names) for _, _, names in os.walk(root))
        print(f"{tags} tags, {files} files, restic {_version()}")
        environment = {
            **os.environ,
            "RESTIC_REPOSITORY": f"{folder}/repository",
            "RESTIC_PASSWORD": "of a measurement",
            "RESTIC_CACHE_DIR": f"{folder}/cache",
        }
        restic = Restic(Repository(environment, stack="measured"))
        first = _taken(restic, root, "first")
        for number in range(tags, tags + max(tags // 100, 1)):
            registry.push(number)
        second = _taken(restic, root, "1 % changed")
        print(f"the second is {first / second:.1f} times as fast; restic had {_megabytes()} MB at most")
        other = Path(folder) / "other"
        with restoring.nobody_writes(other):
            stage = Stage(restic, backups.chosen(backups.backups(restic), None), other)
            restored = restoring.restore(stage, restoring.nobody_is_there)
        print(f"restored and verified: {restored.placed.tags} tags, {restored.seconds:.1f} s")
        begin = time.monotonic()
        shutil.copytree(root, Path(folder) / "copy", symlinks=True)
        os.sync()
        print(f"a plain copy: {time.monotonic() - begin:.1f} s")


def _taken(restic: Restic, root: Path, what: str) -> float:
    taken = Taking(restic, root, Nobody(), known=False).go()
    print(f"{what}: {taken.seconds:.1f} s, {taken.added >> 20} MB new of {taken.bytes >> 20} MB", flush=True)
    return taken.seconds


def _version() -> str:
    return subprocess.run(["restic", "version"], capture_output=True, text=True, check=True).stdout.split()[1]


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10


if __name__ == "__main__":
    main(int(sys.argv[1]))
