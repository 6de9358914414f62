"""The barrier of a host that is not alone with its bucket: within it, no host has a process that could write there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress

from registryctl.bucket import Bucket
from registryctl.hosts import times
from registryctl.hosts.holding import Held, Holding, Own
from registryctl.hosts.messages import Entry
from registryctl.hosts.run import Clock, Others, Run, entries, merged
from registryctl.journals import BarrierError, BrokenOffError, BusyError, Journal
from registryctl.storage import AwayError, StorageError


class PeerBarrier:
    """The barrier of all hosts that write to a bucket, for one caller on one of them. All may raise AwayError.

    `local` is that of this host, `me` how the others know it, `patience` how many seconds the turn of others is waited
    for, `looking` what only one process of this host may be within. Other hosts hold for as long as they hear of this
    one, and a little longer. If it stops, they go on.
    """

    def __init__(
        self,
        local: Own,
        bucket: Bucket,
        me: Entry,
        reason: str,
        *,
        patience: float = 900,
        clock: Clock | None = None,
        looking: Callable[[], AbstractContextManager[None]] = nullcontext,
        hold: Callable[[Sequence[int]], Held] = Holding,
    ) -> None:
        self._local = local
        self._bucket = bucket
        self._me = me
        self._reason = reason
        self._patience = patience
        self._clock = clock or Clock()
        self._looking = looking
        self._run: Run | None = None
        self._is_closed = False
        self._hold = hold
        self._held: Held | None = None
        self._unsure = self._guarded = float("-inf")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Within it no tool removes or brings back anything, on no host. BusyError: it did not come in time."""
        end = self._clock.now() + self._patience
        others = Others(self._bucket, self._me.identity, self._clock.now)
        with ExitStack() as held:
            while not self._took_turn(held, others, end):
                # Its service takes this host's turn meanwhile, and gives it to the other.
                self._make_way(others, end)
            try:
                yield
            finally:
                self._run = None

    def _make_way(self, others: Others, end: float) -> None:
        with _in_words():
            while (other := others.first()) is not None:
                if self._clock.now() > end:
                    raise BusyError(f"another tool ({other.reason} of {other.stack}) has been at the same bucket")
                self._clock.pause(times.PAUSE)

    def _took_turn(self, held: ExitStack, others: Others, end: float) -> bool:
        with ExitStack() as tried, _in_words():
            tried.enter_context(self._local.turn())
            run = Run(self._bucket, self._me, "run", self._reason, self._clock)
            tried.callback(_end, run)
            run.want("turn")
            run.find_peers()
            if not self._granted(run, others, end):
                return False
            run.grant()
            tried.enter_context(_beats(run))
            held.enter_context(tried.pop_all())
            self._run = run
        return True

    def _granted(self, run: Run, others: Others, end: float) -> bool:
        """Whether all give way to this run; False: this one gives way to another."""
        silent = self._clock.now() + times.SILENT
        while not run.reached("turn", silent=silent, patience=end):
            if others.first() is not None:
                return False
            self._clock.pause(times.PAUSE)
            run.beat()
        return True

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Within it no process lives, on any host, that could write. BarrierError, and nothing was begun."""
        run = self._run
        if run is None:
            raise BarrierError("it is not this tool's turn")
        with _in_words():
            run.want("closed")
        try:
            # All close at the same time: so pushes wait nowhere longer than needed.
            with self._local.closed():
                with _in_words():
                    self._await_closed(run)
                self._held = self._hold(self._local.locks)
                self._is_closed = True
                try:
                    yield
                except BaseException:
                    # Something may be under way that nobody waited for.
                    self._unsure = self._guarded
                    raise
                finally:
                    self._outlast()
                    self._held.end()
        finally:
            self._is_closed = False
            with suppress(StorageError):
                run.want("turn")

    def _await_closed(self, run: Run) -> None:
        drain = max((answer.drain for answer in run.answers.values()), default=0)
        end = self._clock.now() + drain + times.CLOSING
        while not run.reached("closed", silent=end, patience=end):
            if self._clock.now() > end:
                raise BarrierError("another host, which writes to the same bucket, does not stop its writes")
            self._clock.pause(times.PAUSE)
            run.beat()
        run.check("closed")

    def guard(self) -> None:
        """To be asked before each removal. BrokenOffError: it must not be sent."""
        if self._run is None:
            raise BarrierError("it is not this tool's turn")
        try:
            self._run.check("closed" if self._is_closed else "turn")
            if self._is_closed and self._held is not None:
                # If this process is killed now, this host too goes on only once what is sent has ended.
                self._held.until(times.MARGIN)
                self._guarded = self._clock.now()
        except (BarrierError, StorageError, OSError) as error:
            raise BrokenOffError(f"stopped halfway, and the next run goes on from there: {error}") from error

    def unsure(self) -> None:
        """Nobody knows whether a removal that was sent is carried out, or will be."""
        self._unsure = self._clock.now()

    def _outlast(self) -> None:
        """Nobody writes before the store must have ended what it was sent."""
        while self._clock.now() < self._unsure + times.MARGIN:
            self._clock.pause(times.PAUSE)

    def others(self) -> list[str]:
        """The names of all other hosts. Raises BarrierError."""
        with _in_words():
            return [one.name for identity, one in entries(self._bucket).items() if identity != self._me.identity]

    def journals(self) -> list[Journal]:
        """Those of all hosts; what others have they are asked for. BarrierError: one does not say."""
        with _in_words():
            if self._run is not None:
                return [*self._local.journals(), *self._run.journals()]
            with self._looking():
                return [*self._local.journals(), *self._asked()]

    def _asked(self) -> list[Journal]:
        run = Run(self._bucket, self._me, "look", self._reason, self._clock)
        run.find_peers()
        if not run.peers:
            return []
        try:
            run.want("journals")
            end = self._clock.now() + times.SILENT
            while not run.reached("journals", silent=end, patience=end):
                self._clock.pause(times.PAUSE)
                run.beat()
            return run.journals()
        finally:
            _end(run)

    def forget(self, names: Iterable[str]) -> None:
        """Deletes journals of generations that have ended; those of others are forgotten when this has ended."""
        if not self._is_closed or self._run is None:
            raise BarrierError("generations may live")
        wanted = list(names)
        self._local.forget([name for name in wanted if "/" not in name])
        self._run.forget = merged(self._run.forget, [name for name in wanted if "/" in name])


def _end(run: Run) -> None:
    """Where that can't be said, others notice by themselves, later.

    Who makes room is waited for: the next tool's request takes the place of this one, and who had not read that it has
    ended would be busy with it for a lease more.
    """
    with suppress(StorageError):
        held = [peer for peer, answer in run.answers.items() if answer.state in {"turn", "closed"}]
        run.want("end")
        end = run.clock.now() + times.ENDING
        while any(peer in run.answers and run.answers[peer].state != "ended" for peer in held):
            if run.clock.now() > end:
                return
            run.clock.pause(times.PAUSE)
            run.listen()


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise AwayError(f"the object store gives no answer: {error}") from error


@contextmanager
def _beats(run: Run) -> Iterator[None]:
    """Others hear of this run while it works, and for no longer than this process lives."""
    if not run.clock.beats:
        yield
        return
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(times.BEAT):
            # A beat that is lost is followed by another; if many are, the guard says so.
            with suppress(StorageError):
                run.beat()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
