"""A mirror by a name of its own, for clients that know only those: dockerd's `registry-mirrors`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, field_validator

from config.base import Concern, refused
from config.certificate import Certificate
from config.errors import Fault, shown
from config.faults import key_of
from config.pem import covers, leaf_names
from config.site import Site, check_fqdn

if TYPE_CHECKING:
    from config.mirrors import Mirror


def _name(value: str) -> str:
    return check_fqdn(value, port="the ports are the site's", wildcard="the name that clients have")


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise refused("an address, or a network with its prefix length, for example 198.51.100.0/24") from None
    if str(network) != value and str(network.network_address) != value:
        raise refused(f"a network address without host bits, here {network}")
    return value


class Transparent(Concern):
    """A name by which a mirror is reached as if it were the other registry, without an account.

    Who comes from one of the addresses pulls all that the mirror may read there, of its `repositories`.
    """

    name: Annotated[str, AfterValidator(_name)] = Field(examples=["hub.example.net"])
    """The name, which leads to this host and is in the certificate. For dockerd: `registry-mirrors:
    ["https://hub.example.net"]`. Nothing else is there."""

    addresses: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        strict=False, examples=[["198.51.100.0/24"]], json_schema_extra={"uniqueItems": True}
    )
    """Addresses and networks from which clients may come; others get 403."""

    @field_validator("addresses")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise refused("at least one address or network, for example 198.51.100.0/24")
        return value


def transparent_names(site: Site, certificate: Certificate, mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """Each has a name that is nobody else's, and that the certificate has."""
    taken = {site.fqdn: "the registry's own", **dict.fromkeys(site.aliases, "in site.aliases")}
    for index, mirror in enumerate(mirrors):
        if mirror.transparent is None:
            continue
        name, key = mirror.transparent.name, key_of("mirrors", (index, "transparent", "name"))
        if name in taken:
            yield Fault(key, shown(name), f"a name that is not {taken[name]}")
        taken[name] = f"that of mirrors[{index}]"
        if certificate.mode == "self-signed":
            yield Fault(key, shown(name), "no value, because a self-signed certificate has site.fqdn alone")
        elif certificate.mode == "acme" and name not in certificate.acme_settings.names:
            yield Fault(key, shown(name), "one of certificate.acme.names, because clients want it in the certificate")
        elif certificate.chain is not None and not covers(leaf_names(certificate.chain), name):
            yield Fault(key, shown(name), "a name that certificate.chain is for")
