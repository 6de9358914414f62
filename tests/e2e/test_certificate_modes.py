"""Another kind of certificate is one `up`, and clients don't notice it."""

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.e2e.acme_registry import AcmeRegistry, Settings, from_server, served, within
from tests.e2e.renewing import SERVED_SECONDS
from tests.e2e.support import Deployed, runs
from tests.e2e.traffic import Asking
from tests.lab.acme_settings import Settings as ServerSettings
from tests.lab.authority import Authority
from tests.lab.lab import Lab
from tests.lab.pebble import Pebble
from tests.lab.stack import Secret

pytest_plugins = ["tests.e2e.acme_fixtures"]
pytestmark = pytest.mark.e2e

FURTHER = "also.example.net"
SELF_SIGNED = "/usr/local/lib/docker-registry/self-signed-certificate"

PATH = (
    # Within mode acme: names, key type and server change, one after the other.
    *(("acme", "acme with another name", 1), ("acme with another name", "acme with an RSA key", 1)),
    ("acme with an RSA key", "acme at another server", 1),
    # Between all modes; what is given up is forgotten, but the last certificate of an ACME server is used again.
    *(("acme at another server", "self-signed", 0), ("self-signed", "files", 0), ("files", "acme", 1)),
    *(("acme", "files", 0), ("files", "self-signed", 0), ("self-signed", "acme", 0)),
)
"""Changes, each with the orders that it costs at ACME servers: they lead from one to the next."""


@dataclass(frozen=True)
class Kind:
    """The settings of a kind of certificate, and what is then served: issuer (PEM), names, type of the key."""

    settings: Settings
    authority: str
    names: frozenset[str]
    key: type = ec.EllipticCurvePublicKey


@pytest.fixture(scope="module")
def other_server(lab: Lab, acme: AcmeRegistry) -> Iterator[Pebble]:
    """A second ACME server, with an authority of its own."""
    server = Pebble.start(lab, ServerSettings(renewal_info=False), "pebble-other")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def kinds(acme: AcmeRegistry, other_server: Pebble) -> Mapping[str, Kind]:
    """All kinds of certificates by name."""
    fqdn = acme.deployed.fqdn
    for server in (acme.server, other_server):
        for name in (fqdn, FURTHER):
            server.resolve(name, acme.deployed.host.address)
    own = Authority("The administrator's authority")
    chain, key = own.issue(fqdn)
    files = {"mode": "files", "chain": chain, "privateKey": Secret(key)}
    further = from_server(acme.server, names=[FURTHER])
    rsa_key = from_server(acme.server, names=[FURTHER], keyType="rsa")
    other = from_server(other_server, names=[FURTHER], keyType="rsa")
    one, both, root = frozenset({fqdn}), frozenset({fqdn, FURTHER}), acme.server.root()
    return {
        "acme": Kind(from_server(acme.server), root, one),
        "acme with another name": Kind(further, root, both),
        "acme with an RSA key": Kind(rsa_key, root, both, rsa.RSAPublicKey),
        "acme at another server": Kind(other, other_server.root(), both, rsa.RSAPublicKey),
        "files": Kind(files, own.certificate, one),
        "self-signed": Kind({"mode": "self-signed"}, _self_signed_authority(acme.deployed), one),
    }


@pytest.fixture(scope="module")
def client(acme: AcmeRegistry, kinds: Mapping[str, Kind]) -> Deployed:
    """The registry for a client that trusts all issuers."""
    return acme.trusting(*{kind.authority for kind in kinds.values()})


@pytest.mark.parametrize(("source", "target", "orders"), PATH, ids=[f"{one} → {two}" for one, two, _ in PATH])
def test_change_drops_no_request(
    acme: AcmeRegistry,
    other_server: Pebble,
    kinds: Mapping[str, Kind],
    client: Deployed,
    source: str,
    target: str,
    orders: int,
) -> None:
    """The old certificate serves until the new one is in place, and the proxy goes on running."""
    servers, kind = (acme.server, other_server), kinds[target]
    acme.become(kinds[source].settings)
    expected = acme.trusting(kind.authority)
    proxy, placed = runs(acme.deployed.host)["nginx"], [server.orders() for server in servers]
    with Asking(client) as asking:
        acme.become(kind.settings)
        assert within(SERVED_SECONDS, lambda: _vouched_for(expected))
    assert asking.failures == []
    assert asking.answers > 10
    assert _names(served(expected)) == kind.names
    assert isinstance(served(expected).public_key(), kind.key)
    assert runs(acme.deployed.host)["nginx"] == proxy
    assert sum(server.orders() for server in servers) == sum(placed) + orders


def test_corrected_chain_is_served(acme: AcmeRegistry) -> None:
    """The same certificate with its issuer, which was forgotten at first, is another chain: one `up` serves it."""
    own = Authority("A forgotten issuer")
    leaf, key = own.issue(acme.deployed.fqdn)
    files = {"mode": "files", "privateKey": Secret(key)}
    acme.become({**files, "chain": leaf})
    assert within(SERVED_SECONDS, lambda: _served_chain(acme) == [leaf])
    acme.become({**files, "chain": leaf + own.certificate})
    assert within(SERVED_SECONDS, lambda: _served_chain(acme) == [leaf, own.certificate])


def _served_chain(registry: AcmeRegistry) -> list[str]:
    """All certificates that the proxy sends, in PEM."""
    shown = registry.deployed.host.run(
        "openssl s_client -connect 127.0.0.1:443 -showcerts </dev/null 2>/dev/null"
    ).stdout
    return re.findall(r"-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n", shown, re.DOTALL)


def _vouched_for(registry: Deployed) -> bool:
    """Whether a client that trusts no other authority accepts what is served."""
    try:
        return bool(served(registry))
    except ssl.SSLCertVerificationError:
        return False


def _names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(found.get_values_for_type(x509.DNSName))


def _self_signed_authority(registry: Deployed) -> str:
    """The host's own authority, which it keeps: made in advance, as clients must trust it before it is used."""
    image = registry.host.run(["docker", "inspect", "--format", "{{.Config.Image}}", "nginx"]).stdout.strip()
    made = registry.host.run([SELF_SIGNED, image, "/var/opt", registry.fqdn]).stdout
    return made[made.index("-----BEGIN") :]
