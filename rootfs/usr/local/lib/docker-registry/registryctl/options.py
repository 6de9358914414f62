"""The options of the commands: one error in one line, and the help as it was written."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from registryctl.endings import UsageError


class Parser(argparse.ArgumentParser):
    """Options may stand anywhere between the arguments. No option may be shortened."""

    def __init__(self, usage: str) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._text = usage
        self.add_argument("-h", "--help", action="help")

    def format_help(self) -> str:
        """The text as it was written."""
        return self._text

    def error(self, message: str) -> NoReturn:
        """Raises instead of ending the process."""
        raise UsageError(message)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Raises `UsageError` with the first word that is wrong."""
        options, rest = self.parse_known_intermixed_args(list(words))
        if rest:
            raise UsageError(f"there is no option {rest[0]}" if rest[0].startswith("-") else f"what is {rest[0]}?")
        return options


def seconds(text: str) -> int:
    """A number of seconds, from 1 on."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"seconds are a number from 1 on, not {text}")
    return int(text)
