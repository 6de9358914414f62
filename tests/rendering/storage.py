"""A registry's storage on this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


class Storage:
    """A storage as Distribution lays it out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "repositories").mkdir(parents=True)

    def blob(self, document: object, *, pretty: bool = False) -> str:
        """Content; its digest."""
        return self.blob_of(json.dumps(document, indent=3 if pretty else None))

    def blob_of(self, text: str) -> str:
        """Content as it is; its digest."""
        name = hashlib.sha256(text.encode()).hexdigest()
        self._write(f"blobs/sha256/{name[:2]}/{name}/data", text)
        return f"sha256:{name}"

    def manifest(self, repository: str, document: object, tag: str = "", *, pretty: bool = False) -> str:
        """A manifest in a repository, under a tag perhaps; its digest."""
        digest = self.blob(document, pretty=pretty)
        self.link(f"{repository}/_manifests/revisions/{digest.replace(':', '/')}", digest)
        if tag:
            self.link(f"{repository}/_manifests/tags/{tag}/current", digest)
        return digest

    def link(self, path: str, digest: str) -> None:
        """A link of a repository."""
        self._write(f"repositories/{path}/link", digest)

    def upload(self, repository: str) -> None:
        """An upload that has begun."""
        self._write(f"repositories/{repository}/_uploads/1-2-3/startedat", "now")

    def remove(self, digest: str) -> None:
        """Content that was collected."""
        name = digest.removeprefix("sha256:")
        (self.root / f"blobs/sha256/{name[:2]}/{name}/data").unlink()

    def repositories(self) -> list[str]:
        """All directories of repositories, and those that lead there."""
        top = self.root / "repositories"
        paths = [str(path.relative_to(top)) for path in top.rglob("*") if path.is_dir()]
        return sorted(path for path in paths if "/_" not in path)

    def _write(self, path: str, content: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
