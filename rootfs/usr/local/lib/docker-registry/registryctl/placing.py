"""Puts a staged backup in place: links and tags, once it is known what of their content is there; the host's files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from registryctl import trash
from registryctl.digests import is_sha256
from registryctl.files import FileStorage
from registryctl.layout import REPOSITORIES, TRASH, LayerLink, Revision, TagLink, blob_path, is_repository
from registryctl.model import Contents, Needs, Repository, needs
from registryctl.reading import read_catalogue, read_repository
from registryctl.staging import Stage, make_directory, renamed
from registryctl.storage import NotThere, Storage, StorageError
from registryctl.taking import DATA, LOGS, UNITS
from registryctl.undo import bring_back


@dataclass
class Placed:
    """What came of it."""

    repositories: int = 0
    tags: int = 0
    manifests: int = 0
    blobs: int = 0
    mended: int = 0
    """Links that somebody deleted while the backup was made, and that its tags need."""
    broken: dict[str, str] = field(default_factory=dict)
    """`NAME:TAG` → what it lacks."""
    kept: list[str] = field(default_factory=list)
    """`NAME:TAG` that lead elsewhere by now, and stay so."""
    there: list[str] = field(default_factory=list)
    """`NAME:TAG` and `NAME@DIGEST` that are there already, as they were."""
    files: list[str] = field(default_factory=list)
    """The host's own files that came."""
    stays: list[str] = field(default_factory=list)
    """Those of which there were others already."""


@dataclass
class Links:
    """Places all repositories of a stage."""

    stage: Stage
    placed: Placed

    def __post_init__(self) -> None:
        self._live = FileStorage(self.stage.root / DATA)
        self._staged = FileStorage(self.stage.data)

    def look(self) -> None:
        """Before anything is placed: mends links in the stage, and says which tags lack something."""
        for name in self._names():
            self._look(read_repository(self._staged, name))

    def _names(self) -> list[str]:
        try:
            return [name for name in read_catalogue(self._staged).names if is_repository(name)]
        except NotThere:
            return []

    def _look(self, its: Repository) -> None:
        contents = Contents(self._live, its.revisions, its.layers)
        subjects = contents.subjects(its.revisions)[0]
        self.placed.repositories += 1
        self.placed.tags += len(its.tags)
        for tag, why in its.broken.items():
            self.placed.broken[f"{its.name}:{tag}"] = why
        for tag, digest in its.tags.items():
            found = needs(its.revisions, contents, subjects, [digest])
            when = self._staged.time(TagLink(its.name, tag).path)
            self._mend(its, found, when)
            if lack := self._lack(contents, found):
                self.placed.broken[f"{its.name}:{tag}"] = lack
        self.placed.manifests += len(its.revisions)

    def _mend(self, its: Repository, found: Needs, when: int) -> None:
        """A tag may be older than the rest of its backup: who deleted its image meanwhile took links, no content."""
        if found.faults:
            return
        for digest in found.manifests - its.revisions.keys() - its.layers.keys():
            self._write(Revision(its.name, digest).path, digest, when)
            its.revisions[digest] = digest
        for digest in filter(is_sha256, found.blobs - its.layers.keys() - its.revisions.keys()):
            if self._is_here(digest):
                self._write(LayerLink(its.name, digest).path, digest, when)
                its.layers[digest] = digest

    def _write(self, path: str, digest: str, when: int) -> None:
        self._staged.write(path, digest.encode(), when)
        self.placed.mended += 1

    def _is_here(self, digest: str) -> bool:
        try:
            self._live.size(blob_path(digest))
        except StorageError:
            return False
        return True

    def _lack(self, contents: Contents, found: Needs) -> str:
        for digest, why in found.faults.items():
            return f"manifest {digest}: {why}"
        for digest in sorted({contents.target(name) for name in found}):
            if not self.stage.is_good(digest):
                return f"content {digest}: {'it is damaged' if self._is_here(digest) else 'it is missing'}"
        return ""

    def place(self) -> None:
        """Puts them in place. Only while nobody writes."""
        for name in self._names():
            if not self._move(name):
                self._add(name)
        self._records()

    def _move(self, name: str) -> bool:
        """A repository that is not here: as a whole, its tags last."""
        live, staged = (root / REPOSITORIES / name for root in (self.stage.root / DATA, self.stage.data))
        if any((live / part).exists() for part in ("_layers", "_manifests")):
            return False
        make_directory(live)
        # Restic alone knows what damage took: then all that is left stays.
        if not self.stage.damage:
            _drop_halves(staged / "_manifests/tags")
        for part in ("_layers", "_manifests"):
            if (staged / part).exists() and not renamed(staged / part, live / part):
                return False
        return True

    def _add(self, name: str) -> None:
        """One that is here: what it lacks comes, what it has stays."""
        record = trash.Contents(self.stage.backup.run, "restore", {name: part_of(self._staged, name)})
        undone = bring_back(self._live, record)
        self.placed.kept += undone.moved
        self.placed.stays += undone.left

    def _records(self) -> None:
        """What can be brought back."""
        staged, live = (root / TRASH for root in (self.stage.data, self.stage.root / DATA))
        for record in sorted(staged.glob("*.json")) if staged.is_dir() else ():
            if not (live / record.name).exists():
                make_directory(live)
                if not renamed(record, live / record.name):
                    self._live.write(f"{TRASH}/{record.name}", record.read_bytes())


def _drop_halves(tags: Path) -> None:
    """Tags that were being deleted while they were read: the registry would list them, and find nothing."""
    for tag in sorted(tags.iterdir()) if tags.is_dir() else ():
        if tag.is_dir() and not tag.is_symlink() and not (tag / "current/link").exists():
            shutil.rmtree(tag)


def part_of(storage: Storage, name: str) -> trash.Part:
    """All links of a repository, with their times."""
    its = read_repository(storage, name)
    return trash.Part(
        {tag: (digest, storage.time(TagLink(name, tag).path)) for tag, digest in its.tags.items()},
        its.revisions,
        its.signatures,
        its.layers,
        [],
        {digest: storage.time(Revision(name, digest).path) for digest in its.revisions},
    )


def place_files(stage: Stage, placed: Placed) -> None:
    """The host's own files, as far as there are no others: a certificate and its key belong together."""
    for unit in _units(stage.host):
        source, target = stage.host / unit, stage.root / unit
        if not os.path.lexists(source):
            continue
        # Cut off halfway, the next run goes on: what is there by then is ours.
        begun = target.with_name(f".{target.name}.restoring~")
        if _is_taken(target) and not begun.exists():
            placed.stays.append(unit)
            continue
        _make_way(source, target)
        begun.touch()
        _move(source, target)
        begun.unlink()
        placed.files.append(unit)


def _units(staged: Path) -> Iterator[str]:
    for unit in (*UNITS, LOGS):
        if unit == "nginx/etc/tls" and (staged / unit).is_dir():
            yield from sorted(f"{unit}/{mode.name}" for mode in (staged / unit).iterdir())
        else:
            yield unit


def _is_taken(target: Path) -> bool:
    """Whether something is there: a file, or a directory in which any is but the bundle that every `up` writes."""
    if not target.is_dir() or target.is_symlink():
        return os.path.lexists(target)
    return any(name != "server-ca.pem" for _, _, names in os.walk(target) for name in names)


def _move(source: Path, target: Path) -> None:
    """A directory that is there already keeps owner and mode. What else is there stays: it may be newer by now."""
    if target.is_dir() and source.is_dir() and not source.is_symlink():
        for inner in sorted(source.iterdir()):
            _move(inner, target / inner.name)
    elif not os.path.lexists(target) and not renamed(source, target):
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """To another disk, with owner and times; a link stays one."""
    found = source.lstat()
    if source.is_dir() and not source.is_symlink():
        target.mkdir(mode=0o700)
        for inner in sorted(source.iterdir()):
            _copy(inner, target / inner.name)
        shutil.copystat(source, target)
        os.chown(target, found.st_uid, found.st_gid)
        return
    new = target.with_name(f".{target.name}.new~")
    new.unlink(missing_ok=True)
    shutil.copy2(source, new, follow_symlinks=False)
    os.chown(new, found.st_uid, found.st_gid, follow_symlinks=False)
    new.replace(target)


def _make_way(source: Path, target: Path) -> None:
    """The directories that lead there, as they were."""
    if target.parent.is_dir():
        return
    _make_way(source.parent, target.parent)
    found = source.parent.stat()
    target.parent.mkdir()
    os.chown(target.parent, found.st_uid, found.st_gid)
    target.parent.chmod(found.st_mode & 0o7777)
