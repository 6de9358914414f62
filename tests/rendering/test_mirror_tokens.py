"""A mirror of a registry as the large ones are: over TLS, and with tokens that an account gets."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from config.mirrors import Mirror
from config.secrets import Login
from rendering.mirrors import credentials_file
from tests.rendering.mirror_world import LOGIN, mirroring
from tests.rendering.real_proxy import Proxy, proxied
from tests.rendering.sites import user
from tests.unit.config import pki

pytestmark = pytest.mark.e2e

TAGS = b'{"name":"x","tags":["1"]}'
PREFIXES = TRUSTING, DOUBTING = "trusting.example.org", "doubting.example.org"


@dataclass
class _Accounts:
    """Who gets a token, and who asked for one."""

    wanted: Login = LOGIN
    asked: list[str] = field(default_factory=list)


class _Registry(http.server.BaseHTTPRequestHandler):
    """Says where tokens are, and takes the one that it gives."""

    protocol_version = "HTTP/1.1"
    its: ClassVar[_Accounts]

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        """A token for the account, and tags for the token."""
        said = self.headers.get("Authorization", "")
        if self.path.startswith("/token?"):
            self.its.asked.append(said)
            words = f"{self.its.wanted.username}:{self.its.wanted.password}".encode()
            known = said == f"Basic {base64.b64encode(words).decode()}"
            self._say(200 if known else 401, b'{"token":"good","expires_in":60}')
        else:
            self._say(200 if said == "Bearer good" else 401, TAGS)

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 401:
            realm = f"https://{self.headers['Host']}/token"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="theirs",scope="repository:x:pull"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass
class World:
    """A proxy with two mirrors of a registry, of which one knows by whom its certificate is."""

    proxy: Proxy
    accounts: _Accounts
    logs: Sequence[Path]
    etc: Path

    def tags(self, prefix: str) -> int:
        """The status of a list of tags."""
        return self.proxy.connection("alice").ask("GET", f"/v2/{prefix}/x/tags/list").status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all."""
    home = tmp_path_factory.mktemp("tokens")
    authority = pki.issue("ca.example.net", authority=True)
    leaf = pki.issue("localhost", issuer=authority)
    (home / "chain.pem").write_text(leaf.pem)
    (home / "key.pem").write_text(leaf.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "chain.pem", home / "key.pem")
    _Registry.its = _Accounts()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server, proxied([user("alice")]) as proxy:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://localhost:{server.server_port}"
        mirrors = [
            Mirror(prefix=TRUSTING, upstream=url, server_ca=authority.pem),
            Mirror(prefix=DOUBTING, upstream=url),
        ]
        proxy.configure([user("alice")], mirrors=mirrors)
        proxy.reload()
        with (
            mirroring(mirrors[0], proxy.home / "run", home / "trusting", LOGIN) as first,
            mirroring(mirrors[1], proxy.home / "run", home / "doubting", LOGIN) as second,
        ):
            yield World(proxy, _Registry.its, [first, second], home / "trusting/etc")
        server.shutdown()


def test_a_token_is_got_by_the_account(world: World) -> None:
    """Which no log shows."""
    assert world.tags(TRUSTING) == 200
    assert world.accounts.asked
    said = "".join(log.read_text() for log in world.logs)
    assert LOGIN.password not in said
    assert base64.b64encode(f"{LOGIN.username}:{LOGIN.password}".encode()).decode() not in said


def test_a_certificate_that_nobody_vouches_for_is_refused(world: World) -> None:
    """Before an account is told."""
    world.accounts.asked.clear()
    assert world.tags(DOUBTING) == 404
    assert world.accounts.asked == []


def test_a_changed_password_counts_soon(world: World) -> None:
    """Without a start. On a host it takes a minute at most; here the mirror looks more often."""
    other = Login("another", "password of another")
    world.accounts.wanted = other
    (world.etc / "credentials.json").write_text(credentials_file(Mirror(prefix="a.b"), other, "/var/opt").content)
    end = time.monotonic() + 20
    while world.tags(TRUSTING) != 200:
        assert time.monotonic() < end
        time.sleep(0.5)
