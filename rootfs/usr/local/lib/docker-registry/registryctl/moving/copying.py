"""Copies what one place has to another, so often as it takes. Nothing is changed where it comes from.

What is the same already is left alone: a copy that was cut off goes on, and one that is repeated copies what differs.
Content counts as there once it was read back there and its digest is its name.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from registryctl.clean_up import megabytes
from registryctl.digests import SIZES, is_digest
from registryctl.endings import EndError
from registryctl.fetching import each
from registryctl.layout import REPOSITORIES, blob_path
from registryctl.moving import times
from registryctl.moving.known import Knowledge, Known, Link, Verified, pushed_at
from registryctl.moving.listed import LINK, Listed, links_of, walk
from registryctl.moving.places import Objects, Place
from registryctl.storage import NoRoom, NotThere, Storage, StorageError

_AT_ONCE = 6
"""Blobs. Each is a piece or two in memory."""
_TAG = times.TAG
_LONGEST = 1 << 28
_SHORTEST = min(len(f"{algorithm}:") + digits for algorithm, digits in SIZES.items())
"""Bytes of a link."""

_OTHER = (-1, "")
"""Of a link that is not there as it is where it comes from."""


@dataclass
class Came:
    """What came of it."""

    blobs: int = 0
    """Of all that are there."""
    size: int = 0
    """Bytes."""
    copied: int = 0
    """Blobs that were copied this time, or verified."""
    links: int = 0
    """Links and records that were written this time, or went."""
    damaged: list[str] = field(default_factory=list)
    """Digests that are not those of their content, where it comes from."""


class Copying:
    """From `source` to `target`. Nobody else writes to the target, and no tool removes at the source."""

    def __init__(self, source: Place, target: Place, verified: Verified, knowledge: Knowledge) -> None:
        self._source, self._target, self._verified, self._knowledge = source, target, verified, knowledge
        self._lock = threading.Lock()

    def once(self) -> Came:
        """All of it, while others may push: looks through both places. Raises StorageError, AwayError, EndError."""
        self._knowledge.forget()
        wanted, there = Listed.of(self._source.storage), Listed.of(self._target.storage)
        # What somebody removed by hand comes again, also if it is pushed only later.
        self._verified.only(there.blobs)
        # A bucket's blobs are listed before its links, which may lead to some that came between.
        blobs = {**self._new_blobs(wanted.links, wanted.blobs), **wanted.blobs}
        came = Came(len(blobs), sum(blobs.values()))
        if _has_images(there.links) and not _has_images(wanted.links):
            raise StorageError("there were images, and are none now; is the disk mounted?")
        self._blobs(blobs, there.blobs, came)
        now = self._links(self._source.storage, wanted.links)
        before = self._links(self._target.storage, there.links)
        changed = [path for path in sorted(now) if path not in before or not self._is_same(path, now, before)]
        # The listing that tells is forgotten once something is written.
        written = self._written(now.keys() & before.keys())
        self._change(now, changed, there.links - now.keys(), came, last=False)
        if isinstance(self._target, Objects):
            written.update(self._written(changed))
            times.keep(self._target.bucket, {path: (when, pushed_at(now[path])) for path, when in written.items()})
        # What could not be moved is said here, while the registry runs.
        self._begun_uploads()
        self._keep(now, came)
        return came

    def since(self, *, last: bool = False) -> Came:
        """What has changed since the last look, by links alone: no blob is needed without one. Otherwise as `once`.

        `last`: nobody can write at the source, and afterwards the target has what it has. Raises also where it has not.
        """
        known = self._knowledge.take()
        now = self._now() if known else {}
        if known is None or (_has_images(known.links) and not _has_images(now)):
            came = self.once()
            known, now = self._knowledge.take(), self._now()
            if known is None:
                return came
        changed = [path for path in sorted(now) if path not in known.links or now[path] != known.links[path]]
        gone = known.links.keys() - now.keys()
        # Of all links: one that led nowhere stays as it is when its content comes.
        new = self._new_blobs(now)
        came = Came(known.blobs + len(new), known.size + sum(new.values()))
        self._blobs(new, {}, came)
        self._change(now, changed, gone, came, last=last)
        if isinstance(self._target, Objects) and came.links:
            found = {path: its for path, its in times.load(self._target.bucket).items() if path in now}
            found.update((path, (when, pushed_at(now[path]))) for path, when in self._written(changed).items())
            times.keep(self._target.bucket, found)
        if last and not came.damaged:
            self._confirm(now, changed, gone, new)
            self._uploads()
        else:
            self._keep(now, came)
        return came

    def ended(self) -> None:
        """The target counts from now on: this move does not go on there. Raises StorageError."""
        self._target.mark("ended")

    def _keep(self, now: dict[str, Link], came: Came) -> None:
        if not came.damaged:
            self._knowledge.keep(Known(came.blobs, came.size, now))

    def _now(self) -> dict[str, Link]:
        source = self._source.storage
        source.anew(blobs=False)
        return self._links(source, links_of(source))

    def _links(self, storage: Storage, paths: Iterable[str]) -> dict[str, Link]:
        """Only a tag changes what it has, or when it was written."""
        found: dict[str, Link] = dict.fromkeys(paths)
        tags = sorted(path for path in found if path.endswith(_TAG))
        storage.ahead(tags, _LONGEST)
        for path in tags:
            try:
                found[path] = storage.time(path), storage.read(path, _LONGEST).decode("latin-1")
            except NotThere:
                # It went meanwhile.
                del found[path]
        return found

    def _is_same(self, path: str, now: Mapping[str, Link], before: Mapping[str, Link]) -> bool:
        """A store sets the times of its objects itself."""
        tag, there, target = now[path], before[path], self._target.storage
        if tag is None or there is None:
            # One that was damaged came as it was.
            return not path.startswith(REPOSITORIES) or target.size(path) >= _SHORTEST
        return tag == there if target.directories else tag[1] == there[1]

    def _new_blobs(self, links: Iterable[str], known: Container[str] = ()) -> dict[str, int]:
        """Those to which these lead, and which are not known or moved: digest → size. A link may lead nowhere."""
        named = (path.split("/")[-3:-1] for path in links if path.endswith(LINK) and not path.endswith(_TAG))
        digests = {f"{algorithm}:{name}" for algorithm, name in named}
        unknown = (digest for digest in digests if digest not in known and digest not in self._verified)
        new = sorted(filter(is_digest, unknown))
        source, found = self._source.storage, {}
        source.ahead(map(blob_path, new), None)
        for digest in new:
            with suppress(NotThere):
                found[digest] = source.size(blob_path(digest))
        return found

    def _blobs(self, wanted: dict[str, int], there: dict[str, int], came: Came) -> None:
        def copy(digest: str) -> None:
            try:
                whole = self._blob(digest, wanted[digest], there.get(digest))
            except NotThere:
                # Only who removes can do that: the next look tells.
                return
            with self._lock:
                came.copied += whole
                if not whole:
                    came.damaged.append(digest)

        lacking = [one for one, size in wanted.items() if one not in self._verified or there.get(one) != size]
        self._look_for_room(sum(wanted[one] for one in lacking if there.get(one) != wanted[one]))
        with ThreadPoolExecutor(_AT_ONCE, "copy") as pool:
            each(pool, copy, lacking)

    def _look_for_room(self, needed: int) -> None:
        free = self._target.free()
        if free is not None and free < needed:
            raise NoRoom(f"there is not enough room: {megabytes(needed - free)} more are needed")

    def _blob(self, digest: str, size: int, there: int | None) -> bool:
        """Whether it is there, and right. False: it is damaged where it comes from."""
        path = blob_path(digest)
        if there != size or not self._is_right(digest, size):
            try:
                self._target.put(path, size, _checked(self._source.pieces(path, size), digest))
            except _DamagedError:
                return False
            if not self._is_right(digest, size):
                raise StorageError(f"{digest}: what was written is read back as something else")
        self._verified.add(digest)
        return True

    def _is_right(self, digest: str, size: int) -> bool:
        sum_ = hashlib.new(digest.partition(":")[0])
        for piece in self._target.pieces(blob_path(digest), size):
            sum_.update(piece)
        return digest.endswith(f":{sum_.hexdigest()}")

    def _change(
        self, now: dict[str, Link], changed: Sequence[str], gone: Iterable[str], came: Came, *, last: bool
    ) -> None:
        source, target = self._source.storage, self._target.storage
        source.ahead((path for path in changed if not now[path]), _LONGEST)
        for path in changed:
            try:
                content, when = self._content(path, now[path]), self._time(path, now[path])
            except NotThere:
                # It went meanwhile: the next look tells.
                del now[path]
                continue
            if last or _is_whole(path, content):
                target.write(path, content, when)
                came.links += 1
            else:
                # It is just being written, or has to be put right: it is looked at again.
                now[path] = _OTHER
        for path in gone:
            with suppress(NotThere):
                target.remove(path)
            target.prune(path.rpartition("/")[0], REPOSITORIES)
            came.links += 1
        stayed = target.settle()
        if stayed:
            # It would come back with the switch: the next look knows nothing of it.
            raise StorageError(f"what went can't be removed there: {stayed[min(stayed)]}")

    def _content(self, path: str, link: Link) -> bytes:
        if link is not None:
            return link[1].encode("latin-1")
        content = self._source.storage.read(path, _LONGEST)
        # Its size tells that it is damaged, so that it comes again once it is put right.
        return content if _is_whole(path, content) else content[: _SHORTEST - 1]

    def _time(self, path: str, link: Link) -> int:
        return self._source.storage.time(path) if link is None else link[0]

    def _written(self, links: Iterable[str]) -> dict[str, int]:
        """When the tags among them were written there, by a store's clock."""
        if not isinstance(self._target, Objects):
            return {}
        storage = self._target.storage
        tags = sorted(path for path in links if path.endswith(_TAG))
        storage.ahead(tags, None)
        found = {}
        for path in tags:
            # One that is just being written at the source is not there yet.
            with suppress(NotThere):
                found[path] = storage.written(path)
        return found

    def _confirm(self, now: dict[str, Link], changed: Iterable[str], gone: Iterable[str], new: Iterable[str]) -> None:
        """Raises StorageError where the target is not what it was told to be."""
        for digest in new:
            if digest not in self._verified:
                raise StorageError(f"{digest} did not arrive")
        source, target = self._source.storage, self._target.storage
        written, gone = [path for path in changed if path in now], sorted(gone)
        source.ahead((path for path in written if not now[path]), _LONGEST)
        target.ahead(written, _LONGEST)
        for path in written:
            if target.read(path, _LONGEST) != self._content(path, now[path]):
                raise StorageError(f"{path} has another content than where it comes from: does somebody write there?")
        target.ahead(gone, None)
        for path in gone:
            with suppress(NotThere):
                target.size(path)
                raise StorageError(f"{path} is there, and not where all comes from: does somebody write there?")

    def _uploads(self) -> None:
        """Those that have begun and brought nothing yet: their clients go on where they are told to."""
        source, target = self._source.storage, self._target.storage
        for home in self._begun_uploads():
            path = f"{home}/startedat"
            target.write(path, source.read(path, _LONGEST))
            if not target.directories:
                target.write(f"{home}/data", b"")
        target.settle()

    def _begun_uploads(self) -> list[str]:
        source = self._source.storage
        found = [path.rpartition("/") for path in walk(source, REPOSITORIES, uploads=True)]
        return [home for home, _, name in found if name == "startedat" and not _size(source, f"{home}/data")]


def _has_images(links: Iterable[str]) -> bool:
    return any(path.startswith(REPOSITORIES) for path in links)


def _is_whole(path: str, content: bytes) -> bool:
    """Whether a link has a digest."""
    return not path.startswith(REPOSITORIES) or is_digest(content.decode(errors="replace"))


def _size(storage: Storage, path: str) -> int:
    try:
        return storage.size(path)
    except NotThere:
        return 0


class _DamagedError(EndError):
    """An EndError, because it goes through all that writes."""


def _checked(pieces: Iterable[bytes], digest: str) -> Iterator[bytes]:
    """Raises before its end what is not called so: then it is not put there either."""
    sum_ = hashlib.new(digest.partition(":")[0])
    for piece in pieces:
        sum_.update(piece)
        yield piece
    if not digest.endswith(f":{sum_.hexdigest()}"):
        raise _DamagedError("DAMAGED", digest)
