"""Reads the text of files that belong together, as the host does."""

from __future__ import annotations

from collections.abc import Iterator

from rendering.bundle import Entry


def entries_of(text: str) -> Iterator[Entry]:
    """The entries of a bundle."""
    rest = text.encode()
    while rest and rest != b"== end\n":
        head, _, rest = rest.partition(b"\n")
        _, path, size, mode, owner = head.decode().split(" ")
        content = None if size == "-" else rest[: int(size)].decode()
        rest = rest if size == "-" else rest[int(size) :]
        yield Entry(path, mode, owner, content)
