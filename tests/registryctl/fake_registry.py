"""A registry in this process whose answers a test sets: what a real one can't be made to say at a chosen moment."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.e2e.artifacts import Artifact, digest_of
from tests.registryctl.running import Ran, run

CODES = {401: "UNAUTHORIZED", 403: "DENIED", 405: "UNSUPPORTED", 429: "TOOMANYREQUESTS", 503: "UNAVAILABLE"}
PAGE = 100
Answer = tuple[int, bytes, dict[str, str]]


@dataclass
class FakeRegistry:
    """Repositories in memory. `refuse` maps methods to the status with which they are answered."""

    address: str = ""
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    manifests: dict[str, dict[str, Artifact]] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    deletes_tags: bool = True
    """Whether it is Distribution 3, or one that deletes manifests only."""
    links: bool = True
    """Whether it tells where the next page is."""
    mirrored: str = ""
    """Below which names it says that all is mirrored."""
    requests: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None
    """Called with each request, `METHOD PATH`, before it is answered."""
    guard: Callable[[str, str, Mapping[str, str]], Answer | None] = lambda *_: None
    """Called with method, path and headers; an answer of its own comes before all others."""

    def push(self, repository: str, artifact: Artifact, *tags: str) -> Artifact:
        """Have it, with all that an index contains."""
        self.manifests.setdefault(repository, {})[artifact.digest] = artifact
        for child in artifact.children:
            self.push(repository, child)
        for tag in tags:
            self.tags.setdefault(repository, {})[tag] = artifact.digest
        return artifact

    def writes(self) -> list[str]:
        """The requests that push something."""
        return [request for request in self.requests if request.split()[0] in {"POST", "PUT", "PATCH"}]

    def remove(self, *images: str, dry: bool = False) -> Ran:
        """Deletes images over the API."""
        agreed = "--dry-run" if dry else "--yes"
        return run(agreed, "--registry", self.address, *images, called="docker-repository-rmi")

    def answer(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """Status, body and headers."""
        self.requests.append(f"{method} {path}")
        self.before(f"{method} {path}")
        if (guarded := self.guard(method, path, headers)) is not None:
            return guarded
        if method in self.refuse:
            return self.error(self.refuse[method], CODES[self.refuse[method]])
        where = urlsplit(path)
        if where.path == "/v2/_catalog":
            status, body, its = self._page(path, "repositories", sorted(self.manifests))
            return status, body, {**its, "Docker-Registry-Mirrored": self.mirrored}
        found = re.fullmatch(r"/v2/(.+)/(tags|manifests)/([^?]+)", where.path)
        if not found or found[1] not in self.manifests:
            return self.error(404, "NAME_UNKNOWN")
        if found[2] == "tags":
            status, body, its = self._page(path, "tags", sorted(self.tags.get(found[1], {})))
            prefix = found[1].partition("/")[0]
            return status, body, {**its, "Docker-Registry-Mirrored": prefix if prefix in self.mirrored.split() else ""}
        return self._manifest(method, found[1], found[3])

    def _page(self, path: str, key: str, names: list[str]) -> Answer:
        query = parse_qs(urlsplit(path).query)
        last, size = unquote(query.get("last", [""])[0]), int(query.get("n", [str(PAGE)])[0])
        rest = [name for name in names if name > last]
        headers = {"Content-Type": "application/json"}
        if self.links and len(rest) > size:
            headers["Link"] = f'<{urlsplit(path).path}?n={size}&last={rest[size - 1]}>; rel="next"'
        return 200, json.dumps({key: rest[:size]}).encode(), headers

    def _manifest(self, method: str, repository: str, reference: str) -> Answer:
        tags, manifests = self.tags.setdefault(repository, {}), self.manifests[repository]
        if method == "DELETE":
            return self._delete(tags, manifests, reference)
        digest = tags.get(reference, reference)
        if digest not in manifests:
            return self.error(404, "MANIFEST_UNKNOWN")
        its = manifests[digest]
        return 200, its.content, {"Content-Type": its.media_type, "Docker-Content-Digest": digest_of(its.content)}

    def _delete(self, tags: dict[str, str], manifests: dict[str, Artifact], reference: str) -> Answer:
        by_digest = ":" in reference
        if not by_digest and not self.deletes_tags:
            return self.error(400, "DIGEST_INVALID")
        if reference not in (manifests if by_digest else tags):
            return self.error(404, "MANIFEST_UNKNOWN")
        if by_digest:
            del manifests[reference]
        for tag in [tag for tag, its in tags.items() if reference in (tag, its)]:
            del tags[tag]
        return 202, b"", {}

    @staticmethod
    def error(status: int, code: str, **headers: str) -> Answer:
        """An error as registries answer it."""
        body = {"errors": [{"code": code, "message": f"it is {code.lower()}"}]}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return status, json.dumps(body).encode(), {"Content-Type": "application/json", **named}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one packet: otherwise each waits for the client's acknowledgement.
    wbufsize = -1
    registry: FakeRegistry

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body, headers = self.registry.answer(self.command, self.path, dict(self.headers))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_DELETE = do_PUT = do_POST = do_PATCH = _serve  # noqa: N815 - the names that the server looks for

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@contextmanager
def fake_registry(context: ssl.SSLContext | None = None) -> Iterator[FakeRegistry]:
    """One that listens on a port of its own, with TLS where there is a context."""
    registry = FakeRegistry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
