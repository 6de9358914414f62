"""The backups in a repository: what one is made of, which there are, and which one somebody means.

A backup is four snapshots of one run, made one after the other while no content can be removed:

1. the tags, with the records of what can be brought back,
2. all other links,
3. the content,
4. accounts, certificates and keys.

Distribution writes content, then links, then tags. In this order all that a tag of the first needs is in the others,
whatever is pushed meanwhile. Without the fourth it is no backup: whoever made it may have died, and with him the lock
that kept content from being removed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from registryctl.endings import EndError, UsageError
from registryctl.restic import Restic, ResticError

MARK = "docker-registry"
"""The tag of all our snapshots: others may lie in the same repository."""
TAGS, LINKS, BLOBS, HOST = "tags", "links", "blobs", "host"
PARTS = (TAGS, LINKS, BLOBS, HOST)

_AHEAD = 86400
"""Seconds by which a backup may be younger than now: clocks differ."""
_FORMAT = "%Y%m%dT%H%M%SZ"
_RUN = re.compile(r"\d{8}T\d{6}Z")
_MOMENTS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_NANOSECONDS = re.compile(r"\.\d+")


@dataclass
class Backup:
    """One run."""

    run: str
    """Its name: when it began, in UTC."""
    stack: str
    time: float
    """When it began, in seconds since 1970."""
    parts: dict[str, str] = field(default_factory=dict)
    """Part → the snapshot that counts: the last one."""
    snapshots: list[str] = field(default_factory=list)
    """All of this run."""
    by: str = ""
    """Which host made it, if that is known."""

    @property
    def whole(self) -> bool:
        """Whether it can be restored."""
        return all(part in self.parts for part in PARTS)

    @property
    def said(self) -> str:
        """When it began, for people."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.time))


def backups(restic: Restic) -> list[Backup]:
    """Those of the repository's stack, the oldest first."""
    words = ["--host", restic.repository.stack] if restic.repository.stack else []
    found: dict[tuple[str, str], Backup] = {}
    for one in sorted(restic.json("snapshots", "--tag", MARK, *words) or (), key=lambda its: str(its["time"])):
        its = dict(tag.split("=", 1) for tag in one.get("tags") or () if "=" in tag)
        run, part = its.get("run", ""), its.get("part", "")
        if is_run(run) and part in PARTS:
            key = (str(one["hostname"]), run)
            backup = found.setdefault(key, Backup(run, key[0], moment_of(run)))
            backup.parts[part] = str(one["id"])
            backup.snapshots.append(str(one["id"]))
            backup.by = its.get("by", backup.by)
    stacks = sorted({stack for stack, _ in found})
    if not restic.repository.stack and len(stacks) > 1:
        raise EndError("UNMATCHED", f"the repository has backups of several registries; --stack {' or '.join(stacks)}")
    return sorted(found.values(), key=lambda its: its.run)


def is_run(run: str) -> bool:
    """Whether a run can be called so."""
    try:
        return bool(_RUN.fullmatch(run) and moment_of(run))
    except ValueError:
        return False


def moment_of(run: str) -> float:
    """When a run began, by its name."""
    return datetime.strptime(f"{run[:-1]}+0000", f"{_FORMAT[:-1]}%z").timestamp()


def name_of(now: float) -> str:
    """The name of a run that begins now."""
    return time.strftime(_FORMAT, time.gmtime(now))


def until(text: str) -> float:
    """The last moment that somebody means by a day, a time or the name of a run; local time where he did not say."""
    if is_run(text):
        return moment_of(text)
    zoned = text.replace("Z", "+0000") if text.endswith("Z") else text
    for form in (f"{one}%z" for one in _MOMENTS):
        try:
            return datetime.strptime(zoned, form).timestamp()
        except ValueError:
            continue
    for form in _MOMENTS:
        try:
            return datetime.strptime(text, form).astimezone().timestamp()
        except ValueError:
            continue
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        raise UsageError(f"{text} is no day, no time and no run: 2026-11-20, 2026-11-20T10:00, or as listed") from None
    return day.replace(hour=23, minute=59, second=59).astimezone().timestamp()


def is_of_the_future(backup: Backup, now: float) -> bool:
    """Whether a clock was wrong when it was made, or is: which backup is the newest, nobody knows then."""
    return backup.time > now + _AHEAD


def chosen(found: Sequence[Backup], text: str | None, now: float | None = None) -> Backup:
    """The newest whole backup, or the newest at a moment. Raises `EndError`."""
    whole = [backup for backup in found if backup.whole]
    if text is not None:
        end = until(text)
        whole = [backup for backup in whole if backup.time <= end]
    if not whole:
        when = f" of {text} or before" if text is not None else ""
        raise EndError("MANIFEST_UNKNOWN", f"there is no whole backup{when}; registryctl backup list shows all")
    if text is None and is_of_the_future(whole[-1], time.time() if now is None else now):
        why = "a clock was wrong, or is, and the newest need not be the last"
        raise EndError("UNREADABLE", f"the backup {whole[-1].run} is of the future: {why}; --from says which is meant")
    return whole[-1]


def newest_part(found: Iterable[Backup], part: str) -> str | None:
    """The newest snapshot of a part: what is the same there need not be read again."""
    ids = [backup.parts[part] for backup in found if part in backup.parts]
    return ids[-1] if ids else None


def ensure(restic: Restic, *, known: bool) -> list[Backup] | None:
    """As `backups`; None: the repository had to be made. `known`: it was there, and is not made anew if it is gone.

    Each run of restic tries the password, which is slow on purpose: none is there only to see whether it opens.
    """
    try:
        return backups(restic)
    except ResticError as error:
        if error.kind != "MISSING":
            raise
        if known:
            text = f"{error}; it was there before. Is its disk mounted? registryctl backup --init makes another"
            raise ResticError("MISSING", text) from None
        restic.run("init")
        return None
