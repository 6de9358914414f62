"""The registry itself, CNCF Distribution."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from config.base import HIDDEN, Concern, Supplied, as_text, is_printable, refused

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_SHORTEST_SECRET = 16


def _duration(value: str) -> str:
    if not _DURATION.fullmatch(value):
        raise refused("a duration with its unit (h, m or s), for example 168h or 1h30m")
    if not re.search(r"[1-9]", value):
        raise refused("a duration longer than nothing, for example 168h")
    return value


Duration = Annotated[str, AfterValidator(_duration)]


def _http_secret(value: object) -> Supplied:
    if isinstance(value, Supplied):
        return value
    text = as_text(value)
    if len(text) < _SHORTEST_SECRET or not text.isascii() or not is_printable(text) or " " in text:
        raise refused(f"at least {_SHORTEST_SECRET} visible ASCII characters, for example from openssl rand -hex 32")
    return Supplied()


class UploadPurging(Concern):
    """The registry's own removal of uploads that were never finished."""

    enabled: bool = True
    """Whether unfinished uploads are removed."""

    age: Duration = Field(default="168h", examples=["168h"])
    """Age from which an upload counts as abandoned; hours, minutes and seconds as Go writes them."""

    interval: Duration = Field(default="24h", examples=["24h"])
    """Time between two searches for abandoned uploads."""


class Registry(Concern):
    """The registry itself. A change rewrites its configuration file and replaces its container."""

    delete_enabled: bool = True
    """Whether manifests may be deleted. With false a delete answers `UNSUPPORTED`."""

    access_log: bool = True
    """Whether each request is logged by the registry."""

    log_level: Literal["error", "warn", "info", "debug"] = "info"
    """The least important message that is logged."""

    upload_purging: UploadPurging = Field(default_factory=UploadPurging)
    """Removal of uploads that were never finished."""

    http_secret: Annotated[Supplied, PlainValidator(_http_secret, json_schema_input_type=str), HIDDEN] | None = None
    """Secret. Signs the state of running uploads; at least 16 characters. Without it the host makes one
    once and keeps it. A change breaks only the uploads that are running."""
