"""What a host does for the others of its bucket: it says that it is there, and makes room for their runs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from registryctl.bucket import Bucket, Object
from registryctl.hosts import times
from registryctl.hosts.holding import Held, Own
from registryctl.hosts.messages import (
    ENTRIES,
    LIMIT,
    TOP,
    Answer,
    Entry,
    MessageError,
    Request,
    answer_key,
    journals_key,
    request_of,
    requester,
    send,
    send_journals,
)
from registryctl.journals import BarrierError, BusyError
from registryctl.storage import NotThere, Unreadable


@dataclass(frozen=True)
class Means:
    """What a host has to serve others with."""

    bucket: Bucket
    me: Entry
    barrier: Callable[[str], Own]
    """This host's own, for somebody of whom its users are told; its turn is not waited for."""
    drain: int
    """Seconds that writes under way may take."""
    hold: Callable[[Sequence[int]], Held]
    now: Callable[[], float] = times.boottime
    wall: Callable[[], float] = time.time
    say: Callable[[str], None] = print


@dataclass
class Lease:
    """This host's turn, given to a run of another one."""

    host: str
    run: str
    reason: str
    barrier: Own
    end: float
    beat: int
    turn: ExitStack = field(default_factory=ExitStack)
    closed: ExitStack | None = None
    held: Held | None = None
    since: float = 0
    """When it was closed."""
    journals: str = ""
    """The sum of those that were sent; none: they still have to be."""
    grant: str = field(default_factory=lambda: secrets.token_hex(8))

    def open(self) -> None:
        """This host may write again."""
        closed, self.closed, self.held = self.closed, None, None
        if closed is not None:
            closed.close()


class Server:
    """One host's. It looks, and does what others ask for; all that it holds ends by itself."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._bucket = means.bucket
        self._me = means.me.identity
        self._lease: Lease | None = None
        self._done: dict[str, str] = {}
        """Key → the request that was served last."""
        self._shown = float("-inf")

    @property
    def is_serving(self) -> bool:
        """Whether a run of another host has this one's turn."""
        return self._lease is not None

    def look(self) -> list[Object]:
        """One look, and what follows from it; the entries of all hosts. Raises StorageError."""
        self.expire()
        found = list(self._bucket.list(TOP))
        hosts = [one for one in found if one.key.startswith(ENTRIES)]
        self._show(hosts)
        for one in found:
            who = requester(one.key)
            if who is not None and who[0] != self._me and self._done.get(one.key) != one.etag:
                self._serve(one.key, *who)
                # Cut off before, it is served again.
                self._done[one.key] = one.etag
        self.expire()
        return hosts

    def expire(self) -> None:
        """Ends what the other host has not gone on with."""
        lease = self._lease
        if lease is None:
            return
        # Never earlier, however long it has taken: the other host counts on that.
        if self._means.now() >= lease.end:
            self._means.say(f"{lease.reason} does not go on, or takes too long: this host writes again")
            self.release()

    def release(self) -> None:
        """Ends what is held for another host."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.open()
            lease.turn.close()

    def _show(self, hosts: Sequence[Object]) -> None:
        """That this host is there; also where somebody has taken its entry away."""
        there, now = any(one.key == self._means.me.key for one in hosts), self._means.now()
        if not there or now - self._shown >= times.REFRESH:
            send(self._bucket, self._means.me.key, self._means.me)
            self._shown = now

    def _serve(self, key: str, host: str, kind: str) -> None:
        try:
            request = request_of(self._bucket.read(key, LIMIT))
        except NotThere:
            return
        except (MessageError, Unreadable) as error:
            self._means.say(f"{key} is not understood: {error}")
            return
        if kind == "look":
            if request.wants == "journals":
                barrier = self._means.barrier("a look")
                said = send_journals(self._bucket, journals_key(host, kind, self._me), barrier.journals())
                self._answer(host, kind, request, "journals", journals=said)
        elif self._lease is not None and self._lease.run == request.run:
            self._go_on(self._lease, request)
        elif request.wants == "turn":
            self._begin(host, request)
        elif request.wants == "closed":
            self._answer(host, kind, request, "failed", "it does not hold any more: its service began anew, or waited")

    def _begin(self, host: str, request: Request) -> None:
        reason = f"{request.reason} of {request.stack}"
        if self._lease is not None:
            self._answer(host, "run", request, "busy", self._lease.reason)
            return
        barrier = self._means.barrier(reason)
        # Read by now: the other host counts from before it was written.
        lease = Lease(host, request.run, reason, barrier, self._means.now() + times.LEASE, request.beat)
        try:
            lease.turn.enter_context(barrier.turn())
        except BusyError:
            self._answer(host, "run", request, "busy", "a tool of its own is at work")
        except BarrierError as error:
            self._answer(host, "run", request, "failed", str(error))
        else:
            self._lease = lease
            self._answer_lease(lease, request)

    def _go_on(self, lease: Lease, request: Request) -> None:
        # One that came late says nothing new.
        if request.beat < lease.beat:
            return
        if request.wants == "closed" and request.grants.get(self._me) == lease.grant:
            if lease.closed is None and not self._close(lease, request):
                return
        elif lease.closed is not None:
            lease.barrier.forget(request.forget.get(self._me, ()))
            lease.journals = ""
            lease.open()
        if request.wants == "end":
            self.release()
            self._answer(lease.host, "run", request, "ended", "it was asked to")
            return
        now = self._means.now()
        if lease.closed is not None and now >= lease.since + times.LONGEST_HOLD + self._means.drain:
            return
        lease.beat, lease.end = request.beat, now + times.LEASE
        if lease.held is not None:
            lease.held.until(times.LEASE)
        self._answer_lease(lease, request)

    def _close(self, lease: Lease, request: Request) -> bool:
        """Whether nobody writes here any more."""
        closed = ExitStack()
        try:
            closed.enter_context(lease.barrier.closed())
        except BarrierError as error:
            self.release()
            self._answer(lease.host, "run", request, "failed", str(error))
            return False
        lease.closed, lease.since, lease.journals = closed, self._means.now(), ""
        lease.held = self._means.hold(lease.barrier.locks)
        closed.callback(lease.held.end)
        return True

    def _answer_lease(self, lease: Lease, request: Request) -> None:
        if not lease.journals:
            key = journals_key(lease.host, "run", self._me)
            lease.journals = send_journals(self._bucket, key, lease.barrier.journals())
        state = "turn" if lease.closed is None else "closed"
        self._answer(lease.host, "run", request, state, grant=lease.grant, journals=lease.journals)

    def _answer(
        self, host: str, kind: str, request: Request, state: str, text: str = "", *, grant: str = "", journals: str = ""
    ) -> None:
        now = int(self._means.wall())
        it = Answer(request.run, request.beat, state, text, grant, journals, now, self._means.drain)
        send(self._bucket, answer_key(host, kind, self._me), it)
