"""How long a backup of many images takes, and one after a hundredth of them changed; with a plain copy beside.

`make backup-speed TAGS=1000 BLOB=1000000 IMAGES=/dev/shm`: eight files a tag, three of them blobs of BLOB bytes on
average, that don't compress; restic of this machine, and a repository on its disk. IMAGES is where the images lie.

With HOLES=1 a layer is some bytes of its own with a hole behind them: more of them have room than a disk has. restic
reads and sums up the whole, and stores next to nothing, so that the first backup takes less than it would of real
layers. Nothing is restored or copied then.
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
from concurrent.futures import ProcessPoolExecutor
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
MANIFEST, CONFIGURATION = 500, 300
"""Bytes of the small blobs of an image."""
BEGINNING = 1000
"""Bytes before a hole."""


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
    """Many images below a root."""

    root: Path
    blob: int
    """Bytes of a blob on average: a layer has what the small ones leave of it."""
    holes: bool

    def push(self, number: int) -> None:
        """One image: a manifest, a configuration and a layer, each by a link, and a tag."""
        name = f"repositories/team{number % 10}/app{number % REPOSITORIES}"
        layer = max(3 * self.blob - MANIFEST - CONFIGURATION, 1)
        manifest, *parts = (self._blob(size) for size in (MANIFEST, CONFIGURATION, layer))
        links = [f"_layers/sha256/{digest}" for digest in parts]
        tag = f"_manifests/tags/v{number}"
        links += [f"_manifests/revisions/sha256/{manifest}", f"{tag}/current", f"{tag}/index/sha256/{manifest}"]
        for link in links:
            digest = link.rpartition("/")[2] if "sha256" in link else manifest
            self._file(f"{name}/{link}/link", f"sha256:{digest}".encode())

    def _blob(self, size: int) -> str:
        """Its name is no digest where it has a hole: nobody looks."""
        content = os.urandom(min(size, BEGINNING) if self.holes else size)
        digest = hashlib.sha256(content).hexdigest()
        os.truncate(self._file(f"blobs/sha256/{digest[:2]}/{digest}/data", content), size)
        return digest

    def _file(self, path: str, content: bytes) -> Path:
        file = self.root / DATA / "docker/registry/v2" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


@dataclass(frozen=True)
class Measured:
    """What one backup took."""

    seconds: float
    processor: float
    """Seconds of a processor: with two of them, and where others are at work, these say more."""
    megabytes: int
    """Of memory, at most, that restic had."""


def main(tags: int, blob: int, images: str | None, *, holes: bool) -> None:
    """Prints what is measured."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=images) as place:
        root = Path(place) / "root"
        registry = Registry(root, blob, holes)
        for number in range(tags):
            registry.push(number)
        files = sum(len(names) for _, _, names in os.walk(root))
        print(f"{tags} tags, {files} files, {blob} bytes a blob, restic {_version()}", flush=True)
        environment = {
            **os.environ,
            "RESTIC_REPOSITORY": f"{folder}/repository",
            "RESTIC_PASSWORD": "of a measurement",
            "RESTIC_CACHE_DIR": f"{folder}/cache",
        }
        repository = Repository(environment, stack="measured")
        empty = Path(folder) / "empty"
        (empty / DATA / "docker").mkdir(parents=True)
        Taking(Restic(repository), empty, Nobody(), known=False).go()
        nothing = _taken(repository, empty, "nothing")
        first = _taken(repository, root, "first")
        for number in range(tags, tags + max(tags // 100, 1)):
            registry.push(number)
        second = _taken(repository, root, "1 % changed")
        apart = (first.seconds - nothing.seconds) / (second.seconds - nothing.seconds)
        work = (first.processor - nothing.processor) / (second.processor - nothing.processor)
        print(f"the second is {first.seconds / second.seconds:.1f} times as fast as the first", end="; ")
        print(f"without what nothing takes: {apart:.1f} times, by the processor's seconds {work:.1f}", flush=True)
        if holes:
            return
        _restored(Restic(repository), Path(folder) / "other")
        begin = time.monotonic()
        shutil.copytree(root, Path(folder) / "copy", symlinks=True)
        os.sync()
        print(f"a plain copy: {time.monotonic() - begin:.1f} s")


def _taken(repository: Repository, root: Path, what: str) -> Measured:
    # What was pushed is on the disk before. Each backup has a process of its own, whose children's memory counts.
    os.sync()
    with ProcessPoolExecutor(1) as alone:
        found, said = alone.submit(_backup, repository, root).result()
    times = f"{found.seconds:.1f} s ({found.processor:.1f} s of a processor)"
    print(f"{what}: {times}, {said}, {found.megabytes} MB of memory", flush=True)
    return found


def _backup(repository: Repository, root: Path) -> tuple[Measured, str]:
    taken = Taking(Restic(repository), root, Nobody(), known=False).go()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = Measured(taken.seconds, used.ru_utime + used.ru_stime, used.ru_maxrss >> 10)
    return found, f"{taken.added >> 20} MB new of {taken.bytes >> 20} MB"


def _restored(restic: Restic, other: Path) -> None:
    with restoring.nobody_writes(other):
        stage = Stage(restic, backups.chosen(backups.backups(restic), None), other)
        restored = restoring.restore(stage, restoring.nobody_is_there)
    print(f"restored and verified: {restored.placed.tags} tags, {restored.seconds:.1f} s", flush=True)


def _version() -> str:
    return subprocess.run(["restic", "version"], capture_output=True, text=True, check=True).stdout.split()[1]


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        int(sys.argv[2]),
        sys.argv[3] if len(sys.argv) > 3 else None,
        holes=bool(os.environ.get("HOLES")),
    )
