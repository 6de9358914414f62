"""Other registries and their mirrors, as processes of this machine, behind the real proxy."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passlib.hash import bcrypt

from config.mirrors import Mirror
from config.secrets import Login
from rendering.mirrors import authorities_file, configuration_file, credentials_file, programs
from tests.storage_oracle.registries import executable

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LOGIN = Login("puller", "opens the other registry")
START_SECONDS = 20
_UPSTREAM = """version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage:
  filesystem: {{rootdirectory: {home}/data}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}", secret: only-for-tests}}
"""
_AUTH = "auth: {{htpasswd: {{realm: theirs, path: {home}/htpasswd}}}}\n"
_ASKED = re.compile(r'"([A-Z]+) (/v2/\S*) HTTP/1[.]1" (\d{3})')


def digest_of(content: bytes) -> str:
    """As registries name it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Upstream:
    """Another registry. `asked` are the requests since it was forgotten what was asked."""

    home: Path
    port: int
    login: Login | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _read: int = 0

    @property
    def url(self) -> str:
        """Where mirrors ask it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Until it answers."""
        (self.home / "config.yml").write_text(
            (_UPSTREAM + (_AUTH if self.login else "")).format(home=self.home, port=self.port)
        )
        if self.login:
            hashed = bcrypt.using(rounds=4).hash(self.login.password)
            (self.home / "htpasswd").write_text(f"{self.login.username}:{hashed}\n")
        self._process = serve(self.home / "config.yml", self.home / "log")
        await_true(lambda: self.ask("GET", "/v2/").status == 200)

    def stop(self) -> None:
        """It is away."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        """One request at it, as its owner."""
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.login:
            words = f"{self.login.username}:{self.login.password}".encode()
            said["Authorization"] = f"Basic {base64.b64encode(words).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, said)
        return connection.getresponse()

    def push(self, repository: str, tag: str, layer: bytes) -> str:
        """An image with one layer; the digest of its manifest."""
        config = b"{}"
        for blob in (config, layer):
            place = self.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
            path = place.removeprefix(self.url)
            assert self.ask("PUT", f"{path}&digest={digest_of(blob)}", blob).status == 201
        parts = [
            {"mediaType": "application/octet-stream", "digest": digest_of(b), "size": len(b)} for b in (config, layer)
        ]
        found: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
        manifest = json.dumps(found).encode()
        assert self.ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=MANIFEST).status == 201
        self.forget()
        return digest_of(manifest)

    def forget(self) -> None:
        """What was asked until now."""
        time.sleep(0.1)
        self._read = (self.home / "log").stat().st_size

    def asked(self) -> list[str]:
        """Method and path of each request that was answered, but for the question whether it is there."""
        time.sleep(0.1)
        said = (self.home / "log").read_bytes()[self._read :].decode()
        return [f"{method} {path}" for method, path, _ in _ASKED.findall(said) if path != "/v2/"]


@contextmanager
def upstream(home: Path, *, login: Login | None = None) -> Iterator[Upstream]:
    """Another registry, empty; with a login, for that account alone."""
    home.mkdir()
    found = Upstream(home, free_port(), login)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@contextmanager
def mirroring(mirror: Mirror, run: Path, home: Path, login: Login | None = None) -> Iterator[Path]:
    """The mirror with the files that a host would have, its socket where the proxy's `run` has it; yields its log."""
    place, here = run / "mirrors" / mirror.prefix, home / "etc"
    for folder in (place, here, home / "data"):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (place.parent, place):
        folder.chmod(0o755)
    moved = {"/var/lib/registry": f"{home}/data", "/etc/distribution": str(here), "/run/registry": str(place)}
    files = [
        configuration_file(mirror, log_level="debug", stack="a/b/c", root="/var/opt"),
        credentials_file(mirror, login, "/var/opt"),
        *programs(mirror, "/var/opt"),
    ]
    for file in files:
        content = file.content.replace("127.0.0.1:5001", "127.0.0.1:0").replace("lifetime: 1m", "lifetime: 2s")
        for inside, outside in moved.items():
            content = content.replace(inside, outside)
        (here / Path(file.path).name).write_text(content)
        (here / Path(file.path).name).chmod(0o700)
    trusted = {}
    if authorities := authorities_file(mirror, "/var/opt"):
        (here / "certs").mkdir(exist_ok=True)
        (here / "certs/ca.pem").write_text(authorities.content)
        trusted = {"SSL_CERT_DIR": f"{here}/certs"}
    process = serve(here / "mirror.yml", home / "log", socket=place / "socket", trusted=trusted)
    try:
        await_true(lambda: _takes_connections(place / "socket"))
        yield home / "log"
    finally:
        process.terminate()
        process.wait(20)


def serve(
    config: Path, log: Path, *, socket: Path | None = None, trusted: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A registry with a configuration; one with a socket lets everybody use it, as its start script does."""
    if socket is not None:
        socket.unlink(missing_ok=True)
    with log.open("ab") as said:
        return subprocess.Popen(
            [str(executable("3.1.2")), "serve", str(config)],
            stdout=said,
            stderr=said,
            umask=0 if socket else 0o022,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none", **(trusted or {})},
        )


def _takes_connections(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as found:
        found.connect(str(address))
    return True


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def await_true(is_so: Any) -> None:  # noqa: ANN401
    """Waits until something is so. Who refuses a connection is not there yet."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < end
        time.sleep(0.05)
