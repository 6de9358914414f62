"""The registry's public name and ports."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from config.base import LAST_PORT, Concern, Port, as_text, refused
from config.host import is_ip
from config.users import repeated_names

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LONGEST_NAME = 253
_LONGEST_LABEL = 63
_THIS = IPv4Network("0.0.0.0/8")
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def check_fqdn(value: str, *, port: str, wildcard: str) -> str:
    """The value, when it is a fully qualified domain name in lower case.

    `port` and `wildcard` say why neither is taken. Raises a validation error that says which part is wrong.
    """
    example = ", for example dr.example.net"
    if "://" in value:
        raise refused("a name without a scheme" + example)
    if "/" in value:
        raise refused("a name without a path" + example)
    if is_ip(value):
        raise refused("a name, not an IP address" + example)
    if ":" in value:
        raise refused(f"a name without a port ({port})" + example)
    if "*" in value:
        raise refused(f"one name, not a wildcard ({wildcard})" + example)
    if value.endswith("."):
        raise refused("a name without a dot at its end" + example)
    if value != value.lower():
        raise refused("a name in lower case" + example)
    if len(value) > _LONGEST_NAME:
        raise refused(f"a name of at most {_LONGEST_NAME} characters" + example)
    labels = value.split(".")
    if any(len(label) > _LONGEST_LABEL for label in labels):
        raise refused(f"labels of at most {_LONGEST_LABEL} characters" + example)
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise refused("labels of a-z, 0-9 and inner hyphens" + example)
    if len(labels) == 1 or labels[-1].isdigit():
        raise refused("a fully qualified domain name" + example)
    return value


def _fqdn(value: str) -> str:
    return check_fqdn(value, port="site.httpsPort is for that", wildcard="a wildcard certificate is fine")


def _alias(value: str) -> str:
    return check_fqdn(value, port="the ports are the same", wildcard="each name by itself")


def _listen_address(value: object) -> IPv4Address | IPv6Address:
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    try:
        address = ipaddress.ip_address(as_text(value))
    except ValueError:
        raise refused("an IP address of the host, or 0.0.0.0 for all") from None
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise refused("an address of one host, not of a group; or 0.0.0.0 for all")
    return address


def _peer(value: str) -> str:
    example = "for example 192.0.2.12, or 192.0.2.12:8080"
    text, colon, port = value.partition(":")
    try:
        address = IPv4Address(text)
    except ValueError:
        raise refused(f"an IPv4 address, as the containers' network has no other, {example}") from None
    if address.is_multicast or address in _THIS or address.is_loopback or address.is_reserved:
        raise refused(f"the address of another host, {example}")
    if colon and not (_PORT.fullmatch(port) and int(port) <= LAST_PORT):
        raise refused(f"a port from 1 to {LAST_PORT}, {example}")
    return value


class Site(Concern):
    """The registry's public name and ports. A host's port belongs to one stack only."""

    fqdn: Annotated[str, AfterValidator(_fqdn)] = Field(examples=["dr.example.net"])
    """Name under which clients reach the registry, in lower case and without a port. A change rewrites the
    site of nginx, renews a self-signed certificate, and replaces the page's container."""

    http_port: Port = Field(default=80, examples=[80])
    """TCP port for plain HTTP, which only redirects to HTTPS. A change replaces the nginx container."""

    https_port: Port = Field(default=443, validate_default=True, examples=[443])
    """TCP port for HTTPS: registry and page. A change replaces the nginx container."""

    listen_address: Annotated[
        IPv4Address | IPv6Address, PlainValidator(_listen_address, json_schema_input_type=str)
    ] = Field(default="0.0.0.0", validate_default=True, examples=["0.0.0.0"])  # noqa: S104 - a server serves
    """IP address of the host on which both ports listen; 0.0.0.0 stands for all of IPv4.
    A change replaces the nginx container."""

    aliases: tuple[Annotated[str, AfterValidator(_alias)], ...] = Field(
        default=(), strict=False, json_schema_extra={"uniqueItems": True}
    )
    """Further names under which clients may come. The names of `certificate.acme.names` are among them anyway; by any
    other name, or an IP address, nginx answers 421. The certificate needs them too: a self-signed one has `fqdn`
    alone."""

    peers: tuple[Annotated[str, AfterValidator(_peer)], ...] = Field(
        default=(), strict=False, examples=[["192.0.2.11", "192.0.2.12"]], json_schema_extra={"uniqueItems": True}
    )
    """IPv4 addresses of the other hosts with the same name, each with the port of its plain HTTP unless that is 80. A
    certificate authority may ask any of them for the answer to a challenge, and the one that ordered has it: what
    this host doesn't have it gets from these. Its own address may be among them."""

    @field_validator("peers")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, first in repeated_names([peer if ":" in peer else f"{peer}:80" for peer in value]):
            raise refused("each host once", found=f"peers[{first}] again as peers[{index}]")
        return value

    @field_validator("https_port")
    @classmethod
    def _two_ports(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("http_port"):
            raise refused("a port other than site.httpPort, for example 443")
        return value

    @property
    def host_port(self) -> str:
        """FQDN and HTTPS port as clients write them: the port is left out when it is 443."""
        return self.fqdn if self.https_port == 443 else f"{self.fqdn}:{self.https_port}"  # noqa: PLR2004
