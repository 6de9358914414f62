"""What is wrong with a configuration, told so that it can be put right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

SECRET = "[secret]"  # noqa: S105 - what is shown in place of one
NOTHING = "nothing"
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where, what was found, and what is expected."""

    key: str
    """The full key of the setting, such as `docker-registry:users[1].name`, or where else the fault lies."""

    found: str
    """The value as shown to the user; never a secret."""

    expected: str
    """What completes "expected …"."""

    def __str__(self) -> str:
        return f"{self.key}: found {self.found}; expected {self.expected}"


class ConfigurationError(pulumi.RunError):
    """The configuration is refused. The message lists every fault; nothing has been touched."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        head = "1 setting is wrong" if len(faults) == 1 else f"{len(faults)} settings are wrong"
        lines = [f"The configuration of this stack is refused: {head}. Nothing was touched."]
        super().__init__("\n".join([*lines, *(f"  - {fault}" for fault in self.faults)]))


def shown(value: object) -> str:
    """A value as an error message shows it: structures by their kind only, long text shortened."""
    match value:
        case None:
            return NOTHING
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case str() if len(value) > _LONGEST_VALUE:
            return json.dumps(value[:_LONGEST_VALUE], ensure_ascii=False) + "…"
        case _:
            return json.dumps(value, ensure_ascii=False)
