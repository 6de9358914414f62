"""A certificate is refused before it reaches the host when nginx could not serve it or no client would accept it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from config import Certificate
from tests.unit.config import pki
from tests.unit.config.stack import faults_in, load_stack, with_changes

DAY = timedelta(days=1)
NAME = "dr.example.net"


@pytest.fixture(scope="module")
def authority() -> pki.Issued:
    return pki.issue(common_name="authority")


@pytest.fixture(scope="module")
def leaf(authority: pki.Issued) -> pki.Issued:
    return pki.issue(NAME, issuer=authority)


def refusal(**certificate: object) -> list[str]:
    faults = faults_in(with_changes({"certificate": {"mode": "files", **certificate}}))
    return [fault.removeprefix("docker-registry:certificate") for fault in faults]


def test_chain_and_key_are_accepted(leaf: pki.Issued, authority: pki.Issued) -> None:
    assert refusal(chain=leaf.pem + authority.pem, privateKey=leaf.key_pem) == []


def test_text_around_the_certificates_is_dropped(leaf: pki.Issued) -> None:
    certificate = Certificate(mode="files", chain=f"subject: x\r\n{leaf.pem}\n\n", private_key=leaf.key_pem)  # type: ignore[arg-type]
    assert certificate.chain == leaf.pem


@pytest.mark.parametrize("names", [("*.example.net",), ("other.example.net", "DR.example.net")])
def test_names_that_cover_the_fqdn(names: tuple[str, ...]) -> None:
    issued = pki.issue(*names)
    assert refusal(chain=issued.pem, privateKey=issued.key_pem) == []


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("other.example.net", "*.net"), "a certificate for other.example.net, *.net"),
        (("*.dr.example.net",), "a certificate for *.dr.example.net"),
        ((), "a certificate without DNS names"),
    ],
)
def test_names_that_do_not_cover_the_fqdn(names: tuple[str, ...], found: str) -> None:
    issued = pki.issue(*names)
    expected = f".chain: found {found}; expected a certificate for dr.example.net, as site.fqdn says"
    assert refusal(chain=issued.pem, privateKey=issued.key_pem) == [expected]


def test_expired() -> None:
    issued = pki.issue(NAME, starts=-3 * DAY, ends=-DAY)
    end = f"{issued.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert refusal(chain=issued.pem, privateKey=issued.key_pem) == [
        f".chain: found a certificate that expired on {end}; expected a certificate that is still valid"
    ]


def test_not_yet_valid() -> None:
    issued = pki.issue(NAME, starts=DAY)
    start = f"{issued.certificate.not_valid_before_utc:%Y-%m-%d}"
    assert refusal(chain=issued.pem, privateKey=issued.key_pem) == [
        f".chain: found a certificate not valid before {start}; expected a certificate that is valid already"
    ]


def test_issuer_first(leaf: pki.Issued, authority: pki.Issued) -> None:
    assert refusal(chain=authority.pem + leaf.pem, privateKey=leaf.key_pem) == [
        ".chain: found certificate 2 of 2, which did not issue certificate 1; "
        "expected the host's own certificate first and then each certificate's issuer"
    ]


def test_weak_key() -> None:
    issued = pki.issue(NAME, key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - weak on purpose
    assert refusal(chain=issued.pem, privateKey=issued.key_pem) == [
        ".chain: found an RSA key of 1024 bits; expected an RSA key of at least 2048 bits"
    ]


def test_key_of_another_certificate(leaf: pki.Issued) -> None:
    assert refusal(chain=leaf.pem, privateKey=pki.key_pem(pki.new_key())) == [
        ".privateKey: found [secret]; "
        "expected the private key of the first certificate in certificate.chain, not of another"
    ]


def test_key_with_a_passphrase(leaf: pki.Issued) -> None:
    assert refusal(chain=leaf.pem, privateKey=pki.key_pem(leaf.key, b"x")) == [
        ".privateKey: found [secret]; expected a key without a passphrase, because nginx starts unattended"
    ]


def test_key_for_ssh(leaf: pki.Issued) -> None:
    assert refusal(chain=leaf.pem, privateKey=pki.ssh_key()) == [
        ".privateKey: found [secret]; "
        "expected the key of a certificate in PEM form, not one for SSH: -----BEGIN PRIVATE KEY-----"
    ]


def test_unreadable_key(leaf: pki.Issued) -> None:
    assert refusal(chain=leaf.pem, privateKey="hunter2") == [
        ".privateKey: found [secret]; expected a private key in PEM form, beginning with -----BEGIN PRIVATE KEY-----"
    ]


def test_no_certificate_in_the_chain() -> None:
    assert refusal(chain="/etc/ssl/c.pem") == [
        ".chain: found text without a certificate; "
        "expected certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----"
    ]


def test_broken_certificate() -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert refusal(chain=broken) == [".chain: found a broken certificate; expected readable certificates in PEM form"]


def test_key_in_the_chain(leaf: pki.Issued) -> None:
    assert refusal(chain=leaf.pem + leaf.key_pem) == [
        ".chain: found a private key; expected certificates only (certificate.privateKey is for the key)"
    ]


def test_chain_without_key(leaf: pki.Issued) -> None:
    assert refusal(chain=leaf.pem) == [
        ".privateKey: found nothing; expected the private key of certificate.chain; set it with "
        "pulumi config set --secret --path 'docker-registry:certificate.privateKey' < privkey.pem"
    ]


def test_key_without_chain(leaf: pki.Issued) -> None:
    assert ".privateKey: found [secret]; expected no key without certificate.chain" in refusal(privateKey=leaf.key_pem)


def test_files_without_files() -> None:
    assert refusal() == [
        ": found mode files without files; expected chain and privateKey, or chainPath and privateKeyPath"
    ]


@pytest.mark.parametrize("name", ["chainPath", "privateKeyPath"])
def test_inline_and_on_the_host(leaf: pki.Issued, name: str) -> None:
    other = {"chainPath": "/etc/c.pem", "privateKeyPath": "/etc/k.pem"}
    faults = refusal(chain=leaf.pem, privateKey=leaf.key_pem, **other)
    expected = "expected no path, because certificate.chain has the certificate itself"
    assert f'.{name}: found "{other[name]}"; {expected}' in faults


def test_one_path_only() -> None:
    assert refusal(chainPath="/etc/c.pem") == [
        ".privateKeyPath: found nothing; "
        "expected the path of certificate.chainPath's key, for example /etc/ssl/dr/privkey.pem"
    ]
    assert refusal(privateKeyPath="/etc/k.pem") == [
        '.privateKeyPath: found "/etc/k.pem"; expected no path without certificate.chainPath'
    ]


def test_relative_path() -> None:
    assert (
        '.chainPath: found "fullchain.pem"; '
        "expected an absolute path on the host, for example /etc/ssl/dr/fullchain.pem"
    ) in refusal(chainPath="fullchain.pem", privateKeyPath="/etc/k.pem")


def test_self_signed_needs_no_files(leaf: pki.Issued) -> None:
    expected = "expected no value, because certificate.mode is self-signed; or mode files"
    assert refusal(mode="self-signed", privateKey=leaf.key_pem) == [f".privateKey: found [secret]; {expected}"]
    assert refusal(mode="self-signed", chainPath="/etc/c.pem") == [f'.chainPath: found "/etc/c.pem"; {expected}']


def test_unknown_mode() -> None:
    assert refusal(mode="manual") == ['.mode: found "manual"; expected self-signed, files or acme']


def test_the_settings_keep_no_private_key(leaf: pki.Issued) -> None:
    settings, _ = load_stack(
        with_changes({"certificate": {"mode": "files", "chain": leaf.pem, "privateKey": leaf.key_pem}})
    )
    assert "PRIVATE" not in repr(settings)
