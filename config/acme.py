"""How a certificate authority is asked for a certificate, by the ACME protocol."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from config.base import HIDDEN, Concern, Supplied, as_text, refused
from config.pem import parse_authorities
from config.site import check_fqdn
from config.users import repeated_names

DIRECTORIES = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
"""The servers that have a name: those of Let's Encrypt."""

# Names and values of these patterns need no quoting, in a shell or in certbot's own files.
_EMAIL = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._+='-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_URL = re.compile(rf"https://{_HOST}(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~/-]*)?(?:\?[A-Za-z0-9._~/=&-]+)?")
_KEY_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,256}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_PROFILE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SHORTEST_KEY = 22
"""Characters of 16 bytes in Base64url."""
MOST_NAMES = 100
"""How many names public authorities put into one certificate."""


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise refused("one e-mail address, for example hostmaster@example.net")
    return value


def _server(value: str) -> str:
    if value in DIRECTORIES:
        return value
    example = "for example https://ca.example.net/acme/directory"
    if not value.startswith("https://"):
        raise refused(f"production, staging, or the https URL of an ACME directory, {example}")
    if not _URL.fullmatch(value) or not _has_port(value):
        raise refused(f"an https URL without user, fragment or special characters, {example}")
    return value


def _has_port(url: str) -> bool:
    """Whether the URL can be taken apart and has a port that there is, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _key_id(value: str) -> str:
    if not _KEY_ID.fullmatch(value):
        raise refused("the key's identifier as the authority gave it: letters, digits and ._~:/+=@- only")
    return value


def _hmac_key(value: object) -> Supplied:
    if isinstance(value, Supplied):
        return value
    text = as_text(value)
    bare = text.rstrip("=")
    # Four characters are three bytes: one alone over is none.
    if not _BASE64URL.fullmatch(text) or len(bare) % 4 == 1:
        raise refused("a key in Base64url: letters, digits, - and _ only")
    if len(bare) < _SHORTEST_KEY:
        raise refused("a whole key in Base64url, of at least 16 bytes")
    return Supplied()


def _further_name(value: str) -> str:
    return check_fqdn(
        value,
        port="the challenge always comes to port 80",
        wildcard="HTTP-01 proves none; mode files takes a wildcard certificate",
    )


def _profile(value: str) -> str:
    if not _PROFILE.fullmatch(value):
        raise refused("the name of a profile: a-z, 0-9 and inner hyphens, for example shortlived")
    return value


class Acme(Concern):
    """How a certificate authority is asked for a certificate, by the ACME protocol.

    It proves by HTTP-01 that the names lead to the host: it fetches a file from port 80 of each.
    Where `site.httpPort` is another one, port 80 must be forwarded to it. Asking means to agree to the
    authority's terms of service.
    """

    email: Annotated[str, AfterValidator(_email)] | None = Field(default=None, examples=["hostmaster@example.net"])
    """Address by which the authority may reach the account's holder. Absent: an account without one.
    Let's Encrypt sends no warnings of an expiry any more. It is given when the account is made."""

    server: Annotated[str, AfterValidator(_server)] = Field(default="production", examples=["production"])
    """Who issues: `production` (Let's Encrypt), `staging` (its test server: hardly any limits, and
    certificates that nobody trusts), or the https URL of any ACME server's directory."""

    server_ca: Annotated[str, AfterValidator(parse_authorities)] | None = None
    """PEM: the CA certificates by which the connection to `server` is trusted, when no public one vouches
    for it. Only with a URL. It says nothing about who trusts the certificates that are issued."""

    eab_key_id: Annotated[str, AfterValidator(_key_id)] | None = None
    """Identifier of the key with which the authority knows its customer (external account binding).
    Only where the authority gave one, and together with `eabHmacKey`."""

    eab_hmac_key: Annotated[Supplied, PlainValidator(_hmac_key, json_schema_input_type=str), HIDDEN] | None = Field(
        default=None, validate_default=True
    )
    """Secret. The key of `eabKeyId`, in Base64url as the authority gave it."""

    key_type: Literal["ecdsa", "rsa"] = "ecdsa"
    """Type of the certificate's private key. `rsa` is slower, and for clients that know
    no elliptic curves."""

    names: tuple[Annotated[str, AfterValidator(_further_name)], ...] = Field(
        default=(), strict=False, json_schema_extra={"maxItems": MOST_NAMES - 1, "uniqueItems": True}
    )
    """Further names in the certificate, besides `site.fqdn`, at most 99. Each must lead to this host, or no
    certificate is issued."""

    profile: Annotated[str, AfterValidator(_profile)] | None = Field(default=None, examples=["shortlived"])
    """The authority's profile of certificates, for example `tlsserver` or `shortlived` of Let's Encrypt.
    Absent: the authority's own default."""

    @property
    def directory(self) -> str:
        """The URL of the server's directory."""
        return DIRECTORIES.get(self.server, self.server)

    @field_validator("server_ca")
    @classmethod
    def _only_private(cls, value: str | None, info: ValidationInfo) -> str | None:
        server = info.data.get("server")
        if value is not None and server in DIRECTORIES:
            expected = f"no value, because certificate.acme.server is {server}, which is publicly trusted"
            raise refused(expected, found="CA certificates")
        return value

    @field_validator("eab_hmac_key")
    @classmethod
    def _both_or_neither(cls, value: Supplied | None, info: ValidationInfo) -> Supplied | None:
        if "eab_key_id" not in info.data:
            return value
        key_id = info.data["eab_key_id"]
        if value is None and key_id is not None:
            raise refused(
                "the key of certificate.acme.eabKeyId; set it with "
                "pulumi config set --secret --path 'docker-registry:certificate.acme.eabHmacKey'"
            )
        if value is not None and key_id is None:
            raise refused("no key without certificate.acme.eabKeyId")
        return value

    @field_validator("names")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) >= MOST_NAMES:
            raise refused(f"at most {MOST_NAMES - 1} names besides site.fqdn", found=f"{len(value)} names")
        for index, first in repeated_names(value):
            raise refused("each name once", found=f"names[{first}] again as names[{index}]")
        return value
