"""Real registries over a folder, and a small client for them."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.lab import gotools, images
from tests.lab.docker import docker
from tests.lab.paths import cache_dir
from tests.storage_oracle.reading import MANIFEST_TYPES, OCI_ARTIFACT

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ACCEPTED = ",".join([*(media for media in MANIFEST_TYPES if media != OCI_ARTIFACT), SCHEMA_1])
START_SECONDS = 30

_CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
  redirect: {{disable: true}}
http: {{net: unix, addr: {socket}, secret: only-for-tests}}
"""


def executable(version: str) -> Path:
    """The registry's program of a version that the lab knows."""
    if version.startswith("3."):
        return gotools.build("registry")
    reference = images.build("registry-2")
    target = cache_dir("registry-2", reference.rsplit(":", 1)[1]) / "registry"
    if not target.exists():
        container = docker("create", reference).stdout.strip()
        try:
            docker("cp", f"{container}:/bin/registry", str(target))
        finally:
            docker("rm", container)
    return target


@contextmanager
def serving(version: str, root: Path, at: Path) -> Iterator[Client]:
    """A registry over the storage at `root`; what it needs itself is put below `at`."""
    at.mkdir(parents=True, exist_ok=True)
    # A socket's path may be 107 bytes long.
    address = at / "s"
    address.unlink(missing_ok=True)
    config = at / "config.yml"
    config.write_text(_CONFIG.format(root=root, socket=address))
    with (at / "log").open("ab") as log:
        process = subprocess.Popen(
            [str(executable(version)), "serve", str(config)],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(process, address)
        yield Client(str(address))
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], address: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the registry ended at its start"
        try:
            if Client(str(address)).ask("GET", "/v2/").status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the registry does not answer")


class _Socket(http.client.HTTPConnection):
    def __init__(self, address: str) -> None:
        super().__init__("registry", timeout=30)
        self.address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.address)


@dataclass(frozen=True)
class Answer:
    """What a registry says."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Client:
    """Asks a registry, over a connection that is kept."""

    address: str
    _connection: _Socket | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: bytes | None = None, media: str = "") -> Answer:
        """One request; a connection that ended meanwhile is made anew."""
        headers = {"Accept": ACCEPTED} | ({"Content-Type": media} if media else {})
        for last in (False, True):
            try:
                self._connection = self._connection or _Socket(self.address)
                self._connection.request(method, path, body, headers)
                answer = self._connection.getresponse()
                return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
            except (http.client.HTTPException, OSError):
                self._connection = None
                if last:
                    raise
        raise AssertionError

    def push_blob(self, name: str, content: bytes, digest: str) -> None:
        """Uploads a blob by the digest that its pusher calls it."""
        begun = self.ask("POST", f"/v2/{name}/blobs/uploads/")
        where = urlsplit(begun.headers["location"])
        query = "&".join(filter(None, [where.query, urlencode({"digest": digest})]))
        done = self.ask("PUT", f"{where.path}?{query}", content, "application/octet-stream")
        assert done.status == 201, done

    def begin_upload(self, name: str, content: bytes) -> None:
        """An upload that nobody ends."""
        where = urlsplit(self.ask("POST", f"/v2/{name}/blobs/uploads/").headers["location"])
        answer = self.ask("PATCH", f"{where.path}?{where.query}", content, "application/octet-stream")
        assert answer.status == 202, answer

    def mount(self, name: str, digest: str, other: str) -> bool:
        """Takes a blob from another repository; whether that could be done."""
        query = urlencode({"mount": digest, "from": other})
        return self.ask("POST", f"/v2/{name}/blobs/uploads/?{query}").status == 201

    def push_manifest(self, name: str, reference: str, content: bytes, media: str) -> Answer:
        """Pushes a manifest by tag or digest."""
        return self.ask("PUT", f"/v2/{name}/manifests/{reference}", content, media)

    def manifest(self, name: str, reference: str) -> bytes | None:
        """A manifest by tag or digest; None if the registry does not give one."""
        answer = self.ask("GET", f"/v2/{name}/manifests/{reference}")
        return answer.body if answer.status == 200 else None

    def blob(self, name: str, digest: str) -> bytes | None:
        """A blob; None if the registry does not give it."""
        answer = self.ask("GET", f"/v2/{name}/blobs/{digest}")
        return answer.body if answer.status == 200 else None
