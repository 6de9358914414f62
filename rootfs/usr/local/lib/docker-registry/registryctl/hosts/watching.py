"""A bucket of which it is noticed that a removal got no answer: the store may carry it out later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from registryctl.bucket import Bucket, Object


class Watched:
    """Passes on to another one; `unsure` is told when nobody knows what became of a removal."""

    def __init__(self, bucket: Bucket, unsure: Callable[[], None]) -> None:
        self._bucket = bucket
        self._unsure = unsure

    def list(self, prefix: str) -> Iterator[Object]:
        """See `Bucket`."""
        return self._bucket.list(prefix)

    def read(self, key: str, limit: int) -> bytes:
        """See `Bucket`."""
        return self._bucket.read(key, limit)

    def write(self, key: str, data: bytes) -> None:
        """See `Bucket`."""
        self._bucket.write(key, data)

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """See `Bucket`. A refusal of some keys is an answer; one of all may be none."""
        stayed = self._bucket.remove(keys)
        if stayed and len(stayed) == len(keys):
            self._unsure()
        return stayed

    def head(self, key: str) -> Object:
        """See `Bucket`."""
        return self._bucket.head(key)
