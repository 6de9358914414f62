"""Who may do what, as far as it isn't one user's own: patterns of repositories, anonymous access, guessed passwords."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from config.base import MOST_PER_MINUTE, Concern, PerMinute, Whole, refused

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


_TAG = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.*-]{0,127}", re.ASCII)


def _tags(value: str) -> str:
    repository, colon, tag = value.partition(":")
    if not colon or not _TAG.fullmatch(tag) or "**" in tag or tag.count("*") > _MOST_STARS:
        raise refused("a pattern of repositories, a colon and one of tags with at most 2 *, for example release/*:v*")
    _pattern(repository)
    return value


Tags = Annotated[str, AfterValidator(_tags)]
"""Two patterns, `REPOSITORY:TAG`, in which `*` stands for any characters."""


def each_once(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns, when none is there twice."""
    for index, pattern in enumerate(patterns):
        if pattern in patterns[:index]:
            raise refused("each pattern once", found=f'"{pattern}" twice')
    return patterns


class Immutable(Concern):
    """Tags that always lead to the same image. A change is tested and then loaded without a pause."""

    tags: tuple[Tags, ...] = Field(default=(), strict=False, json_schema_extra={"uniqueItems": True})
    """Patterns `REPOSITORY:TAG` of tags that can't be given another image once they exist, for example
    `["release/*:v*"]`; `*` stands for any characters, slashes too. A push of another image gets 409; the same image
    again is fine. Needs an nginx from 1.26 on."""

    unless: tuple[Tags, ...] = Field(
        default=(), validate_default=True, strict=False, json_schema_extra={"uniqueItems": True}
    )
    """Patterns `REPOSITORY:TAG` of tags that can be moved all the same, for example `["*:latest"]`. Only with
    `tags`."""

    deletable: bool = True
    """Whether such tags can be deleted, by whom the role lets. If not, in their repositories nothing is deleted over
    the network but other tags, by name, and on the host neither `registryctl rm` nor retention takes them."""

    @field_validator("tags")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value)

    @field_validator("unless")
    @classmethod
    def _with_tags(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("tags", value) == ():
            raise refused("no value, because without tags none is immutable")
        return each_once(value)


class Access(Concern):
    """Access without an account, and guesses at passwords. A change is tested and then loaded without a pause."""

    anonymous_pull: tuple[Pattern, ...] = Field(default=(), strict=False, json_schema_extra={"uniqueItems": True})
    """Patterns of the repositories that everybody may pull without an account; `*` stands for any characters,
    slashes too, and `["*"]` opens all of them. The catalogue shows them to everybody. Clients then log in by token
    instead of Basic authentication, as `docker` needs it for both ways at one address; tools that send a password
    unasked still may."""

    attempts_per_minute: PerMinute = Field(default=60, examples=[60])
    """How many passwords for one name are checked in a minute for each address, and how many at once. A password
    that is remembered doesn't count; beyond the limit others get 429."""

    attempts_per_address: PerMinute | None = Field(default=None, validate_default=True, examples=[600])
    """How many passwords for all names together are checked in a minute for each address. At least `attemptsPerMinute`,
    and ten times as many when absent."""

    remembered_hours: Annotated[int, Whole(1, 720, "hours")] = Field(default=24, examples=[24])
    """For how many hours a password that was right is remembered at most. It is forgotten before when it
    isn't used for ten minutes, when accounts change, and when the proxy starts anew."""

    immutable: Immutable = Field(default_factory=Immutable)
    """Tags that can't be moved."""

    @property
    def attempts_of_address(self) -> int:
        """The bound of an address, in a minute."""
        return self.attempts_per_address or min(10 * self.attempts_per_minute, MOST_PER_MINUTE)

    @field_validator("attempts_per_address")
    @classmethod
    def _not_fewer(cls, value: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("attempts_per_minute", 0)
        if value is not None and value < least:
            raise refused(f"at least {least}, which is attemptsPerMinute")
        return value

    @field_validator("anonymous_pull")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return each_once(value)
