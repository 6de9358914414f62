"""The client of object stores: botocore, over HTTP, against a store that does what it is told."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from registryctl import bucket as module
from registryctl.bucket import Bucket, open_bucket
from registryctl.endings import ToolError
from registryctl.facts import Store
from registryctl.storage import NoRoom, NotThere, StorageError, Unreadable
from tests.registryctl import http_store
from tests.registryctl.http_store import BUCKET, Asked, HttpStore, error, serving

SECRET = "opens-the-bucket"
_SIGNED = "AWS4-HMAC-SHA256 Credential=me/"


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """How the store is reached; what else is on this machine counts for nothing."""
    key = tmp_path / "store-key"
    key.write_text(f"[default]\naws_access_key_id = me\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-somebody-else")
    return Store(BUCKET, "registries/acme", "", "us-east-1", path_style=True, authorities=None, key=key)


@pytest.fixture
def store() -> Iterator[HttpStore]:
    """A store that answers."""
    with serving(HttpStore()) as found:
        yield found


@pytest.fixture
def bucket(store: HttpStore, facts: Store, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The client of it, which tries again at once."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    return open_bucket(replace(facts, endpoint=store.address))


def test_what_is_written_is_listed_and_read(bucket: Bucket, store: HttpStore) -> None:
    """Below the prefix, and nothing beside it; keys may have any letters."""
    keys = ["a/link", "a b+c/ü&<>%2F", "trash/1.json"]
    for number, key in enumerate(keys):
        bucket.write(key, b"x" * number)
    store.bucket.put("registries/acme-two/b", b"of another stack")
    assert store.bucket.keys == {*(f"registries/acme/{key}" for key in keys), "registries/acme-two/b"}
    found = {one.key: one for one in bucket.list("")}
    assert {key: one.size for key, one in found.items()} == dict(zip(keys, range(3), strict=True))
    assert found["a/link"].etag == "d41d8cd98f00b204e9800998ecf8427e"
    assert [one.key for one in bucket.list("a")] == sorted(keys[:2])
    for number, key in enumerate(keys):
        assert bucket.read(key, 5) == b"x" * number
        assert bucket.head(key) == found[key]
    assert abs(found["a/link"].time - store.bucket.moment()) < 600 * 10**9


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26T17:00:00Z",
        "2026-11-26T17:00:00.000Z",
        "2026-11-26T18:00:00.000000000+01:00",
        "Thu, 26 Nov 2026 17:00:00 GMT",
    ],
)
def test_a_time_has_any_form(bucket: Bucket, store: HttpStore, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a store may write; few of them are read the quick way."""
    monkeypatch.setattr(http_store, "_moment", lambda _: text)
    store.bucket.put("registries/acme/a", b"")
    assert [one.time for one in bucket.list("")] == [1795712400 * 10**9]


def test_pages_are_put_together(bucket: Bucket, store: HttpStore) -> None:
    """Each is asked for by what the one before said."""
    store.page = 3
    for number in range(10):
        store.bucket.put(f"registries/acme/k{number}", b"")
    assert [one.key for one in bucket.list("k")] == [f"k{number}" for number in range(10)]
    assert len(store.asked) == 4


@pytest.mark.parametrize(
    "more", ["", "<NextContinuationToken>again</NextContinuationToken>"], ids=["no token", "the same token"]
)
def test_a_listing_that_does_not_go_on(bucket: Bucket, store: HttpStore, more: str) -> None:
    """Is no listing."""
    text = f"<ListBucketResult><IsTruncated>true</IsTruncated>{more}</ListBucketResult>"
    store.wrong = lambda _: (200, text.encode())
    with pytest.raises(StorageError, match="does not go on"):
        list(bucket.list(""))


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("text", ["", "<html/>", "<ListBucketResult/>"])
def test_an_answer_that_is_no_listing(bucket: Bucket, store: HttpStore, text: str, right: int) -> None:
    """Ends none: what did not come may be there. Nor does anything follow about one object."""
    for number in range(4):
        store.bucket.put(f"registries/acme/k{number}", b"")
    store.page = 2
    store.wrong = lambda _: (200, text.encode()) if len(store.asked) > right else None
    with pytest.raises(StorageError, match="no listing"):
        list(bucket.list("k"))
    with pytest.raises(StorageError, match="no listing") as caught:
        bucket.head("k0")
    assert not isinstance(caught.value, NotThere)


def test_keys_for_which_nobody_asked(bucket: Bucket, store: HttpStore) -> None:
    """Another's objects are never touched, whatever a store lists."""
    store.bucket.put("elsewhere/a", b"x")
    _, others, _ = store.answer(Asked("GET", f"/{BUCKET}", {}, {"authorization": _SIGNED}), b"")
    store.wrong = lambda _: (200, others)
    with pytest.raises(StorageError, match="nobody asked"):
        list(bucket.list(""))


def test_thousands_are_removed(bucket: Bucket, store: HttpStore) -> None:
    """A thousand at a time, with a sum that older stores ask for; what stays is named, what is gone is gone."""
    keys = [f"k{number}" for number in range(2500)]
    for key in keys:
        store.bucket.put(f"registries/acme/{key}", b"")
    store.bucket.put("registries/acme/stays", b"")
    store.bucket.forbidden.add("registries/acme/stays")
    stayed = bucket.remove([*keys, "stays", "never-there"])
    assert stayed == {"stays": "registries/acme/stays: AccessDenied"}
    assert store.bucket.keys == {"registries/acme/stays"}
    assert [one.method for one in store.asked] == ["POST"] * 3
    assert bucket.remove([]) == {}


def test_a_removal_is_not_sent_again_by_the_kernel(bucket: Bucket) -> None:
    """Others write by then."""
    assert bucket.remove(["k"]) == {}
    store = bucket
    assert isinstance(store, module.StoreBucket)
    pools = store._once._endpoint.http_session._manager.pools  # type: ignore[attr-defined]
    (pool,) = [pools[key] for key in pools.keys()]  # noqa: SIM118
    connection = pool.pool.get_nowait()
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15000


def test_what_is_not_there(bucket: Bucket) -> None:
    """An object; not the bucket."""
    with pytest.raises(NotThere):
        bucket.read("none", 5)
    with pytest.raises(NotThere):
        bucket.head("none")
    assert list(bucket.list("none")) == []


def test_a_bucket_that_is_not_there(facts: Store, store: HttpStore) -> None:
    """Nothing follows for any object."""
    other = open_bucket(replace(facts, endpoint=store.address, bucket="another"))
    for ask in (lambda: other.read("a", 5), lambda: other.head("a"), lambda: list(other.list(""))):
        with pytest.raises(StorageError) as caught:
            ask()
        assert not isinstance(caught.value, (NotThere, Unreadable))
        assert "NoSuchBucket (404)" in str(caught.value)
    assert "NoSuchBucket" in other.remove(["a"])["a"]


def test_too_large(bucket: Bucket) -> None:
    """It is not fetched."""
    bucket.write("a", b"12345")
    with pytest.raises(Unreadable, match="larger than 4 bytes"):
        bucket.read("a", 4)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, error("AccessDenied"), Unreadable),
        (500, error("InternalError"), StorageError),
        (503, b"<html>no gateway</html>", StorageError),
        (404, b"<html>a proxy's page</html>", StorageError),
        (301, error("PermanentRedirect"), StorageError),
    ],
)
def test_other_answers(bucket: Bucket, store: HttpStore, status: int, body: bytes, kind: type[StorageError]) -> None:
    """One object that nobody may read is that; else the store gives no answer."""
    store.wrong = lambda _: (status, body)
    with pytest.raises(StorageError) as caught:
        bucket.read("a", 5)
    assert type(caught.value) is kind
    with pytest.raises(StorageError) as caught:
        list(bucket.list(""))
    assert type(caught.value) is StorageError
    assert SECRET not in str(caught.value)
    assert bucket.remove(["a"]).keys() == {"a"}


@pytest.mark.parametrize(
    ("status", "code"), [(507, "XMinioStorageFull"), (403, "QuotaExceeded"), (400, "XMinioAdminBucketQuotaExceeded")]
)
def test_there_is_no_room(bucket: Bucket, store: HttpStore, status: int, code: str) -> None:
    """Stores say it in several ways."""
    store.wrong = lambda _: (status, error(code))
    with pytest.raises(NoRoom):
        bucket.write("a", b"x")


def test_a_failure_that_passes(bucket: Bucket, store: HttpStore) -> None:
    """Is tried again; so is content that was cut off."""
    bucket.write("a", b"12345")
    left = [2]

    def fails(_: Asked) -> tuple[int, bytes] | None:
        left[0] -= 1
        return (503, error("SlowDown")) if left[0] >= 0 else None

    store.wrong = fails
    assert bucket.read("a", 5) == b"12345"
    store.cut = 2
    assert bucket.read("a", 5) == b"12345"
    store.cut = 100
    with pytest.raises(StorageError):
        bucket.read("a", 5)


def test_a_store_that_takes_requests_and_does_not_answer(facts: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not waited for."""
    monkeypatch.setattr(module, "_READ_SECONDS", 0.1)
    monkeypatch.setattr(module, "_TRIES", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = open_bucket(replace(facts, endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        with pytest.raises(StorageError, match="Timeout"):
            found.read("a", 5)


def test_content_that_drips(facts: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends too."""
    monkeypatch.setattr(module, "_BODY_SECONDS", 0.2)
    monkeypatch.setattr(module, "_PIECE", 1)
    monkeypatch.setattr(module, "_TRIES", 1)
    enough = threading.Event()

    def drips(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not enough.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drips, args=[listener], daemon=True)
        thread.start()
        found = open_bucket(replace(facts, endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        with pytest.raises(StorageError, match="too slowly"):
            found.read("a", 5000)
        enough.set()
        thread.join()


@pytest.mark.parametrize("text", ["", "[default]\n", f"[default]\naws_secret_access_key {SECRET}\n", f"{SECRET}\n"])
def test_a_key_that_is_none(facts: Store, text: str) -> None:
    """Its file is named, and nothing of what is in it."""
    assert facts.key is not None
    facts.key.write_text(text)
    with pytest.raises(ToolError, match="has no key") as caught:
        open_bucket(facts)
    assert SECRET not in str(caught.value)


def test_a_host_without_the_client(facts: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says which package it lacks."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(ToolError, match="python3-botocore"):
        open_bucket(facts)
