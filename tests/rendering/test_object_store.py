"""The real registry with an object store: how it asks, whom it trusts, and what it says while the store is away."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from config.base import Supplied
from config.registry import Registry
from config.s3 import S3
from config.secrets import StoreKey
from registryctl.status.store import _ask
from rendering.objects import KEY, authorities, environment, key_text
from rendering.rootfs import render
from tests.rendering.mirror_world import await_true, serve
from tests.unit.config import pki

pytestmark = pytest.mark.e2e

SECRET = "opens-the-bucket/+0123"
INSIDE = "/etc/distribution"
EMPTY = b'<?xml version="1.0"?><ListBucketResult><Name>acme</Name><KeyCount>0</KeyCount></ListBucketResult>'


class _Store(http.server.BaseHTTPRequestHandler):
    """A store with an empty bucket, or one that lets nobody in."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str]]] = []
    open = True

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        self.send_response(200 if _Store.open else 403)
        body = EMPTY if _Store.open else b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(404 if _Store.open else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[S3]:
    """The settings of a store that answers by TLS, with a certificate that nobody else trusts."""
    authority = pki.issue("ca.example.net", authority=True)
    leaf = pki.issue("localhost", issuer=authority)
    (tmp_path / "store.pem").write_text(leaf.pem + leaf.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "store.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Store) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        _Store.asked.clear()
        _Store.open = True
        yield S3(
            bucket="acme",
            endpoint=f"https://localhost:{server.server_port}",
            prefix="registries/a",
            server_ca=authority.pem,
            access_key=Supplied(),
            secret_key=Supplied(),
        )
        server.shutdown()


def _started(home: Path, objects: S3, trusted: S3) -> Iterator[Path]:
    """The reader, with the files that `up` puts there; the directory of its socket."""
    for file in authorities(trusted, str(home)):
        Path(file.path).write_text(file.content)
    (home / KEY).write_text(key_text(StoreKey("the-name", SECRET)))
    text = render(
        "/var/opt/docker-registry/etc/reader.yml",
        stack="a/b/c",
        registry=Registry(),
        drain_seconds=60,
        endpoints=(),
        objects=objects,
    ).content
    # Looked at more often, and without a port that others may have.
    for before, after in (("/run/registry", str(home)), ("interval: 10s", "interval: 200ms"), (":5001", ":0")):
        assert before in text
        text = text.replace(before, after)
    (home / "reader.yml").write_text(text)
    told = {name: path.replace(INSIDE, str(home)) for name, path in environment(trusted).items()}
    socket = home / "reader.socket"
    process = serve(home / "reader.yml", home / "log", socket=socket, trusted=told)
    try:
        await_true(lambda: process.poll() is None and _ask(home))
        # Who may look at a process sees neither its words nor its variables hold the key.
        for name in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{process.pid}/{name}").read_bytes()
        yield home
        assert process.poll() is None, "it went on"
    finally:
        process.terminate()
        process.wait(20)
    assert SECRET not in (home / "log").read_text()


@pytest.fixture
def reader(objects: S3, tmp_path: Path) -> Iterator[Path]:
    """The registry's reader over that store."""
    yield from _started(tmp_path, objects, objects)


def test_it_asks_with_its_key_below_its_prefix(reader: Path) -> None:
    """An empty bucket is an empty registry."""
    assert _ask(reader) == 200
    path, said = next(pair for pair in _Store.asked if "list-type=2" in pair[0])
    assert path.startswith("/acme?")
    assert "prefix=registries%2Fa%2F" in path
    assert "Credential=the-name/" in said
    assert "/us-east-1/s3/aws4_request" in said


def test_while_the_store_lets_nobody_in(reader: Path) -> None:
    """Each request is one clear 503 before long, and all is well again without a start."""
    _Store.open = False
    await_true(lambda: _ask(reader) == 503)
    _Store.open = True
    await_true(lambda: _ask(reader) == 200)


def test_a_store_of_somebody_else_is_not_asked(objects: S3, tmp_path: Path) -> None:
    """One with a certificate of another authority."""
    other = objects.model_copy(update={"server_ca": pki.issue("ca.example.net", authority=True).pem})
    for home in _started(tmp_path, objects, other):
        await_true(lambda here=home: _ask(here) == 503)
    assert _Store.asked == []
