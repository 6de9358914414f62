"""Private keys and certificates in PEM form: checked, and reduced to what is not secret."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from config.base import as_text, refused

_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_RSA_MINIMUM = 2048


@dataclass(frozen=True)
class PublicKey:
    """The public part of a private key: what remains of it once the settings are validated."""

    spki: bytes
    """SubjectPublicKeyInfo in DER, the same for each way of writing the key down."""


def normal_pem(text: str) -> str:
    """PEM text as OpenSSH and nginx want it: Unix line ends, and a line end after the last line."""
    return text.replace("\r\n", "\n").strip() + "\n"


def _public_part(key: Any) -> PublicKey:  # noqa: ANN401 - the union of key types has no common base
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(spki=der)


def parse_ssh_private_key(value: object) -> PublicKey:
    """Check a private key for SSH; the result holds no secret."""
    if isinstance(value, PublicKey):
        return value
    text = normal_pem(as_text(value))
    load = load_ssh_private_key if text.startswith(_OPENSSH) else load_pem_private_key
    try:
        return _public_part(load(text.encode(), password=None).public_key())
    except TypeError:
        raise refused("a key without a passphrase, because nobody is asked for it; or an SSH agent instead") from None
    except (ValueError, UnsupportedAlgorithm):
        raise refused("a private key in OpenSSH or PEM form, beginning with -----BEGIN … PRIVATE KEY-----") from None


def parse_tls_private_key(value: object) -> PublicKey:
    """Check the private key of a TLS certificate; the result holds no secret."""
    if isinstance(value, PublicKey):
        return value
    text = normal_pem(as_text(value))
    if text.startswith(_OPENSSH):
        raise refused("the key of a certificate in PEM form, not one for SSH: -----BEGIN PRIVATE KEY-----")
    try:
        return _public_part(load_pem_private_key(text.encode(), password=None).public_key())
    except TypeError:
        raise refused("a key without a passphrase, because nginx starts unattended") from None
    except (ValueError, UnsupportedAlgorithm):
        raise refused("a private key in PEM form, beginning with -----BEGIN PRIVATE KEY-----") from None


def load_chain(text: str) -> list[x509.Certificate]:
    """The certificates in PEM text, in their order. Raises ValueError where one can't be read."""
    return [x509.load_pem_x509_certificate(block.encode()) for block in _CERTIFICATE.findall(text)]


def parse_chain(value: str) -> str:
    """Check a certificate chain: readable, leaf first, each issued by the next, in its time.

    The result is the certificates alone: text around them is dropped.
    """
    if "PRIVATE KEY-----" in value:
        raise refused("certificates only (certificate.privateKey is for the key)", found="a private key")
    chain = _readable(value)
    _check_order(chain)
    _check_leaf(chain[0])
    return _pem(chain)


def parse_authorities(value: str) -> str:
    """Check a bundle of CA certificates, in any order: readable, all of CAs, one at least in its time.

    The result is the certificates alone: text around them is dropped.
    """
    if "PRIVATE KEY-----" in value:
        raise refused("certificates only; no key is needed to trust one", found="a private key")
    bundle = _readable(value)
    for number, certificate in enumerate(bundle, start=1):
        if not _is_authority(certificate):
            raise refused("certificates of CAs only", found=f"certificate {number} of {len(bundle)}, which is no CA's")
    if all(certificate.not_valid_after_utc <= datetime.now(UTC) for certificate in bundle):
        raise refused("a CA certificate that is still valid", found="expired certificates only")
    return _pem(bundle)


def _readable(value: str) -> list[x509.Certificate]:
    try:
        certificates = load_chain(value)
    except ValueError:
        raise refused("readable certificates in PEM form", found="a broken certificate") from None
    if not certificates:
        raise refused(
            "certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----",
            found="text without a certificate",
        )
    return certificates


def _pem(certificates: list[x509.Certificate]) -> str:
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that it is a CA's; those of version 1 can't say."""
    if certificate.version is x509.Version.v1:
        return True
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_order(chain: list[x509.Certificate]) -> None:
    for number, (certificate, issuer) in enumerate(itertools.pairwise(chain), start=1):
        if certificate.issuer != issuer.subject:
            raise refused(
                "the host's own certificate first and then each certificate's issuer",
                found=f"certificate {number + 1} of {len(chain)}, which did not issue certificate {number}",
            )


def _check_leaf(leaf: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if leaf.not_valid_after_utc <= now:
        end = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
        raise refused("a certificate that is still valid", found=f"a certificate that expired on {end}")
    if leaf.not_valid_before_utc > now:
        start = f"{leaf.not_valid_before_utc:%Y-%m-%d}"
        raise refused("a certificate that is valid already", found=f"a certificate not valid before {start}")
    key = leaf.public_key()
    if isinstance(key, RSAPublicKey) and key.key_size < _RSA_MINIMUM:
        raise refused(f"an RSA key of at least {_RSA_MINIMUM} bits", found=f"an RSA key of {key.key_size} bits")


def leaf_key(chain: str) -> PublicKey:
    """The public key of a validated chain's first certificate."""
    return _public_part(load_chain(chain)[0].public_key())


def leaf_names(chain: str) -> list[str]:
    """The DNS names of a validated chain's first certificate."""
    try:
        names = load_chain(chain)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return names.value.get_values_for_type(x509.DNSName)


def covers(names: list[str], fqdn: str) -> bool:
    """Whether one of a certificate's names is the FQDN, or a wildcard that stands for its first label."""
    parent = fqdn.partition(".")[2]
    return any(name.lower() in (fqdn, f"*.{parent}") for name in names)
