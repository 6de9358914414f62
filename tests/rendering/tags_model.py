"""What a registry has of tags after pushes and deletions, where some tags can't be moved."""

from __future__ import annotations

from tests.rendering.rights_model import Kept


class Shelf:
    """Tags and manifests of some repositories. Who is not let in doesn't get here."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self.tags: dict[tuple[str, str], str] = {}
        self._manifests: set[tuple[str, str]] = set()

    def put(self, repository: str, reference: str, digest: str) -> str:
        """Pushes an image by tag or digest; the answer's status."""
        if ":" not in reference:
            has = self.tags.get((repository, reference), digest)
            if has != digest and self._kept.covers(repository, reference):
                return "409"
            self.tags[repository, reference] = digest
        self._manifests.add((repository, digest))
        return "201"

    def delete(self, repository: str, reference: str) -> str:
        """Takes away a tag, or an image with all its tags; the answer's status."""
        if ":" not in reference:
            return "404" if self.tags.pop((repository, reference), None) is None else "202"
        if (repository, reference) not in self._manifests:
            return "404"
        self._manifests.remove((repository, reference))
        self.tags = {
            place: digest for place, digest in self.tags.items() if (place[0], digest) != (repository, reference)
        }
        return "202"
