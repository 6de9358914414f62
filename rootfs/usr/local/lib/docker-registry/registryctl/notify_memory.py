"""What each of those who are told of the status was told last, and what hindered it.

It is kept on the disk and, for a disk that is full, in memory too: what is there is newer.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from registryctl import durable
from registryctl.machine import RESULTS, RUN, Machine
from registryctl.repository import HOME

SETTINGS = HOME / "notify.json"
SECRETS = HOME / "notify-secrets.json"
NAME = "notify"


@dataclass
class Memory:
    """By the name of a target."""

    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: str = ""
    """When somebody was told last."""

    def only(self, names: set[str]) -> None:
        """Forgets those who are no longer to be told."""
        self.targets = {name: its for name, its in self.targets.items() if name in names}

    def told(self, target: str) -> dict[str, int]:
        """The level of each thing that is not well, as it was told."""
        return dict(self.targets.get(target, {}).get("told", {}))

    def failed(self, target: str, why: str, now: str) -> None:
        """It could not be told; what it was told before stays."""
        before = self.targets.get(target, {})
        self.targets[target] = {"told": self.told(target), "since": before.get("since") or now, "why": why}

    def succeeded(self, target: str, told: dict[str, int], now: str) -> None:
        """It knows all of that."""
        self.targets[target] = {"told": told}
        self.last = now or self.last

    @property
    def failing(self) -> list[str]:
        """What hinders whom, since when."""
        return [f"{name} since {its['since']}: {its['why']}" for name, its in self.targets.items() if its.get("why")]


def load(machine: Machine) -> Memory:
    """What the last run left; nothing where that can't be read."""
    for folder in (RUN, RESULTS):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found = json.loads(machine.path(folder / NAME).read_text(encoding="utf-8"))
            targets = {str(name): _target(its) for name, its in found["targets"].items()}
            return Memory(targets, str(found["last"]))
    return Memory()


def _target(found: dict[str, Any]) -> dict[str, Any]:
    told = {str(key): int(level) for key, level in found["told"].items()}
    return {"told": told, **{word: str(found[word]) for word in ("since", "why") if found.get(word)}}


def save(machine: Machine, memory: Memory) -> None:
    """In both places; raises `OSError` where the disk has none for it."""
    text = json.dumps({"targets": memory.targets, "last": memory.last})
    with contextlib.suppress(OSError):
        durable.put(machine.path(RUN / NAME), text, 0o600)
    durable.put(machine.path(RESULTS / NAME), text, 0o600)
