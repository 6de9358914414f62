"""Objects by their keys, in a bucket of an S3-compatible store. Nothing here knows what a registry is.

The distribution's botocore signs, tries again, and finds the host's role where there is no key. It is loaded when a
bucket is opened, and no earlier: most hosts don't have it.
"""

from __future__ import annotations

import configparser
import importlib
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Protocol

from registryctl import multipart
from registryctl.endings import ToolError
from registryctl.facts import Store
from registryctl.multipart import sum_of
from registryctl.storage import NoRoom, NotThere, StorageError, Unreadable

MOST_AT_ONCE = 1000
"""So many keys are listed, or removed, by one request."""
CONNECTIONS = 16
"""So many requests may be under way at once."""
_CONNECT_SECONDS, _READ_SECONDS = 5, 15
_TRIES = 4
REMOVAL_SECONDS = 45
"""By then a removal that was sent is done, or never will be: it is sent once, and not waited for longer."""
# A body that comes drop by drop must end too.
_BODY_SECONDS, _BYTES_PER_SECOND = 30, 1 << 20
_PIECE = 1 << 18
_FULL = ("QuotaExceeded", "BucketQuotaExceeded", "StorageFull", "InsufficientStorage", "InsufficientCapacity")
_NO_SPACE, _FORBIDDEN = 507, 403
_GONE = ("NoSuchKey", "NotFound", "404")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Object(NamedTuple):
    """An object, as a listing tells of it."""

    key: str
    """Below the stack's prefix, without a slash before it."""
    size: int
    """Bytes."""
    etag: str
    """Without quotes. Another one means other content."""
    time: int
    """When it was written, in nanoseconds since 1970, by the store's clock."""


class Bucket(Protocol):
    """A bucket, as far as it is a stack's. Safe to be used by several threads.

    A call may raise StorageError: the store gave no answer, and whether a change was made is not known.
    """

    def list(self, prefix: str) -> Iterator[Object]:
        """All objects whose keys begin so, in any order. Cut off, it raises; what came until then is not all."""

    def read(self, key: str, limit: int) -> bytes:
        """The content. NotThere; Unreadable: it has more bytes than the limit, or nobody may read it."""

    def write(self, key: str, data: bytes) -> None:
        """Content, all at once. NoRoom."""

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """Removes objects; key → why, of those that stayed or may have. One that is not there is gone.

        Never raises.
        """

    def head(self, key: str) -> Object:
        """What a listing would tell of one. NotThere."""


class LargeBucket(Bucket, Protocol):
    """A bucket whose objects may be larger than memory."""

    def part(self, key: str, start: int, length: int) -> bytes:
        """So many bytes of the content. NotThere; Unreadable."""

    def write_large(self, key: str, pieces: Iterable[bytes]) -> None:
        """Content that comes in pieces of at least 5 MiB, but for the last; all at once. NoRoom."""


class _Client(multipart.Client, Protocol):
    """What is used of botocore's client."""

    meta: Any

    def list_objects_v2(self, **words: object) -> Mapping[str, Any]: ...
    def get_object(self, **words: object) -> Mapping[str, Any]: ...
    def put_object(self, **words: object) -> Mapping[str, Any]: ...
    def delete_objects(self, **words: object) -> Mapping[str, Any]: ...


def _code(error: BaseException) -> tuple[str, int]:
    """The store's word for an error and the status of its answer, if it was an answer."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, Mapping):
        return "", 0
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return str(answer.get("Error", {}).get("Code", "")), int(status or 0)


@contextmanager
def _answers(key: str) -> Iterator[None]:
    """The library's errors in this interface's words; of those that it does not know itself nothing follows either."""
    try:
        yield
    except (StorageError, ToolError):
        raise
    except Exception as error:
        code, status = _code(error)
        # A bucket that is not there, or a proxy's answer, says nothing about the object.
        if code in _GONE and key:
            raise NotThere(key) from error
        why = f"{key or 'the bucket'}: {code or type(error).__name__}{f' ({status})' if status else ''}"
        if status == _NO_SPACE or code.endswith(_FULL):
            raise NoRoom(why) from error
        raise (Unreadable if status == _FORBIDDEN and key else StorageError)(why) from error


@contextmanager
def _written(key: str) -> Iterator[None]:
    try:
        with _answers(key):
            yield
    except (NotThere, Unreadable) as error:
        raise StorageError(f"it can't be written: {error}") from error


class StoreBucket:
    """A bucket, asked by botocore's client. What lies outside of the prefix is never asked for."""

    def __init__(self, client: _Client, bucket: str, prefix: str = "", once: _Client | None = None) -> None:
        """`once`: a client that sends what it is asked for no second time, for removals."""
        self._client = client
        self._once = once or client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def list(self, prefix: str) -> Iterator[Object]:
        """Page by page."""
        words: dict[str, object] = {"Bucket": self._bucket, "Prefix": self._prefix + prefix, "MaxKeys": MOST_AT_ONCE}
        seen: set[str] = set()
        while True:
            page, found = self._page(words)
            yield from (one for one in found if one.key.startswith(prefix))
            if not page["IsTruncated"]:
                return
            token = page.get("NextContinuationToken")
            if not token or token in seen:
                raise StorageError("the store's listing does not go on")
            seen.add(token)
            words["ContinuationToken"] = token

    def _page(self, words: Mapping[str, object]) -> tuple[Mapping[str, Any], Sequence[Object]]:
        with _answers(""):
            page = self._client.list_objects_v2(**words)
            # The library takes any answer, an empty one too, for a listing of nothing.
            if "IsTruncated" not in page:
                raise StorageError("the store's answer is no listing")
            return page, [self._object(one) for one in page.get("Contents", ())]

    def _object(self, found: Mapping[str, Any]) -> Object:
        written = (found["LastModified"] - _EPOCH) // timedelta(microseconds=1) * 1000
        key = str(found["Key"])
        if not key.startswith(self._prefix):
            raise StorageError(f"the store lists {key!a}, for which nobody asked")
        return Object(key[len(self._prefix) :], int(found["Size"]), str(found["ETag"]).strip('"'), written)

    def read(self, key: str, limit: int) -> bytes:
        """Again where the body was cut off."""
        return self._try(key, limit)

    def part(self, key: str, start: int, length: int) -> bytes:
        """The same."""
        data = self._try(key, length, Range=f"bytes={start}-{start + length - 1}")
        if len(data) != length:
            raise StorageError(f"{key}: it is shorter than it was")
        return data

    def _try(self, key: str, limit: int, **words: object) -> bytes:
        for left in reversed(range(_TRIES)):
            try:
                return self._read(key, limit, words)
            except (NotThere, Unreadable):
                raise
            except StorageError:
                if not left:
                    raise
        raise AssertionError

    def _read(self, key: str, limit: int, words: Mapping[str, object]) -> bytes:
        with _answers(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **words)
            size, body = int(answer["ContentLength"]), answer["Body"]
            try:
                if size > limit:
                    raise Unreadable(f"{key}: larger than {limit} bytes")
                end = time.monotonic() + _BODY_SECONDS + size / _BYTES_PER_SECOND
                parts = []
                while part := body.read(_PIECE):
                    parts.append(part)
                    if time.monotonic() > end:
                        raise StorageError(f"{key}: its content comes too slowly")
            finally:
                body.close()
        data = b"".join(parts)
        if len(data) != size:
            raise StorageError(f"{key}: cut off")
        return data

    def write(self, key: str, data: bytes) -> None:
        """With its sum, by which the store knows that all came."""
        with _written(key):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data, ContentMD5=sum_of(data))

    def write_large(self, key: str, pieces: Iterable[bytes]) -> None:
        """Each piece with its own."""
        with _written(key):
            multipart.send(self._client, {"Bucket": self._bucket, "Key": self._prefix + key}, pieces)

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """A thousand at a time."""
        stayed: dict[str, str] = {}
        for start in range(0, len(keys), MOST_AT_ONCE):
            some = keys[start : start + MOST_AT_ONCE]
            try:
                stayed.update(self._remove(some))
            except StorageError as error:
                stayed.update(dict.fromkeys(some, str(error)))
        return stayed

    def _remove(self, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
        wanted = {"Objects": [{"Key": self._prefix + key} for key in keys], "Quiet": True}
        with _answers(""):
            answer = self._once.delete_objects(Bucket=self._bucket, Delete=wanted)
            errors = [(str(one["Key"]), str(one.get("Code", ""))) for one in answer.get("Errors", ())]
        return iter([(key[len(self._prefix) :], f"{key}: {code}") for key, code in errors if code not in _GONE])

    def head(self, key: str) -> Object:
        """By a listing: an answer to HEAD has no word that tells a missing object from a missing bucket, nor parts of
        seconds."""
        _, found = self._page({"Bucket": self._bucket, "Prefix": self._prefix + key, "MaxKeys": 1})
        for one in found:
            if one.key == key:
                return one
        raise NotThere(key)


def _with_sum(params: dict[str, Any], **_: object) -> None:
    """Newer clients send another sum with a removal than older stores ask for."""
    params["headers"]["Content-MD5"] = sum_of(params["body"])


def open_bucket(store: Store) -> LargeBucket:
    """The bucket of this host's registry; nothing is asked yet. Raises `ToolError`."""
    try:
        session, config, utils = (importlib.import_module(f"botocore.{its}") for its in ("session", "config", "utils"))
    except ImportError as error:
        raise ToolError(f"python3-botocore is missing ({error}); pulumi up installs it") from None
    made = session.Session()
    times = _read_times(utils.parse_timestamp)
    made.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=times)

    def client(tries: int) -> Any:  # noqa: ANN401 - the library has no types
        return made.create_client(**_words(store, config.Config, tries))

    once = client(1)
    _bound(once)
    once.meta.events.register("before-call.s3.DeleteObjects", _with_sum)
    return StoreBucket(client(_TRIES), store.bucket, store.prefix, once)


def _read_times(otherwise: Callable[[Any], datetime]) -> Callable[[Any], datetime]:
    """A listing has a time for each object. The library guesses its form, which takes longer than all else of it."""

    def read(value: Any) -> datetime:  # noqa: ANN401 - whatever the answer has
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00"))
        except (AttributeError, TypeError, ValueError):
            return otherwise(value)

    return read


def _bound(client: Any) -> None:  # noqa: ANN401
    """What the store's host has not taken in some seconds is not sent again, also once nobody waits for it any more.

    The kernel would try to send a removal for a minute and a half, and others write by then. The library can't be told.
    """
    options = client._endpoint.http_session._socket_options
    options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _READ_SECONDS * 1000))


def _words(store: Store, config: Callable[..., object], tries: int) -> dict[str, Any]:
    words: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": tries},
        "max_pool_connections": CONNECTIONS,
        "signature_version": "s3v4",
        # As the registry itself: by no proxy.
        "proxies": {},
        "s3": {"addressing_style": "path" if store.path_style else "auto"},
    }
    new = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    try:
        made = config(**words, **new)
    except TypeError:
        made = config(**words)
    access, secret = _key(store)
    return {
        "service_name": "s3",
        "region_name": store.region,
        "endpoint_url": store.endpoint or None,
        "verify": str(store.authorities) if store.authorities else None,
        "aws_access_key_id": access,
        "aws_secret_access_key": secret,
        "config": made,
    }


def _key(store: Store) -> tuple[str | None, str | None]:
    """The key in the registry's own file; none: the host's role counts. Raises `ToolError`, without what it read."""
    if store.key is None:
        return None, None
    found = configparser.RawConfigParser()
    try:
        found.read_string(store.key.read_text(encoding="utf-8"))
        return found["default"]["aws_access_key_id"], found["default"]["aws_secret_access_key"]
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        raise ToolError(f"{store.key} has no key of the object store ({type(error).__name__})") from None
