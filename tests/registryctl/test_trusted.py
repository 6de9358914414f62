"""Deletion over the API: which certificates are trusted, and the program as one file."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from registryctl import account
from tests.e2e.artifacts import image
from tests.registryctl.fake_registry import FakeRegistry, fake_registry
from tests.unit.config.pki import Issued, issue


class Trusted:
    """A registry with TLS, whose authority Docker on this machine may know."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.authority = issue(common_name="the authority", authority=True)
        self.folder = folder
        monkeypatch.setattr(account, "CERTIFICATES", folder / "certs.d")

    def server(self, names: tuple[str, ...] = ("localhost",), clients: Issued | None = None) -> ssl.SSLContext:
        its = issue(*names, issuer=self.authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair("server", its))
        if clients is not None:
            (self.folder / "clients.crt").write_text(clients.pem)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.folder / "clients.crt")
        return context

    def pair(self, name: str, its: Issued) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.pem.key"
        certificate.write_text(its.pem)
        key.write_text(its.key_pem)
        return certificate, key

    def known(self, registry: FakeRegistry) -> Path:
        """Docker's directory for it."""
        registry.address = registry.address.replace("127.0.0.1", "localhost")
        registry.push("team/app", image("one"), "a", "b")
        found = self.folder / "certs.d" / registry.address
        found.mkdir(parents=True)
        return found


@pytest.fixture
def trusted(config: Path, monkeypatch: pytest.MonkeyPatch) -> Trusted:
    """Whom Docker trusts."""
    return Trusted(config.parent, monkeypatch)


def test_the_authority_that_docker_knows_is_trusted(trusted: Trusted) -> None:
    """And no other: not one whose name ends otherwise, and never without TLS."""
    with fake_registry(trusted.server()) as registry:
        folder = trusted.known(registry)
        (folder / "ca.pem").write_text(trusted.authority.pem)
        refused = registry.remove("team/app:a")
        assert (refused.code, refused.word) == (13, "UNREACHABLE")
        assert registry.requests == []
        (folder / "ca.crt").write_text(trusted.authority.pem)
        assert registry.remove("team/app:a").code == 0
        assert set(registry.tags["team/app"]) == {"b"}


def test_a_certificate_for_another_name_is_refused(trusted: Trusted) -> None:
    with fake_registry(trusted.server(("other.example.net",))) as registry:
        (trusted.known(registry) / "ca.crt").write_text(trusted.authority.pem)
        assert registry.remove("team/app:a").code == 13


def test_it_comes_with_the_certificate_that_docker_has_for_it(trusted: Trusted) -> None:
    """With the key beside it."""
    clients = issue(common_name="clients", authority=True)
    with fake_registry(trusted.server(clients=clients)) as registry:
        folder = trusted.known(registry)
        (folder / "ca.crt").write_text(trusted.authority.pem)
        assert registry.remove("team/app:a").code == 13
        its = issue("client", issuer=clients)
        (folder / "client.cert").write_text(its.pem)
        wanting = registry.remove("team/app:a")
        assert (wanting.code, wanting.word) == (1, "FAILED")
        assert "client.cert can't be used" in wanting.err
        (folder / "client.key").write_text(its.key_pem)
        assert registry.remove("team/app:a").code == 0


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
def test_a_file_that_is_no_authority_is_an_error(trusted: Trusted, text: str) -> None:
    """That names it."""
    with fake_registry(trusted.server()) as registry:
        (trusted.known(registry) / "ca.crt").write_text(text)
        done = registry.remove("team/app:a")
        assert (done.code, done.word) == (1, "FAILED")
        assert "ca.crt can't be used" in done.err
