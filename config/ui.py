"""The page in the browser."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from config.base import Concern, Whole, is_printable, refused

_UNSAFE = frozenset('~&\\<>"')


def _title(value: str) -> str:
    if not value.strip() or not is_printable(value):
        raise refused("one line of text that is not empty, for example Docker registry")
    # The image's entry script puts the title into the page with sed, and escapes nothing.
    if _UNSAFE & set(value):
        raise refused('a title without ~ & \\ < > and ", for example Docker registry')
    return value


class Ui(Concern):
    """The page under `/ui/`. A change replaces its container."""

    title: Annotated[str, AfterValidator(_title)] = Field(default="Docker registry", examples=["Docker registry"])
    """Title of the page."""

    delete_enabled: bool = True
    """Whether the page offers to delete. Needs `registry.deleteEnabled`. A deletion removes
    every tag that shares the image's digest."""

    catalog_limit: Annotated[int, Whole(1, 100000)] = Field(default=1000, examples=[1000])
    """How many repositories the page asks for: at most 1000 from Distribution 2.8.2, which refuses more."""

    show_content_digest: bool = True
    """Whether the list of tags shows each digest."""
