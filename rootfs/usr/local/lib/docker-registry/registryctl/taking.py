"""Makes a backup while pushes and pulls go on. Only what removes has to wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from registryctl import backups
from registryctl.backups import BLOBS, HOST, LINKS, MARK, TAGS, Backup
from registryctl.digests import is_digest
from registryctl.files import FileStorage
from registryctl.journals import Barrier
from registryctl.layout import BLOBS as BLOBS_TOP
from registryctl.layout import REPOSITORIES, TRASH, blob_path
from registryctl.reading import read_catalogue
from registryctl.restic import INCOMPLETE, Fault, Restic, ResticError, faults, messages
from registryctl.storage import StorageError

DATA = "docker-registry/data"
"""The registry's storage, below the storage root. All paths in a backup are from that root on."""
LOGS = "nginx/logs"
UNITS = ("docker-registry/etc/http.secret", "nginx/etc/auth", "nginx/etc/tls", "letsencrypt")
"""The host's own: the secret of uploads, the accounts, certificates with their keys, the ACME account."""

_TARGETS = {
    TAGS: (f"{DATA}/{REPOSITORIES}", f"{DATA}/{TRASH}"),
    LINKS: (f"{DATA}/{REPOSITORIES}",),
    BLOBS: (f"{DATA}/{BLOBS_TOP}",),
}
_EMPTY = f"{DATA}/docker"
"""Stands for what is not there yet: nobody has pushed."""

_ALGORITHMS = ("sha256", "sha384", "sha512")
# A repository's part can't begin with "_", a tag can: what is below tells one from the other.
_LAYERS = tuple(f"_layers/{algorithm}" for algorithm in _ALGORITHMS)
_UPLOADS = f"_uploads/{'-'.join('?' * length for length in (8, 4, 4, 4, 12))}"
# Distribution writes a file beside, and renames it.
_NEW_TAGS = ("_manifests/tags/*/current/link.*.tmp", "_manifests/tags/*/index/*/*/link.*.tmp")
_NEW_LINKS = ("_manifests/revisions/*/*/link.*.tmp", "_layers/*/*/link.*.tmp")
_EXCLUDED = {
    TAGS: (*_LAYERS, "_manifests/revisions", _UPLOADS, *_NEW_TAGS),
    LINKS: ("_manifests/tags", _UPLOADS, *_NEW_LINKS),
    BLOBS: (f"{BLOBS_TOP}/*/*/*/data.*.tmp",),
    # Of the proxy's logs one is numbers alone, and mostly a hole.
    HOST: ("*.new~", "*.new", f"{LOGS}/traffic"),
}
_LOOKED_AT, _OF_EACH = 2000, 20
"""Tags of which is looked whether their content is there: of all, and of each repository."""
_MANY, _FALL = 100, 10
"""So many files of tags are not expected to become a tenth from one backup to the next."""
_NEAR = 60
"""Seconds by which the last backup may be later than now, as a clock that is put right steps back."""
_TRIES = 3
"""How often the host's own files are read until none changed meanwhile."""


@dataclass
class Taken:
    """What came of it."""

    backup: Backup
    made: bool = False
    """Whether the repository was made."""
    faults: list[Fault] = field(default_factory=list)
    """What could not be read: it is not in the backup."""
    files: int = 0
    tags: int = 0
    """Files of tags among them."""
    bytes: int = 0
    added: int = 0
    """Bytes that are new in the repository."""
    seconds: float = 0.0


@dataclass
class Taking:
    """One backup of what is below `root`."""

    restic: Restic
    root: Path
    barrier: Barrier
    known: bool
    """Whether the repository was there before."""
    clock: Callable[[], float] = time.time
    before: int | None = 0
    """How many files of tags the last backup had. None: whatever is there is backed up."""
    by: str = ""
    """By which this host knows its own runs; none: it can't tell them from others'."""

    def go(self) -> Taken:
        """Makes it. Raises `ResticError` and what the barrier raises; then it does not count."""
        begin = time.monotonic()
        with self.barrier.turn():
            self._no_links()
            self._has_content()
            found = backups.ensure(self.restic, known=self.known)
            before, now = found or [], self.clock()
            self._is_alone(before, now)
            taken = Taken(Backup(self._name(before, now), self.restic.repository.stack, now), made=found is None)
            for part in (TAGS, LINKS, BLOBS):
                self._part(part, [path for path in _TARGETS[part] if self._is_there(path)] or [_EMPTY], before, taken)
                if part == TAGS:
                    self._has_tags(taken)
            # It takes long: its disk may be away by now.
            self._has_content()
            self._host(before, taken)
        taken.seconds = time.monotonic() - begin
        return taken

    def _no_links(self) -> None:
        """restic keeps a symbolic link as such: what it leads to would not be in the backup, and nobody would know."""
        for top in (DATA, f"{DATA}/docker", f"{DATA}/{BLOBS_TOP}", f"{DATA}/{REPOSITORIES}"):
            path = self.root / top
            for part in (path, *(sorted(path.iterdir()) if path.is_dir() else ())):
                if part.is_symlink():
                    raise ResticError("FAILED", f"{part} is a symbolic link, which no backup follows: mount it there")
        try:
            through = sorted(read_catalogue(FileStorage(self.root / DATA)).through)
        except StorageError:
            return
        for name in through:
            text = f"a symbolic link leads to the repository {name}, and no backup follows it: mount it there"
            raise ResticError("FAILED", text)

    def _is_alone(self, before: Iterable[Backup], now: float) -> None:
        """Of two hosts under one name each would take the other's backups for its own, and remove them as such."""
        told = [one for one in before if one.whole and one.by and one.time <= now + _NEAR]
        if self.before is None or not self.by or not any(one.by == self.by for one in told):
            return
        if told[-1].by != self.by:
            text = f"another host has made the backup {told[-1].run} under this stack's name, after those of this one"
            raise ResticError("FAILED", f"{text}. Turn that one off, or this one; --force goes on with this one")

    def _has_content(self) -> None:
        """A disk that is not mounted takes content away and leaves links: their backup would be whole, and nothing."""
        if self.before is None:
            return
        looked = lacking = 0
        for path in islice(self._tags(), _LOOKED_AT):
            try:
                digest = path.read_text()
                lacking += is_digest(digest) and not (self.root / DATA / blob_path(digest)).exists()
            except (OSError, UnicodeError):
                continue
            looked += 1
        if lacking * 2 > looked:
            text = f"the content of {lacking} of {looked} tags that were looked at is not there: is its disk mounted?"
            raise ResticError("FAILED", f"{text} --force backs up what is there")

    def _tags(self) -> Iterator[Path]:
        """Some of each repository."""
        try:
            names = sorted(read_catalogue(FileStorage(self.root / DATA)).names)
        except StorageError:
            return
        for name in names:
            tags = self.root / DATA / REPOSITORIES / name / "_manifests/tags"
            try:
                with os.scandir(tags) as found:
                    some = [tag.name for tag in islice(found, _OF_EACH)]
            except OSError:
                continue
            yield from (tags / tag / "current/link" for tag in some)

    def _has_tags(self, taken: Taken) -> None:
        """Where most are gone at once a disk may not be mounted, and what was pushed since lies below it."""
        taken.tags = taken.files
        if self.before is not None and self.before >= _MANY and taken.tags * _FALL < self.before:
            text = f"there were {self.before} files of tags in the last backup and there are {taken.tags}"
            raise ResticError("FAILED", f"{text}: is the registry's disk mounted? --force backs up what is there")

    @staticmethod
    def _name(before: Iterable[Backup], now: float) -> str:
        """One that no other has, after that of the last: two may begin within a second."""
        names = {backup.run for backup in before}
        now = max([now, *(backup.time + 1 for backup in before if backup.time <= now + _NEAR)])
        while (name := backups.name_of(now)) in names:
            now += 1
        return name

    def _is_there(self, path: str) -> bool:
        return not _is_gone(self.root / path)

    def _host(self, before: list[Backup], taken: Taken) -> None:
        """A certificate may be renewed just now: half of the old and half of the new would be none."""
        logs = [LOGS] if self.restic.repository.logs else []
        for number in range(_TRIES):
            targets = [path for path in (*UNITS, *logs) if self._is_there(path)]
            seen = set(self._seen())
            self._part(HOST, targets or [_EMPTY], before, taken, number)
            changed = sorted(path for path, *_ in seen ^ set(self._seen()))
            if not changed:
                return
        taken.faults.append(Fault(changed[0], "it changed each time while it was read"))

    def _seen(self) -> Iterator[tuple[str, int, int]]:
        for unit in UNITS:
            for folder, _, names in os.walk(self.root / unit):
                for name in sorted(names):
                    path = os.path.join(folder, name)  # noqa: PTH118
                    try:
                        found = os.lstat(path)
                    except OSError:
                        continue
                    yield path, found.st_mtime_ns, found.st_ino

    def _part(self, part: str, targets: list[str], before: list[Backup], taken: Taken, number: int = 0) -> None:
        """One more; `number` are those of this part that there are already: of several the last one counts."""
        run = taken.backup.run
        nothing = (f"{_EMPTY}/*",) if targets == [_EMPTY] else ()
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(backups.moment_of(run) + number))
        words = [
            *("backup", "--json", "--quiet", *self.restic.without_scan),
            *("--host", taken.backup.stack, "--time", when),
            *("--tag", ",".join([MARK, f"run={run}", *([f"by={self.by}"] if self.by else ()), f"part={part}"])),
            *_compared(part, backups.newest_part(before, part)),
            *(word for pattern in (*_EXCLUDED[part], *nothing) for word in ("--exclude", pattern)),
            *("--", *targets),
        ]
        answer = self.restic.run(*words, ok=(0, INCOMPLETE), cwd=self.root)
        summary = _summary(answer.out)
        found = [fault for fault in faults(answer.err) if part == BLOBS or not self._was_deleted(fault.path)]
        if answer.code == INCOMPLETE and not found and not faults(answer.err):
            found = [Fault(part, self.restic.last_words(self.restic.masked(answer.err)))]
        taken.faults += found
        taken.backup.parts[part] = str(summary.get("snapshot_id", ""))
        taken.files += int(summary["total_files_processed"])
        taken.bytes += int(summary.get("total_bytes_processed", 0))
        taken.added += int(summary.get("data_added", 0))

    def _was_deleted(self, path: str) -> bool:
        """By a client meanwhile, which is no fault: links, never content.

        restic names by its whole path what can't be opened, and from the root on what can't be read or listed.
        """
        return bool(path) and all(_is_gone(self.root / one) for one in (path, path.lstrip("/")))


def _is_gone(path: Path) -> bool:
    """Whether it is known that nothing is there: a disk that fails does not say so."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _compared(part: str, parent: str | None) -> tuple[str, ...]:
    """With which snapshot files are compared, so that only new ones are read. Links are read, all of them.

    Each has 71 bytes and two directories of its own: to look up what was there before takes longer.
    """
    if part in (TAGS, LINKS):
        return ("--force",)
    return ("--parent", parent) if parent else ()


def _summary(text: str) -> dict[str, Any]:
    found = list(messages(text, "summary"))
    if not found:
        raise ResticError("FAILED", "restic says nothing of the snapshot that it made")
    return found[-1]
