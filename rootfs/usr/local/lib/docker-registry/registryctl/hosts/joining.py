"""How a host comes to be one of those that write to a bucket, and how it ceases to be one."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registryctl import durable, facts, writers
from registryctl.bucket import Bucket
from registryctl.endings import ToolError
from registryctl.facts import Store
from registryctl.hosts import times
from registryctl.hosts.messages import BARRIER, IDENTITY, Entry, Request, send
from registryctl.hosts.run import Clock, Others
from registryctl.machine import RESULTS, RUN, touch
from registryctl.storage import StorageError

HOME = RESULTS / "bucket.json"
"""What this host is called in its bucket, and how that is reached: also once its facts are gone."""

JOINED = RUN / "sockets/joined"
"""That it may write. The registry's writer waits for it; each boot clears it."""


class StillWritesError(ToolError):
    """This host's registry runs."""


@dataclass(frozen=True)
class Home:
    """See HOME."""

    entry: Entry
    store: Store


def load_home(path: Path | None = None) -> Home:
    """Raises ToolError."""
    path = path or HOME
    store = facts.load_store(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["entry"]
        entry = Entry(*(str(found[name]) for name in ("identity", "stack", "machine", "since")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{path} is not what pulumi up writes: {error!r}") from None
    if not IDENTITY.fullmatch(entry.identity):
        raise ToolError(f"{path} has no name of this host")
    return Home(entry, store)


def keep_home(said: Mapping[str, Any], stack: str, machine: str, since: str, path: Path | None = None) -> Home:
    """Writes it, with the identity that it has or a new one. `said`: the part of the facts that tells of the store.

    A stack that has another name by now, and a host, stay what they are in the bucket.
    """
    path = path or HOME
    entry = Entry(secrets.token_hex(16), stack, machine, since)
    if path.exists():
        before = load_home(path).entry
        entry = Entry(before.identity, stack, machine, before.since)
    text = json.dumps({"entry": vars(entry), "store": said}, indent=2)
    durable.put(path, f"{text}\n", 0o644)
    return load_home(path)


class Admission:
    """Whether a host may write: it is known, and no run goes on that began before it was.

    Nor was it shut down just now while it removed: what it had sent then may be carried out later.
    """

    def __init__(self, bucket: Bucket, me: Entry, clock: Clock, joined: Path | None = None) -> None:
        self._bucket = bucket
        self._me = me
        self._runs = Others(bucket, "", clock.now)
        self._joined = joined or JOINED
        self._is_known = False

    def look(self) -> bool:
        """Whether it may now. Raises StorageError."""
        if self._joined.exists():
            return True
        if not self._is_known:
            send(self._bucket, self._me.key, self._me)
            self._is_known = True
        if self._active():
            return False
        # Nobody but root comes by the upper one.
        self._joined.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._joined.parent.mkdir(mode=0o755, exist_ok=True)
        try:
            touch(self._joined)
        except OSError as error:
            raise ToolError(f"this host can't say that it may write: {error}") from None
        return True

    def waits_for(self) -> str:
        """For whom, in words."""
        return ", ".join(f"{one.reason} of {one.stack}" for one in self._active()) or "nothing"

    def _active(self) -> list[Request]:
        """The runs in the way."""
        runs = self._runs.active().items()
        return [one for host, one in runs if host != self._me.identity or one.wants == "closed"]


def join(bucket: Bucket, me: Entry, clock: Clock, *, patience: float, joined: Path | None = None) -> None:
    """Makes this host one of those that may write. Again, it says so again. Raises StorageError, ToolError.

    `patience`: how many seconds it is waited for a run to end; a store that does not answer is waited for a minute.
    """
    begin = clock.now()
    while not _said(bucket, me, last=clock.now() > begin + times.AWAY):
        clock.pause(times.PAUSE)
    admission, end = Admission(bucket, me, clock, joined), clock.now() + patience
    while not admission.look():
        if clock.now() > end:
            raise ToolError(
                f"this host must not write before {admission.waits_for()} has ended, which was at work for "
                f"{patience:g} s; pulumi up again goes on from here"
            )
        clock.pause(times.PAUSE)


def _said(bucket: Bucket, me: Entry, *, last: bool) -> bool:
    try:
        send(bucket, me.key, me)
    except StorageError:
        if last:
            raise
        return False
    return True


def leave(
    bucket: Bucket, me: Entry, *, still: bool = True, joined: Path | None = None, home: Path | None = None
) -> None:
    """Takes its entry away, its registry gone. Raises StorageError, BarrierError, StillWritesError, ToolError.

    `still`: its registry, if it runs, writes there.
    """
    if still and writers.container_process():
        raise StillWritesError("the registry runs: this host still writes to its bucket")
    # First: from here on no writer begins.
    (joined or JOINED).unlink(missing_ok=True)
    remove_entry(bucket, me)
    with suppress(FileNotFoundError):
        (home or HOME).unlink()


def remove_entry(bucket: Bucket, entry: Entry) -> None:
    """Takes away what a host has said, its entry last. Raises ToolError."""
    said = [one.key for one in bucket.list(f"{BARRIER}{entry.identity}/")]
    for why in (*bucket.remove(said).values(), *bucket.remove([entry.key]).values()):
        raise ToolError(f"the entry of {entry.name} can't be taken away: {why}")
