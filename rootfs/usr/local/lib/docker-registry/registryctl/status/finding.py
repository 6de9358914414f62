"""What a concern is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from registryctl.facts import Facts, Site
from registryctl.machine import Machine

OK, WARNING, BROKEN = 0, 1, 2
"""Levels: all is well, somebody should look soon, something is broken. The worst is the exit code."""


@dataclass(frozen=True)
class Here:
    """The host that is looked at, and what the stack says of it."""

    machine: Machine
    facts: Facts
    site: Site


@dataclass(frozen=True)
class Finding:
    """How one thing is. `line` is for people; without one they are not told. `known` is what the JSON says of it."""

    level: int
    line: str
    known: Mapping[str, object] = field(default_factory=dict)


Look = Callable[[Here], "Finding | list[Finding]"]
"""A concern looks at one thing, or at several: then the JSON has a list. It never raises for what it finds."""


def iso(time: datetime) -> str:
    """A time in UTC, as the JSON has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
