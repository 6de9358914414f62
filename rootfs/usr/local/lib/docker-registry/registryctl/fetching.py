"""Fetches what will be asked for before it is: a store answers many at once, and each of them late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from registryctl.bucket import CONNECTIONS
from registryctl.storage import AwayError

_WINDOW = 2 * CONNECTIONS
_Result = TypeVar("_Result")
_Word = TypeVar("_Word")


def each(pool: ThreadPoolExecutor, act: Callable[[_Word], None], words: Iterable[_Word]) -> None:
    """Does something with each, several at a time; raises what the first raised of those that failed.

    Whatever it ends with, nothing of it goes on afterwards: it waits.
    """
    futures: list[Future[None]] = []
    try:
        for word in words:
            futures.append(pool.submit(act, word))
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


class Ahead(Generic[_Result]):
    """Calls `ask` for what is announced, a few at a time, in the order in which it will be taken."""

    def __init__(self, ask: Callable[[str, int], _Result], is_needed: Callable[[str], bool]) -> None:
        self._ask = ask
        self._is_needed = is_needed
        self._waiting: Iterator[str] = iter(())
        self._limit = 0
        self._flying: OrderedDict[str, Future[_Result]] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def announce(self, paths: Iterable[str], limit: int) -> None:
        """These will be taken next, mostly in this order. What was announced before and was not taken is forgotten."""
        self.forget()
        self._waiting, self._limit = iter(paths), limit
        self._refill()

    def take(self, path: str, limit: int) -> _Result:
        """The answer to one; what was announced before it won't be taken any more."""
        while path in self._flying:
            first, future = self._flying.popitem(last=False)
            if first == path:
                self._refill()
                try:
                    return future.result()
                except AwayError:
                    # The program's end would wait for all of them.
                    self.forget()
                    raise
            future.cancel()
        return self._ask(path, limit)

    def forget(self) -> None:
        """Nothing of what was announced will be taken."""
        self._waiting = iter(())
        for future in self._flying.values():
            future.cancel()
        self._flying.clear()

    def each(self, act: Callable[[_Word], None], words: Iterable[_Word]) -> None:
        """See the function of that name."""
        each(self._threads(), act, words)

    def _refill(self) -> None:
        while len(self._flying) < _WINDOW and (path := next(self._waiting, None)) is not None:
            if path not in self._flying and self._is_needed(path):
                self._flying[path] = self._threads().submit(self._ask, path, self._limit)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CONNECTIONS, "bucket")
        return self._pool
