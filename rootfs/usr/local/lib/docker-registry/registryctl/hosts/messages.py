"""What hosts say to each other: small objects in the bucket they have in common. Whoever may write there is not trusted
further than that: what is not understood counts as nothing said."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from registryctl.bucket import Bucket
from registryctl.journals import Journal
from registryctl.storage import NotThere, Unreadable

TOP = "docker-registry/"
"""Below the stack's prefix, beside the registry's own `docker/`."""
ENTRIES = f"{TOP}hosts/"
BARRIER = f"{TOP}barrier/"
VERSION = 1
LIMIT = 1 << 20
"""Bytes of a message."""
JOURNALS_LIMIT = 1 << 28
"""Bytes of all journals of a host: four times that of one."""
IDENTITY = re.compile(r"[0-9a-f]{32}")
GENERATION = re.compile(r"[0-9]{1,15}-[0-9a-f]{8}")
_WORD = re.compile(r"[0-9a-f]{1,64}|")
_NAME = re.compile(r"[A-Za-z0-9._/-]*")
_LONGEST_TEXT = 300

WANTS = ("journals", "turn", "closed", "end")
STATES = ("journals", "busy", "turn", "closed", "failed", "ended")


class MessageError(Exception):
    """An object that says nothing that is understood."""


@dataclass(frozen=True)
class Entry:
    """A host that writes to the bucket."""

    identity: str
    stack: str
    machine: str = ""
    """What the host calls itself."""
    since: str = ""
    """When it began, by its clock."""

    @property
    def key(self) -> str:
        """Where it lies."""
        return f"{ENTRIES}{self.identity}.json"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.stack} ({self.machine})" if self.machine else self.stack


@dataclass(frozen=True)
class Request:
    """What a host wants of all others. Each beat is another object of the same key."""

    run: str
    beat: int
    wants: str
    stack: str
    reason: str
    grants: Mapping[str, str] = field(default_factory=dict)
    """Host → by which word it gave its turn: it closes for nobody else."""
    forget: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Host → generations of its writer of which nothing matters any more."""


@dataclass(frozen=True)
class Answer:
    """What a host says to a request."""

    run: str
    beat: int
    """The last beat that counts for it."""
    state: str
    text: str = ""
    """Why it is busy, has failed or has ended."""
    grant: str = ""
    journals: str = ""
    """The sum of its journals' object."""
    time: int = 0
    """What its clock says."""
    drain: int = 0
    """Seconds that writes under way may take there."""


def request_key(identity: str, kind: str) -> str:
    """Of a host's request; the kind is `run` or `look`."""
    return f"{BARRIER}{identity}/{kind}.json"


def answer_key(identity: str, kind: str, of: str) -> str:
    """Of another host's answer."""
    return f"{BARRIER}{identity}/{kind}.{of}.json"


def journals_key(identity: str, kind: str, of: str) -> str:
    """Of its journals."""
    return f"{BARRIER}{identity}/{kind}.{of}.journals"


def requester(key: str) -> tuple[str, str] | None:
    """Who asks, and the kind, if that is the key of a request."""
    identity, _, rest = key.removeprefix(BARRIER).partition("/")
    kind = rest.removesuffix(".json")
    known = key.startswith(BARRIER) and rest.endswith(".json") and kind in {"run", "look"}
    return (identity, kind) if known and IDENTITY.fullmatch(identity) else None


def send(bucket: Bucket, key: str, message: Entry | Request | Answer) -> None:
    """Puts a message there. Raises StorageError."""
    bucket.write(key, json.dumps({"version": VERSION, **asdict(message)}).encode() + b"\n")


def entry_of(key: str, data: bytes) -> Entry:
    """Raises MessageError."""
    found = _object(data)
    entry = Entry(*(_text(found, name) for name in ("identity", "stack", "machine", "since")))
    if entry.key != key or not IDENTITY.fullmatch(entry.identity):
        # People are told to write what names it in commands: nothing of it is repeated.
        raise MessageError("it is of another host")
    # People are told to write it in commands.
    for name in (entry.stack, entry.machine):
        _checked(name, _NAME)
    return entry


def request_of(data: bytes) -> Request:
    """Raises MessageError."""
    found = _object(data)
    wants = _text(found, "wants")
    if wants not in WANTS:
        raise MessageError(f"wants {wants}")
    grants = {key: _checked(value, _WORD) for key, value in _mapping(found, "grants").items()}
    forget = {
        key: [_checked(name, GENERATION) for name in value] if isinstance(value, list) else []
        for key, value in _mapping(found, "forget").items()
    }
    stack, reason = _text(found, "stack"), _text(found, "reason")
    return Request(_word(found, "run"), _number(found, "beat"), wants, stack, reason, grants, forget)


def answer_of(data: bytes) -> Answer:
    """Raises MessageError."""
    found = _object(data)
    state = _text(found, "state")
    if state not in STATES:
        raise MessageError(f"says {state}")
    return Answer(
        _word(found, "run"),
        _number(found, "beat"),
        state,
        _text(found, "text"),
        _word(found, "grant"),
        _word(found, "journals"),
        _number(found, "time"),
        _number(found, "drain"),
    )


def read_answer(bucket: Bucket, key: str) -> Answer | None:
    """None: nothing that is understood. Raises StorageError."""
    try:
        return answer_of(bucket.read(key, LIMIT))
    except (NotThere, Unreadable, MessageError):
        return None


def send_journals(bucket: Bucket, key: str, journals: Iterable[Journal]) -> str:
    """Puts them there: their heads in the first line, then all their lines. The sum, by which they are known."""
    heads, contents = [], []
    for journal in journals:
        content = b"".join(line + b"\n" for line in journal.lines)
        heads.append([journal.generation, journal.lives, journal.whole, journal.until, len(content)])
        contents.append(content)
    data = b"".join([json.dumps(heads).encode(), b"\n", *contents])
    bucket.write(key, data)
    return hashlib.sha256(data).hexdigest()


def read_journals(bucket: Bucket, key: str, known: str, host: str) -> list[Journal]:
    """Those that have this sum, their generations named HOST/GENERATION. Raises StorageError, MessageError."""
    data = bucket.read(key, JOURNALS_LIMIT)
    if hashlib.sha256(data).hexdigest() != known:
        raise MessageError("its journals are others than it says")
    head, _, rest = data.partition(b"\n")
    found, start = [], 0
    try:
        for generation, lives, whole, until, size in json.loads(head):
            name = _checked(generation, GENERATION)
            if not isinstance(size, int) or not isinstance(until, (int, type(None))) or size < 0:
                raise MessageError("its journals have no length")
            # Not by splitlines: what clients asked for may have other ends of lines within.
            lines = rest[start : start + size].split(b"\n")[:-1]
            found.append(Journal(f"{host}/{name}", lives is not False, whole is True, lines, until))
            start += size
    except (ValueError, TypeError, RecursionError) as error:
        raise MessageError("its journals have no head") from error
    if start != len(rest):
        raise MessageError("its journals are cut off")
    return found


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MessageError("no JSON") from error
    if not isinstance(found, dict):
        raise MessageError("no object")
    if found.get("version") != VERSION:
        raise MessageError("of another version of this program")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise MessageError(f"{name} is no text")
    return "".join(letter if letter.isprintable() else "?" for letter in value[:_LONGEST_TEXT])


def _word(found: Mapping[str, Any], name: str) -> str:
    return _checked(found.get(name), _WORD)


def _checked(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MessageError("a word that is none")
    return value


def _number(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise MessageError(f"{name} is no number")
    return value


def _mapping(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = found.get(name)
    if not isinstance(value, dict):
        raise MessageError(f"{name} is no object")
    return value
