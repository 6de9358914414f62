"""A registry's storage in a bucket. Directories are what keys have in common: an empty one is none.

All that is there is listed once, and kept in memory. Once nobody writes any more (`look_again`), only what was listed
after that counts, and whatever else is asked for is asked of the store.
"""

from __future__ import annotations

import time as clock
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from registryctl.bucket import MOST_AT_ONCE, Bucket
from registryctl.fetching import Ahead
from registryctl.layout import BLOBS, REPOSITORIES, TRASH
from registryctl.listing import Listing, Seen, sum_of
from registryctl.storage import AwayError, Entry, NoFile, NoRoom, NotThere, Room, StorageError, Unreadable

_TOPS = (f"{BLOBS}/", f"{REPOSITORIES}/", f"{TRASH}/")
_LINK, _CURRENT = "/link", "/current/link"
_LATELY = 300 * 10**9
"""What was written since so long before a listing, by either clock, may have been written while it was made."""
_MOST_REMEMBERED = 64 << 20
"""Bytes of content."""


def _nobody_to_ask() -> None:
    pass


@contextmanager
def _answers() -> Iterator[None]:
    """That the store is away is no answer about one object: to ask for the next one would take as long."""
    try:
        yield
    except (NotThere, Unreadable, NoRoom):
        raise
    except StorageError as error:
        raise AwayError(f"the object store gives no answer: {error}") from error


class ObjectStorage:
    """See `storage.Storage`.

    `guard` is asked before anything but records is removed, and before a link is written: whether still nobody else
    writes. It raises BarrierError, and is called from several threads.
    """

    directories = False

    def __init__(
        self,
        bucket: Bucket,
        guard: Callable[[], None] = _nobody_to_ask,
        pushed: Callable[[], Mapping[str, tuple[int, int]]] = dict,
    ) -> None:
        """`pushed`: of tags that were moved here, when by the store's clock, and when they were pushed."""
        self._bucket = bucket
        self._guard = guard
        self._moved = pushed
        self._pushed: Mapping[str, tuple[int, int]] | None = None
        self._listings: dict[str, Listing] = {}
        """By the beginning that was listed."""
        self._lists_blobs = True
        self._still = False
        """Whether nobody else writes, so that what is not in a listing is not there."""
        self._changed: set[str] = set()
        """Beginnings of repositories of which something was written after they were listed."""
        self._contents: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._remembered = 0
        self._queue: list[str] = []
        self._links: list[tuple[str, bytes]] = []
        self._reads = Ahead(self._fetch, self._is_asked)
        self._looks = Ahead(self._look_at, self._is_looked_at)

    # What there is

    def anew(self, *, blobs: bool = True) -> None:
        """Content stays remembered, and counts where the next listing has it unchanged."""
        self._lists_blobs = blobs
        self._listings.clear()
        self._changed.clear()
        self._still = False
        self._reads.forget()
        self._looks.forget()

    def look_again(self, beginnings: Mapping[str, int]) -> None:
        """Lists what is listed sooner than asked for one by one. Of blobs the older listing tells sizes: they have one
        content, and only who has the turn removes them."""
        before = dict(self._listings)
        self.anew()
        wanted = [_TOPS[2]]
        for beginning, most in beginnings.items():
            known = before.get(beginning, before.get(_TOPS[1]))
            if known is not None and len(known.below(beginning)) // MOST_AT_ONCE < most:
                wanted.append(beginning)
        self._reads.each(self._list, wanted)
        if _TOPS[1] in before and not len(before[_TOPS[1]]):
            # By that alone all blobs would go.
            self._list(_TOPS[1])
            if len(self._listings[_TOPS[1]]):
                raise AwayError("the object store had no links before, and has some now; nothing was removed")
        if _TOPS[0] in before:
            self._listings[_TOPS[0]] = before[_TOPS[0]]
        self._still = True

    def catch_up(self, top: str) -> None:
        """Lists a repository once more of which something was written lately."""
        beginning = _beginning(f"{top}/_")
        listing = self._listing(beginning)
        if listing is None or self._still:
            return
        if beginning in self._changed or listing.latest(beginning) > listing.begun - _LATELY:
            self._list(beginning)
            self._changed.discard(beginning)

    def list(self, path: str) -> list[Entry]:
        """From what was listed; where that was not yet, all of its kind is."""
        _check(path)
        directory = f"{path}/"
        listing = self._listing(directory)
        if listing is None:
            listing = self._list_all(directory)
        found = list(listing.children(directory))
        if not found and not (directory == _TOPS[1] and len(self._listings.get(_TOPS[0], ()))):
            raise NotThere(path)
        return found

    def _list_all(self, directory: str) -> Listing:
        """Blobs come before links: what is in no listing of theirs is not removed."""
        top = next((one for one in _TOPS if directory.startswith(one)), directory)
        if top == _TOPS[1] and _TOPS[0] not in self._listings and self._lists_blobs:
            self._list(_TOPS[0])
        self._list(top)
        return self._listings[top]

    def _list(self, beginning: str) -> None:
        begun = clock.time_ns()
        with _answers():
            self._listings[beginning] = Listing(beginning, self._bucket.list(beginning), begun)

    def _listing(self, path: str) -> Listing | None:
        """The newest that has a path; None: there is none."""
        return next((self._listings[its] for its in _beginnings(path) if its in self._listings), None)

    def _seen(self, path: str) -> Seen | None:
        """What a listing has of a path; None: the store has to be asked. NotThere: it need not be."""
        listing = self._listing(path)
        found = None if listing is None else listing.get(path)
        if found is None and listing is not None and self._still and not path.startswith(_TOPS[0]):
            raise NotThere(path)
        return found

    def written(self, path: str) -> int:
        """When it was, by the store's clock."""
        return self._look(path).time

    def time(self, path: str) -> int:
        """The same. Of a tag that was only moved since: when it was pushed."""
        written = self.written(path)
        if not path.endswith(_CURRENT):
            return written
        if self._pushed is None:
            with _answers():
                self._pushed = self._moved()
        moved, pushed = self._pushed.get(path, (written, written))
        return pushed if moved == written else written

    def size(self, path: str) -> int:
        """How many bytes."""
        return self._look(path).size

    def _look(self, path: str) -> Seen:
        _check(path)
        return self._seen(path) or self._looks.take(path, 0)

    def _look_at(self, path: str, _limit: int) -> Seen:
        with _answers():
            found = self._bucket.head(path)
        return Seen(found.size, found.time, b"")

    def _is_looked_at(self, path: str) -> bool:
        try:
            return self._seen(path) is None
        except NotThere:
            return False

    # Content

    def ahead(self, paths: Iterable[str], limit: int | None) -> None:
        """Asks for many at once."""
        if limit is None:
            self._looks.announce(paths, 0)
        else:
            self._reads.announce(paths, limit)

    def read(self, path: str, limit: int) -> bytes:
        """Of what a listing has unchanged it may be known."""
        _check(path)
        seen = self._seen(path)
        if seen is not None and seen.size > limit:
            raise NoFile(f"{path}: larger than {limit} bytes")
        known = None if seen is None else self._known(path, seen)
        if known is not None:
            return known
        data = None
        try:
            data = self._reads.take(path, limit)
        finally:
            if seen is not None and (data is None or sum_of(data) != seen.mark):
                self._changed.add(_beginning(path))
        if seen is not None and sum_of(data) == seen.mark:
            self._remember(path, seen.mark, data)
        return data

    def _fetch(self, path: str, limit: int) -> bytes:
        with _answers():
            return self._bucket.read(path, limit)

    def _is_asked(self, path: str) -> bool:
        try:
            seen = self._seen(path)
        except NotThere:
            return False
        return seen is None or self._known(path, seen) is None

    def _known(self, path: str, seen: Seen) -> bytes | None:
        """Content by its mark: what was read before, or the digest that a link of this name mostly has."""
        found = self._contents.get(path)
        if found is not None and found[0] == seen.mark:
            self._contents.move_to_end(path)
            return found[1]
        if path.endswith(_LINK):
            for digest in self._digests(path):
                if len(digest) == seen.size and sum_of(digest) == seen.mark:
                    return digest
        return None

    def _digests(self, path: str) -> Iterator[bytes]:
        """What a link may lead to, by names alone: of a tag all that it once was."""
        if not path.endswith(_CURRENT):
            algorithm, name = path.split("/")[-3:-1]
            yield f"{algorithm}:{name}".encode()
            return
        index = f"{path.removesuffix(_CURRENT)}/index/"
        listing = self._listing(index)
        if listing is not None:
            for algorithm, _ in listing.children(index):
                for name, _ in listing.children(f"{index}{algorithm}/"):
                    yield f"{algorithm}:{name}".encode()

    def _remember(self, path: str, mark: bytes, data: bytes) -> None:
        before = self._contents.pop(path, None)
        self._remembered += len(data) - (0 if before is None else len(before[1]))
        self._contents[path] = (mark, data)
        while self._remembered > _MOST_REMEMBERED:
            self._remembered -= len(self._contents.popitem(last=False)[1][1])

    # Changes

    def write(self, path: str, data: bytes, time: int | None = None) -> None:
        """Its time is that of the store: none can be set. Links are written several at a time."""
        del time
        _check(path)
        self._forget([path])
        if path.startswith(_TOPS[2]):
            self._put((path, data))
        else:
            self._links.append((path, data))

    def _put(self, file: tuple[str, bytes]) -> None:
        path, data = file
        if not path.startswith(_TOPS[2]):
            self._guard()
        with _answers():
            self._bucket.write(path, data)

    def remove(self, path: str) -> None:
        """With the next `settle`."""
        _check(path)
        self._queue.append(path)

    def settle(self) -> dict[str, str]:
        """Writes the links that are to be written; removes all at once that is to go, some thousands at a time."""
        links, self._links = self._links, []
        self._reads.each(self._put, links)
        paths, self._queue = self._queue, []
        stayed: dict[str, str] = {}

        def send(start: int) -> None:
            some = paths[start : start + MOST_AT_ONCE]
            if not all(path.startswith(_TOPS[2]) for path in some):
                self._guard()
            stayed.update(self._bucket.remove(some))

        self._forget(paths)
        self._reads.each(send, range(0, len(paths), MOST_AT_ONCE))
        return stayed

    def _forget(self, paths: Iterable[str]) -> None:
        """What was listed with these is not so any more."""
        for beginning in {its for path in paths for its in _beginnings(path)}:
            self._listings.pop(beginning, None)

    def prune(self, path: str, top: str) -> None:
        """There are no empty directories."""

    def alias(self, path: str) -> str | None:
        """Nothing leads elsewhere."""

    def room(self) -> Room | None:
        """It has no end."""


def _check(path: str) -> None:
    framed = f"/{path}/"
    if "//" in framed or "/./" in framed or "/../" in framed:
        raise NotThere(f"{path!r} is no path")


def _beginning(path: str) -> str:
    """What all keys of a path's repository begin with, and none of a repository below it; elsewhere the path itself."""
    place = path.find("/_", len(REPOSITORIES)) if path.startswith(_TOPS[1]) else -1
    return path if place < 0 else path[: place + 2]


def _beginnings(path: str) -> tuple[str, ...]:
    """What may have been listed to know of a path, the narrower first."""
    return (_beginning(path), *(top for top in _TOPS if path.startswith(top)))
