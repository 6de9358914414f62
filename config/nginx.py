"""The proxy in front of the registry and its page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.base import Concern, Seconds, Whole, is_printable, refused

_UNSAFE = frozenset("\"'\\$")


def _realm(value: str) -> str:
    if not value.strip() or not is_printable(value):
        raise refused("one line of text that is not empty, for example Registry realm")
    if _UNSAFE & set(value):
        raise refused("text without quotes, backslash or $, for example Registry realm")
    return value


class Nginx(Concern):
    """The proxy. A change is tested and then loaded without a pause; no connection is cut before `shutdownTimeout`."""

    tls_profile: Literal["intermediate", "modern"] = "intermediate"
    """Mozilla's TLS profile: `intermediate` is TLS 1.2 and 1.3, `modern` is TLS 1.3 only."""

    fast_path: bool = True
    """Whether nginx itself serves blobs from the registry's files, which it mounts read-only, and remembers
    manifests by digest in memory. What it can't serve, and all else, the registry does. A change replaces the
    proxy's container."""

    mirror_fast_path: bool = False
    """Whether nginx itself serves blobs that mirrors have, too, from their directories, which it mounts read-only. A
    change replaces the proxy's container; adding and removing mirrors doesn't."""

    hsts: bool = False
    """Whether browsers are told to use only HTTPS for this name, for two years. They remember it:
    only with a certificate they trust."""

    refuse_old_docker: bool = False
    """Whether Docker 1.5 and older get 404, by their User-Agent."""

    connect_timeout: Annotated[int, Whole(1, 75, "seconds")] = Field(default=3, examples=[3])
    """Seconds in which a container must accept a connection. nginx can't wait longer than 75."""

    read_timeout: Seconds = Field(default=900, examples=[900])
    """Seconds in which a container must send something. Large pushes need many."""

    shutdown_timeout: Seconds = Field(default=900, examples=[900])
    """Seconds in which requests that were under way have to end once accounts, rights, certificate or
    another setting of the proxy changed. Then they are cut, with rights that may be gone."""

    connections_per_address: Annotated[int, Whole(10, 65535)] = Field(default=500, examples=[500])
    """How many requests of one address are served at a time; the rest get 429. All clients behind one
    router have one address; each pull has some three requests at a time."""

    realm: Annotated[str, AfterValidator(_realm)] = Field(default="Registry realm", examples=["Registry realm"])
    """Realm that clients show when they ask for a password."""
