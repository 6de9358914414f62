"""An S3-compatible store in this process, as far as the tools ask one; what it shall do wrong is told."""

from __future__ import annotations

import base64
import hashlib
import http.server
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.registryctl.buckets import MemoryBucket, etag_of

BUCKET = "acme-images"


@dataclass
class Asked:
    """A request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class HttpStore:
    """The store; its objects are those of `bucket`, by their whole keys."""

    address: str = ""
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    asked: list[Asked] = field(default_factory=list)
    wrong: Callable[[Asked], tuple[int, bytes] | None] = lambda _: None
    """Another answer than the right one."""
    cut: int = 0
    """So many contents are cut off in the middle."""
    page: int = 1000
    parts: dict[int, bytes] = field(default_factory=dict)
    """Of the upload that is under way."""

    def answer(self, asked: Asked, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        self.asked.append(asked)
        found = self.wrong(asked)
        if found is not None:
            return *found, {}
        if not asked.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 Credential=me/"):
            return 403, error("AccessDenied"), {}
        name, _, key = asked.path.lstrip("/").partition("/")
        if name != BUCKET:
            return 404, error("NoSuchBucket"), {}
        if asked.method == "GET":
            return self._object(key, asked.headers.get("range", "")) if key else self._list(asked.query)
        in_parts = bool({"uploads", "uploadId"} & asked.query.keys())
        if not _sums(asked, body) and not (in_parts and asked.method != "PUT"):
            return 400, error("InvalidDigest"), {}
        return self._changed(asked, key, body, in_parts=in_parts)

    def _changed(self, asked: Asked, key: str, body: bytes, *, in_parts: bool) -> tuple[int, bytes, dict[str, str]]:
        if in_parts:
            return self._in_parts(asked, key, body)
        return self._put(key, body) if asked.method == "PUT" else self._delete(body)

    def _object(self, key: str, part: str) -> tuple[int, bytes, dict[str, str]]:
        if key not in self.bucket.keys:
            return 404, error("NoSuchKey"), {}
        data = self.bucket.get(key)
        if part:
            first, last = part.removeprefix("bytes=").split("-")
            return 206, data[int(first) : int(last) + 1], {}
        return 200, data, {"ETag": f'"{etag_of(data)}"'}

    def _in_parts(self, asked: Asked, key: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        if asked.method == "PUT":
            self.parts[int(asked.query["partNumber"])] = body
            return 200, b"", {"ETag": f'"{etag_of(body)}"'}
        if asked.method == "DELETE":
            self.parts.clear()
            return 204, b"", {}
        if "uploads" in asked.query:
            return 200, b"<Result><UploadId>its-upload</UploadId></Result>", {"Content-Type": "application/xml"}
        self.bucket.put(key, b"".join(self.parts[number] for number in sorted(self.parts)))
        self.parts.clear()
        return 200, b"<Result><ETag>whole</ETag></Result>", {"Content-Type": "application/xml"}

    def _list(self, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        most = min(int(query.get("max-keys", 1000)), self.page)
        after, prefix = query.get("continuation-token", ""), query.get("prefix", "")
        found = [one for one in self.bucket.list(prefix) if one.key > after]
        some = found[:most]
        parts = [
            f"<Contents><Key>{escape(quote(one.key, safe='/'))}</Key><Size>{one.size}</Size>"
            f"<ETag>&quot;{one.etag}&quot;</ETag><LastModified>{_moment(one.time)}</LastModified></Contents>"
            for one in some
        ]
        more = f"<NextContinuationToken>{escape(some[-1].key)}</NextContinuationToken>" if len(found) > most else ""
        truncated = str(bool(more)).lower()
        inner = f"<EncodingType>url</EncodingType><IsTruncated>{truncated}</IsTruncated>{more}{''.join(parts)}"
        return 200, f"<ListBucketResult>{inner}</ListBucketResult>".encode(), {"Content-Type": "application/xml"}

    def _put(self, key: str, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        self.bucket.put(key, body)
        return 200, b"", {"ETag": f'"{etag_of(body)}"'}

    def _delete(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        keys = [str(one.text) for one in ET.fromstring(body).iter() if one.tag.endswith("Key")]  # noqa: S314
        stayed = self.bucket.remove(keys)
        errors = "".join(f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code></Error>" for key in stayed)
        return 200, f"<DeleteResult>{errors}</DeleteResult>".encode(), {"Content-Type": "application/xml"}


def _sums(asked: Asked, body: bytes) -> bool:
    return asked.headers.get("content-md5") == base64.b64encode(hashlib.md5(body).digest()).decode()  # noqa: S324


def _moment(nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(nanoseconds / 10**9, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def error(code: str) -> bytes:
    """As stores say it."""
    return f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


@contextmanager
def serving(store: HttpStore) -> Iterator[HttpStore]:
    """It listens on this machine alone."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(self.command, unquote(url.path), query, headers)
            status, content, more = store.answer(asked, body)
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if status == 200 and store.cut and not more.get("Content-Type"):
                store.cut -= 1
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
                return
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        store.address = f"http://127.0.0.1:{server.server_port}"
        yield store
        server.shutdown()
