"""The proxy in front of the registry and its user interface."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.base import Concern, ConnectSeconds, Seconds, is_printable, refused

_UNSAFE = frozenset("\"'\\$")


def _realm(value: str) -> str:
    if not value.strip() or not is_printable(value):
        raise refused("one line of text that is not empty, for example Registry realm")
    if _UNSAFE & set(value):
        raise refused("text without quotes, backslash or $, for example Registry realm")
    return value


class Nginx(Concern):
    """The proxy. A change is tested and then loaded without a pause; no connection is cut."""

    tls_profile: Literal["intermediate", "modern"] = "intermediate"
    """Mozilla's TLS profile: `intermediate` is TLS 1.2 and 1.3, `modern` is TLS 1.3 only."""

    fast_path: bool = True
    """Whether nginx itself serves blobs from the registry's files, which it mounts read-only, and remembers
    manifests by digest in memory. What it can't serve, and all else, the registry does. A change replaces the
    proxy's container."""

    hsts: bool = False
    """Whether browsers are told to use only HTTPS for this name, for two years. They remember it:
    only with a certificate they trust."""

    refuse_old_docker: bool = False
    """Whether Docker 1.5 and older get 404, by their User-Agent."""

    connect_timeout: ConnectSeconds = Field(default=3, examples=[3])
    """Seconds in which a container must accept a connection, 1 to 75."""

    read_timeout: Seconds = Field(default=900, examples=[900])
    """Seconds in which a container must send something, 1 to 86400. Large pushes need many."""

    realm: Annotated[str, AfterValidator(_realm)] = Field(default="Registry realm", examples=["Registry realm"])
    """Realm that clients show when they ask for a password."""
