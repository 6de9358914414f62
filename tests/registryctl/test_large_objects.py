"""Objects that are larger than memory: they are sent and read in pieces, and are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registryctl.bucket import LargeBucket
from registryctl.facts import Store
from registryctl.storage import NotThere, StorageError
from tests.registryctl import test_bucket
from tests.registryctl.http_store import HttpStore, error

# As the client's other tests have them.
store, facts, bucket = test_bucket.store, test_bucket.facts, test_bucket.bucket
KEY = "registries/acme/large"
PIECES = [b"a" * 100, b"b" * 100, b"c"]

__all__ = ["Store", "bucket", "facts", "store"]


def test_in_pieces(bucket: LargeBucket, store: HttpStore) -> None:
    """Each with its sum. A part is read by itself, also where the first answer is cut off."""
    bucket.write_large("large", iter(PIECES))
    assert store.bucket.get(KEY) == b"".join(PIECES)
    store.cut = 1
    assert bucket.part("large", 99, 2) == b"ab"
    with pytest.raises(StorageError, match="shorter"):
        bucket.part("large", 200, 2)
    with pytest.raises(NotThere):
        bucket.part("nothing", 0, 1)


def test_what_fails_is_given_up(bucket: LargeBucket, store: HttpStore) -> None:
    """Whether the store refuses a part, or there is no more to read: no object, and no parts that cost money."""
    store.wrong = lambda asked: (403, error("AccessDenied")) if asked.query.get("partNumber") == "2" else None
    with pytest.raises(StorageError, match="can't be written"):
        bucket.write_large("large", iter(PIECES))

    def broken() -> Iterator[bytes]:
        yield PIECES[0]
        raise StorageError("cut off")

    with pytest.raises(StorageError, match="cut off"):
        bucket.write_large("large", broken())
    assert (store.bucket.keys, store.parts) == (set(), {})
    assert [one.method for one in store.asked].count("DELETE") == 2
