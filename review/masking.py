"""The last line of defence: no secret of a stack leaves this program, even if something else let it slip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from config.base import NEVER_SHOWN

SHORTEST = 6
"""Characters of a line of a secret below which it may well be part of something else."""

IN_PLACE = "[secret]"


@dataclass
class Mask:
    """Replaces secrets in texts, and remembers whether it had to."""

    secrets: tuple[str, ...] = field(repr=False)
    slipped: bool = False

    def __call__(self, text: str) -> str:
        """The text with each secret replaced."""
        for secret in self.secrets:
            if secret in text:
                self.slipped = True
                text = text.replace(secret, IN_PLACE)
        return text


def mask_of(config: str) -> Mask:
    """The mask for what `pulumi config --show-secrets --json` prints."""
    entries: dict[str, dict[str, object]] = json.loads(config)
    found = {line for entry in entries.values() for line in _secrets(entry.get("objectValue"), False)}
    found |= {
        line
        for key, entry in entries.items()
        if entry.get("secret") and "objectValue" not in entry
        for line in _secrets(entry.get("value"), True)
    }
    # Replace the longest first: a shorter secret may be part of it.
    return Mask(tuple(sorted(found, key=lambda line: (-len(line), line))))


def _secrets(value: object, inside: bool) -> Iterator[str]:
    """The lines of all values below a setting that is never shown."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _secrets(inner, inside or name in NEVER_SHOWN)
        case list():
            for inner in value:
                yield from _secrets(inner, inside)
        case str() if inside:
            yield from (line for line in value.splitlines() if _tells(line))


def _tells(line: str) -> bool:
    return len(line) >= SHORTEST and not line.startswith("-----")
