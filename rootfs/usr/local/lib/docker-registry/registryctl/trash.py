"""Records of what went, by which it can come back. What a record names counts as needed until the record goes.

A record names all that it needs, also what did not go with it: another run may take that.
"""

from __future__ import annotations

import calendar
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from registryctl.digests import is_digest
from registryctl.layout import TRASH, BadItemError, LayerLink, Record, Revision, Signature, TagLink, is_run
from registryctl.storage import NotThere, Storage, StorageError, Unreadable

LARGEST = 1 << 30
FORMAT = 1
_NAME = "%Y%m%dT%H%M%SZ"


@dataclass
class Part:
    """What went of one repository, with all that it needs, whether that went or not."""

    tags: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Tag → digest, push time in nanoseconds."""
    revisions: dict[str, str] = field(default_factory=dict)
    """Digest → target."""
    signatures: dict[str, dict[str, str]] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    """Blobs that its manifests name without a link."""
    times: dict[str, int] = field(default_factory=dict)
    """When each manifest was pushed, in nanoseconds. Layers have no such time: nothing uses it."""

    def blobs(self) -> Iterator[str]:
        """All that it holds; some twice."""
        for links in (self.revisions, self.layers, *self.signatures.values()):
            yield from links.values()
        yield from self.named


@dataclass
class Contents:
    """A record."""

    run: str
    reason: str
    parts: dict[str, Part] = field(default_factory=dict)
    """By repository."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes of the needed blobs that were there when the record was made."""

    def blobs(self) -> set[str]:
        """All blobs that it holds."""
        return {digest for part in self.parts.values() for digest in part.blobs()}


def runs(storage: Storage) -> list[str]:
    """All records, the oldest first."""
    try:
        names = [entry.name.removesuffix(".json") for entry in storage.list(TRASH) if entry.name.endswith(".json")]
    except NotThere:
        return []
    return sorted(filter(is_run, names), key=_order)


def _order(run: str) -> tuple[str, int]:
    second, _, number = run.partition("-")
    return second, int(number or 0)


def made(run: str) -> int:
    """When a record was made, by its name, in seconds. The name is known also of one that can't be read."""
    try:
        return calendar.timegm(time.strptime(run.partition("-")[0], _NAME))
    except ValueError:
        return 0


def is_old(storage: Storage, run: str, now: float, seconds: float) -> bool:
    """Whether it was made so long ago: by its name and by its file. What was believed to be the time may be behind."""
    if made(run) > now - seconds:
        return False
    try:
        written = storage.time(Record(run).path) / 1_000_000_000
    except StorageError:
        return True
    return not now - seconds < written <= now


def new_run(storage: Storage, now: float) -> str:
    """A name for a record that comes after all others, also where the clock has stepped back."""
    name = time.strftime(_NAME, time.gmtime(now))
    last = runs(storage)[-1:]
    if not last or _order(last[0]) < (name, 0):
        return name
    second, number = _order(last[0])
    return f"{second}-{number + 1}"


def _links(links: dict[str, str]) -> list[object]:
    """A link that leads where it is called takes one text."""
    return [digest if digest == target else [digest, target] for digest, target in sorted(links.items())]


def save(storage: Storage, record: Contents) -> None:
    """Writes it durably. NoRoom."""
    # Piece by piece: the whole of it twice in memory would be too much where much goes.
    text = io.BytesIO()
    text.write(_json({"format": FORMAT, "reason": record.reason})[:-1] + b',"repositories":{')
    for number, (name, part) in enumerate(record.parts.items()):
        text.write((b"," if number else b"") + _json(name) + b":" + _json(_written(part)))
    text.write(b'},"sizes":{')
    for number, (digest, size) in enumerate(record.sizes.items()):
        text.write(f'{"," if number else ""}"{digest}":{size}'.encode())
    text.write(b"}}")
    storage.write(Record(record.run).path, text.getvalue())


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _written(part: Part) -> dict[str, object]:
    return {
        "tags": part.tags,
        "revisions": _links(part.revisions),
        "signatures": {digest: _links(found) for digest, found in part.signatures.items()},
        "layers": _links(part.layers),
        "named": part.named,
        "times": part.times,
    }


def load(storage: Storage, run: str) -> Contents:
    """A record. NotThere, Unreadable."""
    if not is_run(run):
        raise NotThere(f"no record is called {run!a}")
    text = storage.read(Record(run).path, LARGEST)
    try:
        return _contents(run, json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unreadable(f"the record {run} is not understood: {error!a}") from error


def _digest(value: object) -> str:
    if not isinstance(value, str) or not is_digest(value):
        raise BadItemError(f"no digest: {value!a}")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise BadItemError(f"no number: {value!a}")
    return value


def _read_links(values: object) -> dict[str, str]:
    links = {}
    for value in cast("list[object]", values):
        digest, target = (value, value) if isinstance(value, str) else cast("list[object]", value)
        links[_digest(digest)] = _digest(target)
    return links


def _part(name: str, document: dict[str, dict[str, object]]) -> Part:
    part = Part(
        {
            tag: (_digest(digest), _number(when))
            for tag, (digest, when) in cast("dict[str, tuple[object, object]]", document["tags"]).items()
        },
        _read_links(document["revisions"]),
        {_digest(digest): _read_links(found) for digest, found in document["signatures"].items()},
        _read_links(document["layers"]),
        [_digest(digest) for digest in document["named"]],
        {key: _number(when) for key, when in document["times"].items()},
    )
    # Whatever is read here may be written by undo: it has to be what such items can be.
    for tag in part.tags:
        TagLink(name, tag)
    for digest in part.revisions:
        Revision(name, digest)
    for digest, found in part.signatures.items():
        for signature in found:
            Signature(name, digest, signature)
    for digest in part.layers:
        LayerLink(name, digest)
    return part


def _contents(run: str, document: dict[str, object]) -> Contents:
    if document["format"] != FORMAT:
        raise BadItemError("another format")
    parts = cast("dict[str, dict[str, dict[str, object]]]", document["repositories"])
    sizes = cast("dict[str, object]", document["sizes"])
    return Contents(
        run,
        str(document["reason"]),
        {name: _part(name, part) for name, part in parts.items()},
        {_digest(digest): _number(size) for digest, size in sizes.items()},
    )


def empty(storage: Storage, run: str) -> None:
    """Removes a record; what only it held goes with the next clean-up. Only within the turn."""
    if run not in runs(storage):
        raise NotThere(f"no record is called {run!a}")
    storage.remove(Record(run).path)
    for why in storage.settle().values():
        raise StorageError(why)
