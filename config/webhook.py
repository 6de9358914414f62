"""What webhooks have in common: an address, and headers that are secrets."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator

from config.base import HIDDEN, Concern, Supplied, as_text, refused

_URL = re.compile(r"https?://[!-~]+")
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_VALUE = re.compile(r"[!-~](?:[ -~]{0,4094}[!-~])?")
_LONGEST_URL = 2000
# They say how the message is sent, not what is in it.
_NOT_OURS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "expect"})


def url(value: str) -> str:
    """A URL, if a client can take it as it is. Nothing of it is in the error."""
    parts = None
    if _URL.fullmatch(value) and len(value) <= _LONGEST_URL:
        try:
            parts = urlsplit(value)
            parts = parts if parts.hostname and parts.port != 0 else None
        except ValueError:
            parts = None
    if parts is None or parts.fragment:
        raise refused("an http or https URL, for example https://hooks.example.net/registry", found="something else")
    if "@" in parts.netloc:
        raise refused("a URL without a login: headers are for that", found="a login in a URL")
    return value


def _supplied_url(value: object) -> Supplied:
    if not isinstance(value, Supplied):
        url(as_text(value))
    return Supplied()


def _header_name(value: str) -> str:
    if not _NAME.fullmatch(value) or value.lower() in _NOT_OURS:
        # Nothing of it is shown: a value may have been typed where the name belongs.
        expected = "the name of a header, for example Authorization; not one that every request has by itself"
        raise refused(expected, found="something else")
    return value


def _header_value(value: object) -> Supplied:
    if not isinstance(value, Supplied) and not _VALUE.fullmatch(as_text(value)):
        raise refused("visible ASCII characters in one line")
    return Supplied()


SecretUrl = Annotated[Supplied, PlainValidator(_supplied_url, json_schema_input_type=str), HIDDEN]
"""A URL that nobody may see."""

PlainUrl = Annotated[str, AfterValidator(url)]
"""A URL that may be seen."""


class Header(Concern):
    """A header of each message, such as a token."""

    name: Annotated[str, AfterValidator(_header_name)] = Field(examples=["Authorization"])
    """Its name, for example Authorization."""

    secret: Annotated[Supplied, PlainValidator(_header_value, json_schema_input_type=str), HIDDEN]
    """Secret. Its value."""
