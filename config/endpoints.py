"""What is true of everything that is asked over the network, with TLS or without."""

from __future__ import annotations

from pydantic import ValidationInfo

from config.base import refused


def agrees_with_insecure(value: str | None, info: ValidationInfo, plain: str) -> str | None:
    """A URL, or none for one with https://, and what `insecure` says; `plain` is what else travels in plain text.

    Raises what `refused` makes.
    """
    insecure = info.data.get("insecure")
    if insecure is False and value is not None and value.startswith("http:"):
        raise refused(f"https://, or insecure: true besides, which sends {plain} in plain text")
    if insecure is True and (value is None or value.startswith("https:")):
        raise refused("http://, because insecure is true")
    return value


def only_with_tls(value: str | None, info: ValidationInfo) -> str | None:
    """CA certificates; raises what `refused` makes where `insecure` leaves them unread."""
    if value is not None and info.data.get("insecure"):
        raise refused("no value, because insecure is true: no certificate is looked at", found="CA certificates")
    return value
