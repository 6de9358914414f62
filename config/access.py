"""Who may do what, as far as it isn't one user's own: patterns of repositories, anonymous access, guessed passwords."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from config.base import Concern, PerMinute, refused

_PART = r"[a-z0-9*]+(?:[._-]+[a-z0-9*]+)*"
_PATTERN = re.compile(rf"{_PART}(?:/{_PART})*")
_LONGEST_NAME = 255
_MOST_STARS = 2
"""With more, the time of a comparison would grow by another power of the name's length."""


def _pattern(value: str) -> str:
    example = ", for example team-a/*"
    if not _PATTERN.fullmatch(value) or "**" in value or len(value) > _LONGEST_NAME:
        raise refused("the name of a repository in lower case, in which * stands for any characters" + example)
    if value.count("*") > _MOST_STARS:
        raise refused(f"a pattern with at most {_MOST_STARS} *" + example)
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A repository's name, in which `*` stands for any characters, slashes too."""


def each_once(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns, when none is there twice."""
    for index, pattern in enumerate(patterns):
        if pattern in patterns[:index]:
            raise refused("each pattern once", found=f'"{pattern}" twice')
    return patterns


class Access(Concern):
    """Access without an account, and guesses at passwords. A change is tested and then loaded without a pause."""

    anonymous_pull: tuple[Pattern, ...] = Field(default=(), strict=False, json_schema_extra={"uniqueItems": True})
    """Patterns of the repositories that everybody may pull without an account; `*` stands for any characters,
    slashes too, and `["*"]` opens all of them and the catalogue. Clients then log in by token instead of Basic
    authentication, as `docker` needs it for both ways at one address; tools that send a password unasked still may."""

    attempts_per_minute: PerMinute = Field(default=60, examples=[60])
    """How many passwords of one address are checked in a minute, 1 to 6000, and how many of them at once. A password
    that was right within the last ten minutes is known and doesn't count; beyond the limit unknown ones get 429."""

    @field_validator("anonymous_pull")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value)
