"""Buckets of tests: in memory, or a folder's files; and one of which a request fails, or the program ends at it."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from registryctl.bucket import MOST_AT_ONCE, Bucket, Object
from registryctl.storage import NotThere, StorageError, Unreadable

Found = TypeVar("Found")


def etag_of(data: bytes) -> str:
    """As stores make it of what came in one piece."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class MemoryBucket:
    """Objects in memory. `moment`: the store's clock, in nanoseconds."""

    moment: Callable[[], int] = time.time_ns
    page: int = MOST_AT_ONCE
    etag: Callable[[bytes], str] = etag_of
    forbidden: set[str] = field(default_factory=set)
    """Keys that nobody may read or remove."""
    requests: Counter[str] = field(default_factory=Counter)
    """How many there were, by kind; a listing is one for each page."""
    before: Callable[[str, str], None] = lambda kind, key: None
    """Called before each request with its kind and what it is about: to fail, or to change something."""
    _content: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def put(self, key: str, data: bytes, when: int | None = None) -> None:
        """As somebody else would, who is not counted."""
        with self._lock:
            self._content[key] = (data, self.moment() if when is None else when)

    def drop(self, key: str) -> None:
        """The same for a removal."""
        with self._lock:
            self._content.pop(key, None)

    @property
    def keys(self) -> set[str]:
        """All there are."""
        return set(self._content)

    def get(self, key: str) -> bytes:
        """The content of one."""
        return self._content[key][0]

    def list(self, prefix: str) -> Iterator[Object]:
        """Page by page, as it is when a page is asked for."""
        last = ""
        while True:
            self._ask("list", prefix)
            with self._lock:
                found = sorted(key for key in self._content if key.startswith(prefix) and key > last)[: self.page]
                objects = [self._object(key) for key in found]
            yield from objects
            if len(found) < self.page:
                return
            last = found[-1]

    def read(self, key: str, limit: int) -> bytes:
        """One request."""
        self._ask("read", key)
        with self._lock:
            if key in self.forbidden:
                raise Unreadable(f"{key}: AccessDenied (403)")
            if key not in self._content:
                raise NotThere(key)
            data = self._content[key][0]
        if len(data) > limit:
            raise Unreadable(f"{key}: larger than {limit} bytes")
        return data

    def part(self, key: str, start: int, length: int) -> bytes:
        """One request."""
        self._ask("part", key)
        with self._lock:
            if key not in self._content:
                raise NotThere(key)
            return self._content[key][0][start : start + length]

    def write(self, key: str, data: bytes) -> None:
        """One request."""
        self._ask("write", key)
        self.put(key, data)

    def write_large(self, key: str, pieces: Iterable[bytes]) -> None:
        """One for each piece; the object is there after the last."""
        parts = []
        for piece in pieces:
            self._ask("piece", key)
            parts.append(piece)
        self.put(key, b"".join(parts))

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """One request for a thousand."""
        stayed = {}
        for start in range(0, len(keys), MOST_AT_ONCE):
            some = keys[start : start + MOST_AT_ONCE]
            try:
                self._ask("remove", some[0])
            except StorageError as error:
                stayed.update(dict.fromkeys(some, str(error)))
                continue
            for key in some:
                if key in self.forbidden:
                    stayed[key] = f"{key}: AccessDenied"
                else:
                    self.drop(key)
        return stayed

    def head(self, key: str) -> Object:
        """One request."""
        self._ask("head", key)
        with self._lock:
            if key not in self._content:
                raise NotThere(key)
            return self._object(key)

    def _object(self, key: str) -> Object:
        data, when = self._content[key]
        return Object(key, len(data), self.etag(data), when)

    def _ask(self, kind: str, key: str) -> None:
        with self._lock:
            self.requests[kind] += 1
        self.before(kind, key)


class FolderBucket:
    """The files below a folder as objects, for what looks at files. No key is the directory of another."""

    def __init__(self, root: Path | str) -> None:
        self._root = os.fspath(root)

    def list(self, prefix: str) -> Iterator[Object]:
        """All at once."""
        top = prefix.rpartition("/")[0]
        yield from sorted(one for one in self._below(top) if one.key.startswith(prefix))

    def _below(self, top: str) -> Iterator[Object]:
        for folder, _, names in os.walk(f"{self._root}/{top}"):
            for name in names:
                yield self._object(os.path.relpath(f"{folder}/{name}", self._root))

    def read(self, key: str, limit: int) -> bytes:
        """The file."""
        data = self._data(key)
        if len(data) > limit:
            raise Unreadable(f"{key}: larger than {limit} bytes")
        return data

    def write(self, key: str, data: bytes) -> None:
        """The file, all at once."""
        target = Path(self._root, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(self._root, f".new-{threading.get_ident()}")
        scratch.write_bytes(data)
        scratch.replace(target)

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """The files, and the directories that nobody would know of in a store."""
        for key in keys:
            file = Path(self._root, key)
            if file.is_file():
                file.unlink()
                for folder in file.parents:
                    if folder == Path(self._root) or any(folder.iterdir()):
                        break
                    folder.rmdir()
        return {}

    def head(self, key: str) -> Object:
        """The file."""
        return self._object(key)

    def _data(self, key: str) -> bytes:
        try:
            return Path(self._root, key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotThere(key) from None

    def _object(self, key: str) -> Object:
        data = self._data(key)
        return Object(key, len(data), etag_of(data), Path(self._root, key).stat().st_mtime_ns)


class FailingBucket:
    """Passes on to another one; the request number `at`, from 0 on, raises: before or after it was done.

    `error` makes of the kind of the request what it raises.
    """

    def __init__(self, bucket: Bucket, at: int, error: Callable[[str], BaseException], *, after: bool = False) -> None:
        self._bucket, self._at, self._error, self._after = bucket, at, error, after
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def list(self, prefix: str) -> Iterator[Object]:
        """Cut off in the middle of what there is."""
        strikes = self._strikes("list")
        found = list(self._bucket.list(prefix))
        yield from found[: len(found) // 2] if strikes else found
        if strikes:
            raise self._error("list")

    def read(self, key: str, limit: int) -> bytes:
        """See above."""
        return self._do("read", lambda: self._bucket.read(key, limit))

    def write(self, key: str, data: bytes) -> None:
        """See above."""
        self._do("write", lambda: self._bucket.write(key, data))

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """See above; cut off, half of them went. By its promise it raises nothing of the storage's."""
        if not self._strikes("remove"):
            return self._bucket.remove(keys)
        if self._after:
            self._bucket.remove(keys[: (len(keys) + 1) // 2])
        error = self._error("remove")
        if not isinstance(error, StorageError):
            raise error
        return dict.fromkeys(keys, str(error))

    def head(self, key: str) -> Object:
        """See above."""
        return self._do("head", lambda: self._bucket.head(key))

    def _strikes(self, kind: str) -> bool:
        with self._lock:
            self.calls.append(kind)
            return len(self.calls) - 1 == self._at

    def _do(self, kind: str, act: Callable[[], Found]) -> Found:
        if not self._strikes(kind):
            return act()
        if self._after:
            act()
        raise self._error(kind)
