"""How a command ends: each error has a name that people read and an exit code that scripts read."""

from __future__ import annotations

EXIT = {
    "FAILED": 1,
    "NOT_AGREED": 3,
    "MANIFEST_UNKNOWN": 4,
    "NAME_UNKNOWN": 5,
    "UNMATCHED": 6,
    "USED_BY_TAG": 7,
    "USED_BY_INDEX": 8,
    "UNSUPPORTED": 9,
    "UNAUTHORIZED": 10,
    "DENIED": 11,
    "UNAVAILABLE": 12,
    "UNREACHABLE": 13,
    "UNREADABLE": 14,
    "CHANGED": 15,
    "BUSY": 16,
    "TOO_MUCH": 17,
    "IMMUTABLE": 18,
    "DAMAGED": 19,
    "NOT_EMPTY": 20,
}

FINAL = frozenset({"UNSUPPORTED", "UNAUTHORIZED", "DENIED", "UNAVAILABLE", "UNREACHABLE"})
"""Errors about the registry or the login, not about one image: to go on would only repeat them."""

WRONG_USE = 2


class EndError(Exception):
    """The end of a command, by one of the names above and with a line that says why."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text

    @property
    def code(self) -> int:
        """The exit code."""
        return EXIT[self.name]

    def __str__(self) -> str:
        return f"{self.name.replace('_', ' ') if self.name in {'NOT_AGREED', 'NOT_EMPTY'} else self.name}: {self.text}"


class ToolError(Exception):
    """What a tool was asked to do can't be done, for the reason that is said."""


class UsageError(Exception):
    """A command was called with words that it doesn't know."""


def count(number: int, one: str, many: str = "") -> str:
    """A number of things in words."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """The text without what a terminal would obey: much of it comes from others."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
