"""The ledger: which files the program wrote on this host, for whom, and with which content.

By the digest of what was written last, a file that was changed by hand can be told from ours.
"""

from __future__ import annotations

import hashlib
import os

FOLDER = "/var/lib/docker-registry/files"


def entry_name(path: str) -> str:
    """What the entry of a path is called. The script that installs the tools does the same by sed."""
    return path.replace("%", "%25").replace("/", "%2F")


def paths_of(owner: str) -> list[str]:
    """The paths that were written for somebody."""
    try:
        names = sorted(os.listdir(FOLDER))
    except FileNotFoundError:
        return []
    paths = [name.replace("%2F", "/").replace("%25", "%") for name in names if not name.endswith(".new")]
    return [path for path in paths if Entry(path).owner == owner]


def digest(path: str) -> str:
    """Of a file's content. Raises `OSError`."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Entry:
    """What is known of a path: for whom it was written, and the digests that are ours."""

    def __init__(self, path: str) -> None:
        self.place = f"{FOLDER}/{entry_name(path)}"
        self.owner = ""
        self.digests: list[str] = []
        try:
            with open(self.place, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except OSError:
            return
        self.digests = [line for line in lines if not line.startswith("for ")]
        self.owner = next((line[4:] for line in lines if line.startswith("for ")), "")

    def write(self, owner: str, digests: list[str]) -> None:
        """Notes it. Raises `OSError`."""
        self.owner, self.digests = owner, digests
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        with open(f"{self.place}.new", "w", encoding="utf-8") as file:
            file.write("\n".join([f"for {owner}", *digests, ""]))
        os.replace(f"{self.place}.new", self.place)

    def forget(self) -> None:
        """It is not ours any more."""
        if os.path.exists(self.place):
            os.unlink(self.place)
