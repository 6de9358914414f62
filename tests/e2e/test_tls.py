"""What the proxy offers to clients: Mozilla's TLS profiles, and nothing beside them."""

import socket
import ssl
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.acme_registry import AcmeRegistry, Settings, from_server, within
from tests.e2e.renewing import SERVED_SECONDS
from tests.e2e.support import HTTP_SECONDS, Deployed
from tests.lab.machine import ensure_commands
from tests.lab.run import run
from tests.lab.stack import Secret
from tests.unit.config.pki import issue

pytest_plugins = ["tests.e2e.acme_fixtures"]
pytestmark = pytest.mark.e2e

SCAN_SECONDS = 120

TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
ECDSA = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}
RSA = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"}
"""The suites of the profile intermediate with TLS 1.2 are those of the certificate's key."""

FINE = {"strong", "acceptable"}
"""What sslscan says of a suite about which it has nothing to say."""


@dataclass(frozen=True)
class Scan:
    """What sslscan found: versions and suites that are offered, and what it warns of."""

    versions: frozenset[str]
    suites: frozenset[tuple[str, str]]
    """Each with its version."""
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, registry: Deployed) -> "Scan":
        """Asks for everything that clients may ask for."""
        ensure_commands("sslscan")
        target = [f"--sni-name={registry.fqdn}", f"{registry.host.address}:443"]
        text = run(["sslscan", "--xml=-", "--no-colour", *target], log="sslscan", timeout=SCAN_SECONDS).stdout
        found = ElementTree.fromstring(text)  # noqa: S314 - written by sslscan
        versions = [entry for entry in found.iter("protocol") if entry.get("enabled") == "1"]
        suites = list(found.iter("cipher"))
        return cls(
            versions=frozenset(f"{entry.get('type')} {entry.get('version')}" for entry in versions),
            suites=frozenset((str(entry.get("sslversion")), str(entry.get("cipher"))) for entry in suites),
            warnings=tuple(ElementTree.tostring(entry, "unicode") for entry in found.iter() if _is_bad(entry)),
        )


@pytest.fixture(scope="module")
def rsa_certificate(acme: AcmeRegistry) -> Settings:
    """Settings of a certificate with an RSA key."""
    issued = issue(acme.deployed.fqdn, key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return {"mode": "files", "chain": issued.pem, "privateKey": Secret(issued.key_pem)}


def test_intermediate_offers_the_profile(acme: AcmeRegistry) -> None:
    """By default: TLS 1.2 and 1.3 with the profile's suites for an ECDSA key, and nothing to warn of."""
    acme.become(from_server(acme.server))
    scan = Scan.of(acme.deployed)
    assert scan.versions == {"tls 1.2", "tls 1.3"}
    assert scan.suites == {("TLSv1.2", name) for name in ECDSA} | {("TLSv1.3", name) for name in TLS_1_3}
    assert scan.warnings == ()


def test_http_2_is_offered(acme: AcmeRegistry) -> None:
    """Clients that can speak HTTP/2 do, and others speak HTTP/1.1."""
    acme.become(from_server(acme.server))
    assert _protocol(acme.deployed, "h2", "http/1.1") == "h2"
    assert _protocol(acme.deployed, "http/1.1") == "http/1.1"


def test_intermediate_with_an_rsa_key(acme: AcmeRegistry, rsa_certificate: Settings) -> None:
    """With an RSA key: the profile's suites for that, none without forward secrecy, and nothing to warn of."""
    acme.become(rsa_certificate)
    assert within(SERVED_SECONDS, lambda: _accepts(acme.deployed, "aRSA"))
    scan = Scan.of(acme.deployed)
    assert scan.versions == {"tls 1.2", "tls 1.3"}
    assert scan.suites == {("TLSv1.2", name) for name in RSA} | {("TLSv1.3", name) for name in TLS_1_3}
    assert scan.warnings == ()


def test_modern_offers_tls_1_3_only(acme: AcmeRegistry, rsa_certificate: Settings) -> None:
    """The profile modern is one setting: TLS 1.3 and HTTP/2, and nothing else."""
    acme.become(rsa_certificate, nginx={"tlsProfile": "modern"})
    assert within(SERVED_SECONDS, lambda: not _accepts(acme.deployed, "aRSA"))
    scan = Scan.of(acme.deployed)
    assert scan.versions == {"tls 1.3"}
    assert scan.suites == {("TLSv1.3", name) for name in TLS_1_3}
    assert scan.warnings == ()
    assert _protocol(acme.deployed, "h2", "http/1.1") == "h2"


def _is_bad(entry: ElementTree.Element) -> bool:
    """Whether an entry of a scan is a weakness."""
    match entry.tag:
        case "heartbleed":
            return entry.get("vulnerable") != "0"
        case "compression":
            return entry.get("supported") != "0"
        case "renegotiation":
            return entry.get("supported") != "0" and entry.get("secure") != "1"
        case "cipher":
            return entry.get("strength") not in FINE
        case _:
            return False


def _accepts(registry: Deployed, suites: str) -> bool:
    """Whether the proxy accepts a client that can do no more than TLS 1.2, with these suites."""
    context = _any_certificate()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suites)
    try:
        _greet(registry, context)
    except ssl.SSLError:
        return False
    return True


def _protocol(registry: Deployed, *offered: str) -> str | None:
    """Which protocol the proxy chooses of those that a client offers."""
    context = _any_certificate()
    context.set_alpn_protocols(list(offered))
    return _greet(registry, context)


def _greet(registry: Deployed, context: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection((registry.host.address, 443), timeout=HTTP_SECONDS) as dialled,
        context.wrap_socket(dialled, server_hostname=registry.fqdn) as tls,
    ):
        return tls.selected_alpn_protocol()


def _any_certificate() -> ssl.SSLContext:
    """Whom the certificate is from doesn't matter here."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
