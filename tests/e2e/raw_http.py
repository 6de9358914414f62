"""HTTP answers by the letter: each header once, and the body, of a request that two servers are asked the same way."""

import hashlib
import http.client
import io
from dataclasses import dataclass

OWN = {"date", "server", "connection", "content-security-policy", "docker-distribution-api-version"}
"""Headers that are the server's, or the proxy's own on every answer."""


class _Raw(io.BytesIO):
    """What http.client reads an answer from."""

    def makefile(self, mode: str) -> "_Raw":
        """Itself."""
        del mode
        return self


@dataclass(frozen=True)
class Said:
    """An answer: status, headers in lower case, the digest of its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, raw: bytes, method: str) -> "Said":
        """Reads an answer whose connection was closed after it."""
        answer = http.client.HTTPResponse(_Raw(raw), method=method)  # type: ignore[arg-type]
        answer.begin()
        headers: dict[str, str] = {}
        for name, value in answer.getheaders():
            key = name.lower()
            assert key not in headers or key == "cache-control", (name, answer.getheaders())
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
        try:
            return cls(answer.status, headers, answer.read())
        except http.client.IncompleteRead as cut:
            # The registry announces the whole blob where a condition forbids it, and sends nothing.
            return cls(answer.status, headers, cut.partial)

    def compared(self) -> tuple[int, dict[str, str], str]:
        """What has to be the same, whoever answers."""
        headers = {name: value for name, value in self.headers.items() if name not in OWN}
        body = self.body
        if headers.get("content-type", "").startswith("multipart/byteranges"):
            boundary = headers["content-type"].partition("boundary=")[2]
            headers["content-type"] = "multipart/byteranges"
            body = body.replace(boundary.encode(), b"boundary")
        return self.status, headers, hashlib.sha256(body).hexdigest()


def request(fqdn: str, method: str, path: str, headers: dict[str, str]) -> bytes:
    """A request after whose answer the connection is closed."""
    head = {"Host": fqdn, "Connection": "close", **headers}
    return "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items()), "", ""]).encode()
