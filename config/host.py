"""The host that becomes a registry, and how the program reaches it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import zoneinfo
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from config.base import HIDDEN, Concern, Port, refused
from config.pem import PublicKey, parse_ssh_private_key

LOCAL = "local"
"""The address that stands for the machine on which the program itself runs."""

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)
_HOST_KEY_PARTS = 2


def is_ip(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _address(value: str) -> str:
    if "/" in value or "@" in value:
        raise refused("only the host, without scheme, user or path, for example dr.example.net")
    if is_ip(value):
        return value
    if ":" in value:
        raise refused("the host without a port (host.port is for that), for example dr.example.net")
    labels = value.split(".")
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():  # noqa: PLR2004
        raise refused("a host name, an IP address or local, for example dr.example.net")
    return value


def _user(value: str) -> str:
    if not _USER.fullmatch(value):
        raise refused("the name of a user on the host, for example root")
    return value


def check_public_key(value: str) -> str:
    """The public key of an SSH server, `TYPE BASE64`."""
    parts = value.split(" ")
    if len(parts) != _HOST_KEY_PARTS:
        raise refused("TYPE BASE64 without a host name or a comment, for example ssh-ed25519 AAAAC3Nza…")
    kind, encoded = parts
    if kind not in _HOST_KEY_TYPES:
        raise refused(f"a key of type {', '.join(_HOST_KEY_TYPES)}, for example ssh-ed25519 AAAAC3Nza…")
    try:
        base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise refused("a key whose second part is valid Base64, for example ssh-ed25519 AAAAC3Nza…") from None
    try:
        load_ssh_public_key(value.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise refused(f"a complete public key of type {kind}, as in /etc/ssh/ssh_host_*_key.pub") from None
    return value


def _time_zone(value: str) -> str:
    if value.startswith(("/", ".", ":")) or value.endswith(".tab"):
        raise refused("the name of a time zone, not a path, for example Europe/Vienna")
    known = zoneinfo.available_timezones()
    # Some machines have no zone data; the form is all that can be checked there.
    if not _ZONE.fullmatch(value) or (known and value not in known):
        raise refused("a time zone of the IANA database, for example Europe/Vienna")
    return value


class Host(Concern):
    """The host that becomes a registry, and how the program reaches it."""

    address: Annotated[str, AfterValidator(_address)] = Field(examples=["dr.example.net"])
    """Host name or IP address for SSH, or `local` for the machine on which the program runs.
    Another host is another stack: only another name of the same host may take its place."""

    port: Port = Field(default=22, examples=[22])
    """TCP port of the host's SSH server. A change runs the commands on the host once more."""

    user: Annotated[str, AfterValidator(_user)] = Field(default="root", examples=["root"])
    """User for SSH. A user other than root needs `sudo: true`, and joins the group `docker`."""

    sudo: bool = Field(default=False, validate_default=True)
    """Whether commands on the host run through `sudo -n`, which must then ask for no password."""

    host_key: Annotated[str, AfterValidator(check_public_key)] | None = Field(
        default=None, validate_default=True, examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…"]
    )
    """Public key of the host's SSH server as `TYPE BASE64`; needed for every host but `local`.
    Any other key is refused. `ssh-keyscan -t ed25519 HOST` shows it; compare it on the host's console."""

    private_key: (
        Annotated[PublicKey, PlainValidator(parse_ssh_private_key, json_schema_input_type=str), HIDDEN] | None
    ) = None
    """Secret. Private key for SSH without a passphrase, in OpenSSH or PEM form. Without it the keys
    of the SSH agent are used."""

    install_packages: bool = True
    """Whether Docker and the tools the program needs are installed on the host, from its distribution,
    when they are missing. With false a missing tool is an error."""

    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(default="Etc/UTC", examples=["Europe/Vienna"])
    """Time zone of the containers and of the timers, by its IANA name. A change replaces the containers."""

    adopt: bool = False
    """Whether a registry that was set up by hand on this host is taken over: its containers (`nginx`,
    `registry`, `registry-ui`), network, cron lines and units make way once; images, certificates and
    accounts stay."""

    @property
    def is_local(self) -> bool:
        """Whether the host is the machine on which the program runs."""
        return self.address == LOCAL

    @field_validator("port", "user", "host_key", "private_key")
    @classmethod
    def _only_for_ssh(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("address") == LOCAL:
            raise refused("no value, because host.address is local: no connection is made")
        return value

    @field_validator("sudo")
    @classmethod
    def _becomes_root(cls, value: bool, info: ValidationInfo) -> bool:
        user = info.data.get("user")
        if user is None or info.data.get("address") in (None, LOCAL):
            return value
        if user != "root" and not value:
            raise refused(f"true, because host.user is {user}: the program needs root on the host")
        if user == "root" and value:
            raise refused("false, because host.user is root already")
        return value

    @field_validator("host_key")
    @classmethod
    def _known_host(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("address") not in (None, LOCAL):
            raise refused(
                "the public key of the host's SSH server, because no unknown host is trusted; set it with "
                f"pulumi config set --path 'docker-registry:host.hostKey' "
                f"\"$(ssh-keyscan -t ed25519 {info.data['address']} | cut -d' ' -f2-)\" "
                "and compare it on the host"
            )
        return value
