"""Brings parts of a backup to this host: beside the registry's files first, and in place once they are found good."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.backups import BLOBS, HOST, Backup
from registryctl.digests import is_digest
from registryctl.layout import BLOBS as BLOBS_TOP
from registryctl.layout import blob_path
from registryctl.restic import Restic, ResticError
from registryctl.storage import NoRoom
from registryctl.taking import DATA

STAGE = "docker-registry/restore"
"""Out of the container's reach: it must not have keys and accounts, nor lead by a link what root writes here."""
_NEAR = f"{DATA}/restore"
"""For content and links, where the storage has a disk of its own: on that disk. The container, which sees it, can't
look in, and what it puts in its place is not what is used here."""
_INNER = "stage"
_NOBODY = 65534
"""Owns that: root in the container has no right to what is another one's."""

_PORTION = 4 << 30
"""Bytes that are fetched at a time: what an interruption costs, and the room that is needed besides."""
_SPARE = 64 << 20
_WORDS = 500
"""Paths in one command line."""


def make_directory(path: Path) -> None:
    """With those that lead there, each with owner and mode of the one it is made in."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for new in reversed(missing):
        found = new.parent.stat()
        new.mkdir()
        os.chown(new, found.st_uid, found.st_gid)
        new.chmod(found.st_mode & 0o7777)


def hash_of(path: Path, algorithm: str) -> str:
    """The digest's digits of a file's content."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def renamed(source: Path, target: Path) -> bool:
    """Whether that can be done: a mount may lie in between, also of the same disk."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _put(source: Path, target: Path) -> None:
    """In one step, also where the blobs have a disk of their own."""
    if renamed(source, target):
        return
    new = target.with_name(f"{target.name}.tmp")
    new.unlink(missing_ok=True)
    # The container reaches it: where it puts a link, nothing is written.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with source.open("rb") as staged, os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(staged, file, 1 << 20)
        found = os.fstat(staged.fileno())
        os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o7777)
        os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fsync(descriptor)
    new.replace(target)


@dataclass
class Stage:
    """A backup, and the storage root below which it is to be."""

    restic: Restic
    backup: Backup
    root: Path
    good: set[str] = field(default_factory=set)
    """Blobs whose content was found to be what their digests say."""
    lost: set[str] = field(default_factory=set)
    """Blobs that are in the backup and did not come whole."""
    fetched: int = 0
    """Bytes of content."""
    damage: str = ""
    """What restic said when something did not come."""
    _held: int | None = None
    """The directory near the storage: by its name there might be another by now."""

    @property
    def path(self) -> Path:
        """Where content and links are staged: on the storage's disk."""
        # Newer releases of restic take a target away that is no directory by itself: its name is below.
        held = Path(f"/proc/{os.getpid()}/fd/{self._held}") / _INNER
        return held if self._held is not None else self.root / STAGE

    def _is_apart(self) -> bool:
        """Whether the storage has a disk of its own."""
        try:
            return (self.root / DATA).stat().st_dev != (self.root / DATA).parent.stat().st_dev
        except OSError:
            return False

    @property
    def host(self) -> Path:
        """Where the host's own files are staged."""
        return self.root / STAGE

    @property
    def data(self) -> Path:
        """The staged storage."""
        return self.path / DATA

    def clear(self) -> None:
        """Away with what is staged."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
        for path in (self.root / _NEAR, self.host):
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                shutil.rmtree(path)

    def begin(self) -> None:
        """An empty stage."""
        self.clear()
        make_directory(self.host)
        self.host.chmod(0o700)
        if self._is_apart():
            self._hold(self.root / _NEAR)

    def _hold(self, path: Path) -> None:
        """Makes a directory that the container can't look into, and keeps it by what it is. Raises `OSError`."""
        path.mkdir(mode=0o700)
        self._held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.geteuid() == 0:
            os.fchown(self._held, _NOBODY, _NOBODY)
        os.fchmod(self._held, 0o700)
        if os.listdir(self._held):  # noqa: PTH208 - it is no path
            raise FileExistsError(errno.EEXIST, "somebody else writes there", str(path))
        os.mkdir(_INNER, 0o700, dir_fd=self._held)

    def fetch(self, part: str, paths: Iterable[str] = ()) -> None:
        """Stages a part, or only some paths of it, from the storage root on. What is damaged does not come."""
        target = str(self.host if part == HOST else self.path)
        wanted = [word for path in paths for word in ("--include", f"/{path}")]
        for first in range(0, len(wanted) or 1, _WORDS):
            some = wanted[first : first + _WORDS]
            try:
                self.restic.run("restore", self.backup.parts[part], "--target", target, *some)
            except ResticError as error:
                if error.kind != "DAMAGED":
                    raise
                self.damage = str(error)

    def missing(self) -> Iterator[tuple[str, int]]:
        """The blobs of the backup, with their bytes, that are not here or not whole: a disk may have damaged them."""
        top = f"/{DATA}/{BLOBS_TOP}/"
        for one in self.restic.lines("ls", "--recursive", self.backup.parts[BLOBS], f"/{DATA}/{BLOBS_TOP}"):
            path = str(one.get("path", ""))
            parts = path.removeprefix(top).split("/")
            digest, size = f"{parts[0]}:{parts[-2:][0]}", int(one.get("size", 0))
            # Whatever else lies there is nobody's content.
            if one.get("type") != "file" or not is_digest(digest) or path != f"/{DATA}/{blob_path(digest)}":
                continue
            if not self.is_good(digest):
                yield digest, size

    def content(self) -> None:
        """Brings all content that is not here, in portions. Cut off, the next run goes on with what is missing."""
        folders: dict[str, int] = {}
        wanted: dict[str, list[str]] = {}
        try:
            for digest, size in self.missing():
                folder = blob_path(digest).rsplit("/", 2)[0]
                folders[folder] = folders.get(folder, 0) + size
                wanted.setdefault(folder, []).append(digest)
        except ResticError as error:
            if error.kind != "DAMAGED":
                raise
            self._bring_unlisted(error)
            return
        self.need(sum(folders.values()) + min(max(folders.values(), default=0), _PORTION))
        portion: list[str] = []
        for folder in sorted(folders):
            if portion and sum(folders[one] for one in portion) + folders[folder] > _PORTION:
                self._bring(portion, wanted)
                portion = []
            portion.append(folder)
        if portion:
            self._bring(portion, wanted)

    def _bring(self, folders: list[str], wanted: dict[str, list[str]]) -> None:
        self.fetch(BLOBS, [f"{DATA}/{folder}" for folder in folders])
        self.take(digest for folder in folders for digest in wanted[folder])
        shutil.rmtree(self.data / BLOBS_TOP, ignore_errors=True)

    def _bring_unlisted(self, error: ResticError) -> None:
        """restic ends a listing at the first directory that is damaged; all others it brings. How much is not known."""
        self.damage = str(error)
        self.fetch(BLOBS)
        top = self.data / BLOBS_TOP
        found = (f"{path.parts[-4]}:{path.parts[-2]}" for path in top.glob("*/*/*/data"))
        self.take(digest for digest in found if is_digest(digest) and not self.is_good(digest))
        shutil.rmtree(top, ignore_errors=True)

    def blobs(self, digests: Iterable[str]) -> None:
        """Brings some blobs."""
        wanted = sorted(digests)
        if wanted:
            self.fetch(BLOBS, [f"{DATA}/{blob_path(digest)}" for digest in wanted])
            self.take(wanted)

    def take(self, digests: Iterable[str]) -> None:
        """Puts staged blobs in place that are what their digests say; the others are lost."""
        moves = []
        for digest in digests:
            staged = self.data / blob_path(digest)
            algorithm, _, name = digest.partition(":")
            if not staged.is_file() or hash_of(staged, algorithm) != name:
                self.lost.add(digest)
                continue
            self.fetched += staged.stat().st_size
            moves.append((digest, staged))
        # Durable before it is in place: a name stands for whole content.
        os.sync()
        for digest, staged in moves:
            target = self.root / DATA / blob_path(digest)
            make_directory(target.parent)
            _put(staged, target)
            self.good.add(digest)
            self.lost.discard(digest)

    def is_good(self, digest: str) -> bool:
        """Whether a blob is here and its content what its digest says; read once."""
        if digest in self.good:
            return True
        algorithm, _, name = digest.partition(":")
        try:
            whole = hash_of(self.root / DATA / blob_path(digest), algorithm) == name
        except OSError:
            return False
        if whole:
            self.good.add(digest)
        return whole

    def need(self, size: int) -> None:
        """Raises `NoRoom` where the disk does not have it."""
        found = os.statvfs(self.path)
        free = found.f_bavail * found.f_frsize
        if size + _SPARE > free:
            raise NoRoom(f"{(size + _SPARE) >> 20} MB are needed and {free >> 20} MB are free below {self.root}")
