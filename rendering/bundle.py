"""Files that belong together as one text, as the host's tool `put-files` reads them: a head before each."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A file, or without content a directory: absolute path, octal mode, `user:group`."""

    path: str
    mode: str
    owner: str
    content: str | None = None


def bundle(entries: Iterable[Entry]) -> str:
    """The text of some entries. Directories come before what lies in them."""
    parts = []
    for entry in entries:
        size = "-" if entry.content is None else len(entry.content.encode())
        parts.append(f"== {entry.path} {size} {entry.mode} {entry.owner}\n{entry.content or ''}")
    return "".join([*parts, "== end\n"])
