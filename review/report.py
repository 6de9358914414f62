"""Previews as one Markdown text that a pull request can bear as a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 60_000
"""Characters of a report. GitHub takes 65,536 for a comment, GitLab more."""

_COUNT = re.compile(r"^\s+[+~-]*\s*(\d+) (to \w+(?: \w+)?|unchanged)\s*$", re.MULTILINE)
_SIGN = re.compile(r"^(\s+)([+-])(?=\s)", re.MULTILINE)
_CUT = "… cut here: the whole is in the log of this run\n"


@dataclass(frozen=True)
class Preview:
    """What a preview of one stack said, and whether it succeeded."""

    stack: str
    succeeded: bool
    output: str

    @property
    def verdict(self) -> str:
        """The preview in a few words."""
        if not self.succeeded:
            return "failed"
        counts = [f"{number} {act}" for number, act in _COUNT.findall(self.output) if act != "unchanged"]
        return ", ".join(counts) or "no change"


def report(previews: Sequence[Preview]) -> str:
    """The Markdown of all previews: a line for each, and what it says to unfold."""
    if not previews:
        return "### Previews\n\nThis change touches no stack.\n"
    room = MOST // len(previews)
    return "### Previews\n" + "".join(_section(preview, room) for preview in previews)


def _section(preview: Preview, room: int) -> str:
    # In a diff a sign counts only in the first column.
    text = _SIGN.sub(r"\2\1", preview.output.strip("\n")) + "\n"
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 0)
    head = f"\n<details><summary><code>{preview.stack}</code>: {preview.verdict}</summary>\n\n{fence}diff\n"
    tail = f"{fence}\n\n</details>\n"
    left = room - len(head) - len(tail)
    if len(text) > left:
        text = text[: left - len(_CUT)].rpartition("\n")[0] + "\n" + _CUT
    return head + text + tail
