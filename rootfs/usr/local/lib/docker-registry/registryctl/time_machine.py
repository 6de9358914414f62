"""Brings single images back out of a backup, with all that they need, beside what is there now.

What comes back is written as a record, like that of a removal, and brought back as `undo` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from registryctl import trash
from registryctl.backups import LINKS, TAGS
from registryctl.endings import EndError
from registryctl.files import FileStorage
from registryctl.layout import REPOSITORIES, Revision, TagLink, is_repository
from registryctl.model import Contents, Needs, Repository, needs
from registryctl.reading import read_catalogue, read_repository
from registryctl.restic import Restic
from registryctl.selection import Request, fits, is_pattern
from registryctl.staging import Stage
from registryctl.storage import NotThere
from registryctl.taking import DATA


@dataclass
class Wanted:
    """What of one repository comes back."""

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    """Tag → digest."""
    digests: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.tags) + len(self.digests)


@dataclass
class Machine:
    """One backup, from which images are brought back below the stage's root."""

    stage: Stage
    lacks: dict[str, str] = field(default_factory=dict)
    """`NAME:TAG` or `NAME@DIGEST` → what of it the backup does not have whole. These don't come back."""

    def __post_init__(self) -> None:
        self._live = FileStorage(self.stage.root / DATA)
        self._staged = FileStorage(self.stage.data)

    def find(self, requests: Sequence[Request]) -> list[Wanted]:
        """Which images of the backup are meant. Raises `EndError` where one names none."""
        found: dict[str, Wanted] = {}
        for request in requests:
            some = [self._choice(request, name) for name in self._repositories(request.repository)]
            if not any(len(one) for one in some):
                raise EndError("UNMATCHED", f"the backup {self.stage.backup.run} has no {request.text}")
            for one in some:
                wanted = found.setdefault(one.name, Wanted(one.name))
                wanted.tags |= one.tags
                wanted.digests |= one.digests
        return [one for one in found.values() if len(one)]

    def _repositories(self, pattern: str) -> list[str]:
        """Those that fit, with their links in the stage."""
        if not is_pattern(pattern):
            self._fetch(pattern)
            return [pattern]
        before_any = pattern.partition("*")[0].partition("?")[0]
        self._fetch(before_any.rpartition("/")[0])
        try:
            names = read_catalogue(self._staged).names
        except NotThere:
            return []
        return [name for name in names if is_repository(name) and fits(pattern, name)]

    def _fetch(self, name: str) -> None:
        for part in (TAGS, LINKS):
            self.stage.fetch(part, [f"{DATA}/{REPOSITORIES}/{name}".rstrip("/")])

    def _choice(self, request: Request, name: str) -> Wanted:
        its = read_repository(self._staged, name)
        if request.digest:
            return Wanted(name, digests={request.digest} & its.revisions.keys())
        return Wanted(name, {tag: digest for tag, digest in its.tags.items() if fits(request.tag, tag)})

    def fill(self, wanted: Wanted) -> trash.Contents:
        """A record of what comes back; all its content is here by then, and whole."""
        its = read_repository(self._staged, wanted.name)
        # Signatures and the like name their image, not the other way round: all manifests have to be known.
        self._bring(its.revisions.values())
        contents, subjects = self._bring_all(its, [*wanted.tags.values(), *wanted.digests])
        part = trash.Part()
        for tag, digest in wanted.tags.items():
            if self._add(its, contents, needs(its.revisions, contents, subjects, [digest]), f"{its.name}:{tag}", part):
                part.tags[tag] = (digest, self._staged.time(TagLink(its.name, tag).path))
        for digest in wanted.digests:
            self._add(its, contents, needs(its.revisions, contents, subjects, [digest]), f"{its.name}@{digest}", part)
        return trash.Contents(self.stage.backup.run, "restore", {its.name: part})

    def _bring_all(self, its: Repository, roots: Sequence[str]) -> tuple[Contents, dict[str, list[str]]]:
        """Indexes may lie in indexes: each has to be here before it is known what it contains."""
        while True:
            contents = Contents(self._live, its.revisions, its.layers)
            subjects = contents.subjects(its.revisions)[0]
            found = needs(its.revisions, contents, subjects, roots)
            if not self._bring({contents.target(name) for name in found}):
                return contents, subjects

    def _bring(self, digests: Iterable[str]) -> bool:
        """Brings content that is not here whole; whether any came."""
        missing = {digest for digest in digests if digest not in self.stage.lost and not self.stage.is_good(digest)}
        self.stage.blobs(missing)
        return bool(missing - self.stage.lost)

    def _add(self, its: Repository, contents: Contents, found: Needs, what: str, part: trash.Part) -> bool:
        """Adds to a part what an image needs, unless something of it is not whole."""
        for digest, why in found.faults.items():
            self.lacks[what] = f"manifest {digest}: {why}"
            return False
        for digest in sorted({contents.target(name) for name in found}):
            if not self.stage.is_good(digest):
                self.lacks[what] = f"content {digest} is not whole in the backup"
                return False
        for digest in found.manifests:
            part.revisions[digest] = contents.target(digest)
            if digest in its.signatures:
                part.signatures[digest] = its.signatures[digest]
            if digest in its.revisions:
                part.times[digest] = self._staged.time(Revision(its.name, digest).path)
        for digest in found.blobs - found.manifests:
            target = contents.target(digest)
            part.layers |= {digest: target, target: target}
        return True


def renamed(record: trash.Contents, repository: str, tag: str) -> trash.Contents:
    """The one image of a record under another name."""
    ((_, part),) = record.parts.items()
    (value,) = part.tags.values()
    part.tags = {tag: value}
    return trash.Contents(record.run, record.reason, {repository: part})


def digest_in(restic: Restic, snapshot: str, request: Request) -> str:
    """What a tag was in a snapshot of tags. Raises `ResticError`."""
    return restic.run("dump", snapshot, f"/{DATA}/{TagLink(request.repository, request.tag).path}").out.strip()
