"""What a mirror has, on this machine: a storage to which a Distribution wrote that fetched images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from registryctl.mirrors.choice import GRACE, Bounds
from registryctl.mirrors.files import MirrorFiles, MirrorStorage
from registryctl.mirrors.trim import ASIDE, Run, Trimmed
from tests.registryctl.world import NOW, World

DAY = 86400
QUARTER = 900


class Mirrored(World):
    """Things are fetched so many days ago, and trimmed by a clock of the test's own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.files = MirrorFiles(root)
        self.now = float(NOW)
        self.pulls: dict[tuple[str, str], float] = {}

    def fetched(self, make: Callable[[], str], days: float) -> str:
        """What was put there now has that age."""
        before = self._all()
        found = make()
        self.aged(self._all() - before, days)
        return found

    def an_image(self, repository: str, tag: str, *layers: bytes, days: float) -> str:
        """An image that was fetched so long ago."""
        return self.fetched(lambda: self.image(repository, tag, *layers), days)

    def aged(self, paths: Iterable[Path], days: float) -> None:
        """They are so old."""
        when = self.now - days * DAY
        for path in paths:
            os.utime(path, (when, when))

    def used(self, repository: str, tag: str, days: float) -> None:
        """Somebody pulled it by tag so long ago."""
        self.aged([self.tag_file(repository, tag)], days)

    def trim(
        self,
        most: int | None = None,
        days: int | None = None,
        *,
        storage: MirrorStorage | None = None,
        since: float = 0,
        grace: float = GRACE,
        pause: Callable[[float], None] = lambda _: None,
    ) -> Trimmed:
        """One run."""
        return self.a_run(storage, self.bounds(most, days, since, grace), pause).go()

    @staticmethod
    def bounds(most: int | None = None, days: int | None = None, since: float = 0, grace: float = GRACE) -> Bounds:
        """What it may have."""
        return Bounds(most, days, since, grace)

    def a_run(self, storage: MirrorStorage | None, bounds: Bounds, pause: Callable[[float], None]) -> Run:
        """Not begun yet."""
        return Run(storage or self.files, self._pulled, bounds, self.now, pause)

    def trim_wholly(self, most: int | None = None, days: int | None = None, times: int = 12) -> list[Trimmed]:
        """As the timer would for a while."""
        found = []
        for _ in range(times):
            found.append(self.trim(most, days))
            self.now += QUARTER
        return found

    def sizes(self) -> Mapping[str, int]:
        """All blobs."""
        return {digest: self.blob_file(digest).stat().st_size for digest in self.blobs()}

    def aside(self) -> list[str]:
        """What was put aside."""
        return sorted(path.name for path in (self.root / ASIDE).glob("*"))

    def dangling(self) -> set[str]:
        """Layers and manifests that have a link and no content: a mirror would have to fetch them anew."""
        links = (self.v2 / "repositories").glob("**/_*/**/link")
        return {link.read_text() for link in links if "/tags/" not in str(link)} - self.blobs()

    def _pulled(self, repository: str, references: Iterable[str]) -> float:
        return max((self.pulls.get((repository, one), 0) for one in references), default=0)

    def _all(self) -> set[Path]:
        return {path for path in self.v2.rglob("*") if path.is_file()}
