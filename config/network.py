"""The containers' private network."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from config.base import Concern, as_text, refused

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
_BUILT_IN = ("bridge", "host", "none", "default")
_WIDEST, _NARROWEST = 16, 28
_EXAMPLE = "for example 100.127.255.0/24"
_UNUSABLE = tuple(IPv4Network(net) for net in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refused("a name of letters, digits and inner _.- only, for example registry")
    if value in _BUILT_IN:
        raise refused("a name that is not one of Docker's own networks, for example registry")
    return value


def _subnet(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    text = as_text(value)
    try:
        loose = IPv4Network(text, strict=False)
    except ValueError:
        raise refused(f"an IPv4 network with its prefix length, {_EXAMPLE}") from None
    if "/" not in text:
        raise refused(f"a network with its prefix length, {_EXAMPLE}")
    if ipaddress.IPv4Address(text.partition("/")[0]) != loose.network_address:
        raise refused(f"a network address without host bits, here {loose}")
    if not _WIDEST <= loose.prefixlen <= _NARROWEST:
        raise refused(f"a prefix length from /{_WIDEST} to /{_NARROWEST}, {_EXAMPLE}")
    for unusable in _UNUSABLE:
        if loose.overlaps(unusable):
            raise refused(f"a network outside {unusable}, which no container can use, {_EXAMPLE}")
    return loose


class Network(Concern):
    """The containers' private bridge network."""

    name: Annotated[str, AfterValidator(_name)] = Field(default="registry", examples=["registry"])
    """Name of the Docker network. A change replaces the network and the three containers."""

    subnet: Annotated[IPv4Network, PlainValidator(_subnet, json_schema_input_type=str)] = Field(
        default="100.127.255.0/24", validate_default=True, examples=["100.127.255.0/24"]
    )
    """IPv4 network of the containers, /16 to /28, which nothing the host talks to may use.
    A change replaces the network and the three containers."""
