"""What this host remembers of its backups, for registry-status and for the next run."""

from __future__ import annotations

import json
from typing import Any

from registryctl import host, machine
from registryctl.locks import alone

NAME = "backup"


def read() -> dict[str, Any]:
    """What is known; nothing where that can't be read."""
    return host.last_result(NAME)


def note(**facts: object) -> None:
    """Adds to what is known, or takes away what is None. Raises `OSError`."""
    # A drill may end while a backup does: neither forgets what the other one notes.
    with alone(machine.RESULTS):
        known = {name: value for name, value in {**read(), **facts}.items() if value is not None}
        host.leave_result(NAME, json.dumps(known))
