"""What the registry's log says of its object store: why it does not answer, and whether it takes writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

LOG = Path("docker-registry/logs/registry.log")
"""Below the storage root."""

RECENT = timedelta(minutes=2)
"""An error of before does not say why the store does not answer now: the registry asks it every ten seconds."""

WRITES = timedelta(minutes=15)
"""A failed write of before says nothing of now, though none has succeeded since."""

_READ = 1 << 20
_TIME = re.compile(r'time="(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[^"]*Z" level=(\w+) ')
# Errors by other codes repeat what clients send.
# Amazon's names of errors begin with a capital. Values with a space or quotes are in quotes, those within escaped.
_ERROR = re.compile(
    r' (?:msg="storage driver health check: |err\.code=unknown err\.detail=")'
    r'(?:[^"\\]*?[ :])??([A-Z][A-Za-z]{2,60}): ((?:[^"\\]|\\.)*)"'
)
_STATUS = re.compile(r"\\n\\tstatus code: (\d{3})")
_CAUSE = re.compile(r'\\": ([^"\\]{1,200})$')
_WRITE = re.compile(r" http\.request\.method=(?:POST|PUT|PATCH|DELETE) ")
_WRITTEN = re.compile(r" http\.response\.status=20[124] ")

# Who asked did not wait for the answer: that tells nothing of the store.
_NO_ERROR = "RequestCanceled"

_WORDS = {
    "AccessDenied": "the key may not do that",
    "ExpiredToken": "the host's role has ended",
    "InsufficientStorage": "it is full",
    "InvalidAccessKeyId": "the key is not known there",
    "NoCredentialProviders": "there is no key, and the host has no role",
    "NoSuchBucket": "there is no such bucket",
    "QuotaExceeded": "it is full",
    "RequestTimeTooSkewed": "the clock of this host or of the store is wrong",
    "SerializationError": "its answer is cut, or none of S3",
    "SignatureDoesNotMatch": "the secret key is another",
    "SlowDown": "it wants fewer requests",
    "XMinioStorageFull": "it is full",
}


class Trouble(NamedTuple):
    """An error that the store gave, or that kept the registry from it."""

    time: datetime
    words: str


def why(root: Path, now: datetime) -> str:
    """What went wrong last with the store, in words; "" if nothing did of late."""
    for line in _lines(root / LOG):
        found = _trouble(line)
        if found is not None:
            return found.words if now - found.time < RECENT else ""
    return ""


def failed_write(root: Path, now: datetime) -> Trouble | None:
    """The last write, if it failed by the store and is not long ago."""
    for line in _lines(root / LOG):
        if not _WRITE.search(line):
            continue
        if _WRITTEN.search(line):
            return None
        found = _trouble(line)
        if found is not None:
            return found if now - found.time < WRITES else None
    return None


def _trouble(line: str) -> Trouble | None:
    when, error = _TIME.match(line), _ERROR.search(line)
    if when is None or error is None or when[2] != "error":
        return None
    code, rest = error.groups()
    if code == _NO_ERROR:
        return None
    status, cause = _STATUS.search(rest), _CAUSE.search(rest)
    if status is None and "s3aws: " not in error[0]:
        return None
    words = f"{code} ({status[1]})" if status else cause[1] if cause else code
    meant = _WORDS.get(code)
    time = datetime.strptime(when[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return Trouble(time, f"{words}, {meant}" if meant else words)


def _lines(path: Path) -> Iterator[str]:
    """The last lines, the newest first; none where there is no log."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _READ))
            content = file.read(_READ)
    except OSError:
        return
    yield from reversed(content.decode(errors="replace").splitlines())
