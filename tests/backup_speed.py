"""How long a backup of many images takes, and one after a hundredth of them changed; with a plain copy beside.

`make backup-speed TAGS=1000 BLOB=1000000 IMAGES=/dev/shm`: eight files a tag, three of them blobs of BLOB bytes on
average, that don't compress; restic of this machine, and a repository on its disk. IMAGES is where the images lie.

With SHARED=1 more images have room than the disk has: they lie on an XFS of their own, where layers share what is the
same, and the disk gets back what the repository has of content, as no backup reads that again. Among the pieces that
restic cuts layers into no two are alike, and none compresses. Nothing is restored or copied then. It needs root,
mkfs.xfs, and some 100 KB of disk a tag and a hundredth of its layer.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any

from registryctl import backups, restoring
from registryctl.repository import Repository
from registryctl.restic import Restic
from registryctl.staging import Stage
from registryctl.taking import DATA, Taking

REPOSITORIES = 100
MANIFEST, CONFIGURATION = 500, 300
"""Bytes of the small blobs of an image."""
MODELS = 16
"""Layers of which others have a copy."""
BLOCK, APART = 4096, 448 << 10
"""Bytes that a copy has for itself, and how far apart they are: restic cuts no piece of less than 512 KiB."""
FICLONE = 0x40049409
"""The `ioctl` that lets a file share all of another one's content (linux/fs.h)."""
SETTLED_SECONDS = 5
"""A pack is given back no sooner: restic caches one of directories once it is there."""


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
    shared: bool

    def push(self, number: int) -> None:
        """One image: a manifest, a configuration and a layer, each by a link, and a tag."""
        name = f"repositories/team{number % 10}/app{number % REPOSITORIES}"
        manifest, *parts = (self._blob(size) for size in (MANIFEST, CONFIGURATION))
        parts.append(self._shared() if self.shared else self._blob(self._layer))
        links = [f"_layers/sha256/{digest}" for digest in parts]
        tag = f"_manifests/tags/v{number}"
        links += [f"_manifests/revisions/sha256/{manifest}", f"{tag}/current", f"{tag}/index/sha256/{manifest}"]
        for link in links:
            digest = link.rpartition("/")[2] if "sha256" in link else manifest
            self._file(f"{name}/{link}/link", f"sha256:{digest}".encode())

    @property
    def _layer(self) -> int:
        return max(3 * self.blob - MANIFEST - CONFIGURATION, 1)

    def _blob(self, size: int) -> str:
        content = os.urandom(size)
        digest = hashlib.sha256(content).hexdigest()
        self._file(f"blobs/sha256/{digest[:2]}/{digest}/data", content)
        return digest

    def _shared(self) -> str:
        """A layer like another one but for some blocks. Its name is no digest: nobody looks."""
        digest = os.urandom(32).hex()
        file = self._file(f"blobs/sha256/{digest[:2]}/{digest}/data", b"")
        with file.open("r+b") as layer, self._models[int(digest, 16) % MODELS].open("rb") as model:
            fcntl.ioctl(layer, FICLONE, model.fileno())
            for offset in (*range(0, self._layer - BLOCK, APART), max(self._layer - BLOCK, 0)):
                os.pwrite(layer.fileno(), os.urandom(min(BLOCK, self._layer)), offset)
        return digest

    @cached_property
    def _models(self) -> list[Path]:
        models = [self.root.parent / f"model-{number}" for number in range(MODELS)]
        for model in models:
            model.write_bytes(os.urandom(self._layer))
        return models

    def _file(self, path: str, content: bytes) -> Path:
        file = self.root / DATA / "docker/registry/v2" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file


@dataclass
class GivingBack:
    """Frees the room of what a repository on this disk has of content. Of directories it leaves all."""

    repository: Path
    cache: Path
    _done: set[str] = field(default_factory=set)

    @contextmanager
    def on(self) -> Iterator[None]:
        """As long as it lasts."""
        over = Event()
        thread = Thread(target=self._go, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _go(self, over: Event) -> None:
        while not over.wait(1):
            kept = {path.name for path in self.cache.glob("*/data/??/*")}
            for pack in self.repository.glob("data/??/*"):
                if pack.name in kept or pack.name in self._done or len(pack.name) != 64:
                    continue
                found = pack.stat()
                if time.time() - found.st_mtime >= SETTLED_SECONDS:
                    os.truncate(pack, 0)
                    os.truncate(pack, found.st_size)
                    self._done.add(pack.name)


@contextmanager
def sharing(folder: Path) -> Iterator[Path]:
    """A directory on an XFS, whose files can share content, in a file that has the room it needs."""
    image, place = folder / "xfs", folder / "images"
    place.mkdir()
    image.touch()
    os.truncate(image, 1 << 40)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    subprocess.run(["mount", "-o", "loop,noatime", image, place], check=True)
    try:
        yield place
    finally:
        # A child that has not ended yet may be in it.
        subprocess.run(["umount", "--lazy", place], check=True)


@dataclass(frozen=True)
class Measured:
    """What one backup took."""

    seconds: float
    processor: float
    """Seconds of a processor: with two of them, and where others are at work, these say more."""
    megabytes: int
    """Of memory, at most, that restic had."""


def main(tags: int, blob: int, images: str | None, *, shared: bool) -> None:
    """Prints what is measured."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=images) as place:
        environment = {
            **os.environ,
            "RESTIC_REPOSITORY": f"{folder}/repository",
            "RESTIC_PASSWORD": "of a measurement",
            "RESTIC_CACHE_DIR": f"{folder}/cache",
        }
        repository = Repository(environment, stack="measured")
        if not shared:
            registry = Registry(Path(place) / "root", blob, shared)
            _measured(repository, registry, tags, Path(folder))
            _restored(Restic(repository), Path(folder) / "other")
            _copied(registry.root, Path(folder) / "copy")
            return
        giving_back = GivingBack(Path(folder) / "repository", Path(folder) / "cache")
        with sharing(Path(place)) as on_xfs, giving_back.on():
            _measured(repository, Registry(on_xfs / "root", blob, shared), tags, Path(folder))


def _measured(repository: Repository, registry: Registry, tags: int, folder: Path) -> None:
    for number in range(tags):
        registry.push(number)
    files = sum(len(names) for _, _, names in os.walk(registry.root))
    print(f"{tags} tags, {files} files, {registry.blob} bytes a blob, restic {_version()}", flush=True)
    empty = folder / "empty"
    (empty / DATA / "docker").mkdir(parents=True)
    Taking(Restic(repository), empty, Nobody(), known=False).go()
    nothing = _taken(repository, empty, "nothing")
    first = _taken(repository, registry.root, "first")
    for number in range(tags, tags + max(tags // 100, 1)):
        registry.push(number)
    second = _taken(repository, registry.root, "1 % changed")
    apart = (first.seconds - nothing.seconds) / (second.seconds - nothing.seconds)
    work = (first.processor - nothing.processor) / (second.processor - nothing.processor)
    print(f"the second is {first.seconds / second.seconds:.1f} times as fast as the first", end="; ")
    print(f"without what nothing takes: {apart:.1f} times, by the processor's seconds {work:.1f}", flush=True)


def _copied(root: Path, copy: Path) -> None:
    begin = time.monotonic()
    shutil.copytree(root, copy, symlinks=True)
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
        shared=bool(os.environ.get("SHARED")),
    )
