"""Every message that the page explains is one that the program can say."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.docs.blocks import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
ROWS = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
SOURCES = ("components", "config", "rendering", "review", "rootfs")


@cache
def sources() -> str:
    """All that could say something."""
    files = (path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.suffix != ".json")
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.is_file() and path.suffix != ".pyc")


def test_there_are_messages() -> None:
    assert len(ROWS) > 15
    assert len({message for message, _, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("message", [message for message, _, _ in ROWS])
def test_a_message_is_one_of_ours(message: str) -> None:
    """Word by word: a message that is worded anew is worded anew there too."""
    assert message in sources()
