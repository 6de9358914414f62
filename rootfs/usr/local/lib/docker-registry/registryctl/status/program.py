"""The version of the program that set this host up: these tools came with it."""

from __future__ import annotations

from registryctl import VERSION
from registryctl.status.finding import OK, Finding, Here


def look(_: Here) -> Finding:
    """No version is a fault."""
    return Finding(OK, f"program: ok, {VERSION}", {"state": "ok", "version": VERSION})
