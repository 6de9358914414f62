"""`registryctl hosts serve`: the service of a host that shares its bucket, for as long as it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from registryctl import durable
from registryctl.bucket import Bucket, Object
from registryctl.endings import EndError
from registryctl.hosts import times
from registryctl.hosts.joining import Admission
from registryctl.hosts.messages import LIMIT, Entry, MessageError, entry_of
from registryctl.hosts.run import Clock
from registryctl.hosts.serve import Means, Server
from registryctl.machine import RUN
from registryctl.storage import NotThere, StorageError, Unreadable

SEEN = RUN / "hosts"
"""What the service saw last, for registry-status."""

_MOST_FAULTS = 60
"""In a row: some minutes."""


@dataclass
class Service:
    """Looks and serves, again and again."""

    means: Means
    admission: Admission
    seen: Path = SEEN
    outdated: Callable[[], bool] = lambda: False
    """Whether the store is opened by something else by now."""

    _names: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    _fault: str = ""
    _faults: int = 0
    """In a row."""

    def __post_init__(self) -> None:
        self._server = Server(self.means)

    def step(self) -> float:
        """One look; how many seconds until the next."""
        try:
            may = self.admission.look()
            hosts = self._server.look()
            found = [self._described(one, hosts) for one in hosts]
        except StorageError as error:
            self._server.expire()
            self._faults += 1
            self._tell(str(error))
            self._leave({"at": self.means.now(), "fault": str(error)})
            return times.LOOK if self._server.is_serving else times.IDLE
        self._faults = 0
        self._tell("")
        self._leave({"at": self.means.now(), "me": self.means.me.identity, "joined": may, "hosts": found})
        if self._server.is_serving or not may:
            return times.LOOK
        return times.IDLE if len(hosts) > 1 else times.ALONE

    def run(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Until it begins anew, with what opens the store by now. EndError: the store has not answered for long."""
        while self._faults < _MOST_FAULTS or self._server.is_serving:
            pause(self.step())
            # The old key may still do; it is taken away before long.
            if self.outdated() and not self._server.is_serving:
                self.means.say("the store is opened by another key or certificate now: this service begins anew")
                return
        raise EndError("FAILED", f"the store has not answered {self._faults} times: {self._fault}")

    def _described(self, one: Object, hosts: Sequence[Object]) -> dict[str, object]:
        """A host, and how many seconds ago, by the store's clock, it last gave a sign of itself."""
        return {**self._named(one), "quiet": quiet(one, hosts)}

    def _named(self, one: Object) -> Mapping[str, str]:
        etag, found = self._names.get(one.key, ("", {}))
        if etag != one.etag:
            found = described(self.means.bucket, one)
            self._names[one.key] = (one.etag, found)
        return found

    def _tell(self, fault: str) -> None:
        """Once, and when it is over."""
        if fault != self._fault:
            self.means.say(f"the store does not answer: {fault}" if fault else "the store answers again")
        self._fault = fault

    def _leave(self, found: Mapping[str, object]) -> None:
        # On a full /run the status says that nothing new was seen.
        with suppress(OSError):
            durable.put(self.seen, json.dumps(found), 0o644)


def quiet(one: Object, hosts: Sequence[Object]) -> int:
    """For how many seconds a host has given no sign of itself. The last sign of any is taken as now."""
    return (max(its.time for its in hosts) - one.time) // 1_000_000_000


def described(bucket: Bucket, one: Object) -> dict[str, str]:
    """An entry as it is told of. Raises StorageError."""
    try:
        return dict(vars(entry_of(one.key, bucket.read(one.key, LIMIT))))
    except (MessageError, NotThere, Unreadable) as error:
        return {**vars(Entry("", one.key, "", "")), "fault": str(error)}


def made(means: Means, outdated: Callable[[], bool]) -> Service:
    """Of this host."""
    return Service(means, Admission(means.bucket, means.me, Clock(means.now)), outdated=outdated)
