"""A registry in this process whose answers a test sets: what a real one can't be made to say at a chosen moment."""

import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from rendering.rootfs import TOOLS, TREE
from tests.e2e.artifacts import Artifact, digest_of
from tests.lab import gotools

CODES = {401: "UNAUTHORIZED", 403: "DENIED", 405: "UNSUPPORTED", 503: "UNAVAILABLE"}
SECONDS = 60
Ran = subprocess.CompletedProcess[str]


@dataclass
class FakeRegistry:
    """Repositories in memory. `refuse` maps methods to the status with which they are answered."""

    address: str = ""
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    manifests: dict[str, dict[str, Artifact]] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None
    """Called with each request, `METHOD PATH`, before it is answered."""

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

    def run(self, job: Mapping[str, str], *scripts: str) -> Ran:
        """Run scripts of the host with regbot against this registry; `job` is Lua text by key."""
        head = ", ".join(f"{key} = {value}" for key, value in {"registry": f'"{self.address}"', **job}.items())
        folder = TREE / TOOLS.lstrip("/")
        program = "\n".join([f"job = {{ {head} }}", *((folder / name).read_text() for name in scripts)])
        config = (
            f"version: 1\ncreds:\n  - registry: {self.address}\n    tls: disabled\n"
            "defaults:\n  skipDockerConfig: true\nscripts:\n  - name: images\n    script: |\n"
        ) + "".join(f"      {line}\n" for line in program.splitlines())
        argv = [str(gotools.build("regbot")), "--verbosity", "error", "once", "--config", "-"]
        return subprocess.run(argv, input=config, text=True, capture_output=True, timeout=SECONDS, check=False)

    def remove(self, *images: str, dry: bool = False, store: bool = False) -> Ran:
        """What docker-repository-rmi does; with `store` on the registry's own host."""
        requests = "{ " + ", ".join(f'"{image}"' for image in images) + " }"
        job = {"requests": requests, "dry": str(dry).lower(), "all_tags": "false", "store": str(store).lower()}
        return self.run(job, "delete-images.lua", "requested-images.lua")

    def drop(self, policies: str, pushed: Sequence[str], dry: bool = False) -> Ran:
        """What registry-retention does."""
        # What each of these tags leads to as its time is read.
        named = [line.split()[1:] for line in pushed]
        digests = [f"{self.tags[name][tag]} {name} {tag}" for name, tag in named if tag in self.tags[name]]
        table = "[[\n" + "\n".join([*digests, *pushed]) + "\n]]"
        retention = f"{{ protected = {{}}, policies = {{ {policies} }} }}"
        job = {"retention": retention, "pushed": table, "dry": str(dry).lower()}
        return self.run(job, "delete-images.lua", "expired-images.lua")

    def answer(self, method: str, path: str) -> tuple[int, bytes, str]:
        """Status, body and content type."""
        self.requests.append(f"{method} {path}")
        self.before(f"{method} {path}")
        if method in self.refuse:
            return self._error(self.refuse[method], CODES[self.refuse[method]])
        if path.startswith("/v2/_catalog"):
            last = re.search(r"last=([^&]*)", path)
            names = [name for name in sorted(self.manifests) if not last or name > unquote(last[1])][:100]
            return 200, json.dumps({"repositories": names}).encode(), "application/json"
        found = re.fullmatch(r"/v2/(.+)/(tags|manifests)/([^?]+).*", path)
        if not found or found[1] not in self.manifests:
            return self._error(404, "NAME_UNKNOWN")
        if found[2] == "tags":
            body = {"name": found[1], "tags": sorted(self.tags.get(found[1], {}))}
            return 200, json.dumps(body).encode(), "application/json"
        return self._manifest(method, found[1], found[3])

    def _manifest(self, method: str, repository: str, reference: str) -> tuple[int, bytes, str]:
        tags, manifests = self.tags.setdefault(repository, {}), self.manifests[repository]
        digest = tags.get(reference, reference)
        if digest not in manifests:
            return self._error(404, "MANIFEST_UNKNOWN")
        if method != "DELETE":
            return 200, manifests[digest].content, manifests[digest].media_type
        if reference == digest:
            del manifests[digest]
        for tag in [tag for tag, its in tags.items() if tag == reference or reference == digest == its]:
            del tags[tag]
        return 202, b"", ""

    @staticmethod
    def _error(status: int, code: str) -> tuple[int, bytes, str]:
        body = {"errors": [{"code": code, "message": f"it is {code.lower()}"}]}
        return status, json.dumps(body).encode(), "application/json"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one packet: otherwise each waits for the client's acknowledgement.
    wbufsize = -1
    registry: FakeRegistry

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body, kind = self.registry.answer(self.command, self.path)
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="fake"')
        if status == 200 and "/manifests/" in self.path:
            self.send_header("Docker-Content-Digest", digest_of(body))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_DELETE = do_PUT = do_POST = do_PATCH = _serve  # noqa: N815 - the names that the server looks for

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    """One that listens on a port of its own."""
    registry = FakeRegistry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    registry.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
