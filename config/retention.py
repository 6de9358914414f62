"""Which images are dropped with time."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.base import Concern, Whole, refused
from config.schedule import Delay, Schedule

_REPOSITORIES = re.compile(r"(?!/)(?:/?[a-z0-9._*?-]+)+", re.ASCII)
_TAGS = re.compile(r"[A-Za-z0-9_*?][A-Za-z0-9_.*?-]{0,127}", re.ASCII)
_LONGEST_NAME = 255


def _repositories(value: str) -> str:
    if len(value) > _LONGEST_NAME or not _REPOSITORIES.fullmatch(value):
        raise refused(
            "a pattern of repository names without host and tag: lower case, * within one part of a path and ** "
            "across, for example team/*"
        )
    return value


def _tags(value: str) -> str:
    if not _TAGS.fullmatch(value):
        raise refused("a pattern of tags: letters, digits, _.- and the wildcards * and ?, for example v*")
    return value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise refused("at least one pattern of repository names, for example [team/*]", found="none")
    return value


Repositories = Annotated[str, AfterValidator(_repositories)]
"""A pattern of repository names."""

Tags = Annotated[str, AfterValidator(_tags)]
"""A pattern of tags."""


class Policy(Concern):
    """What is kept of some repositories. Without `keepLast`, `keepDays` and `unpulledDays`, what no pattern drops."""

    repositories: Annotated[tuple[Repositories, ...], AfterValidator(_some)] = Field(
        default=(), validate_default=True, strict=False
    )
    """Patterns of the repositories that this is for: `*` and `?` stay within one part of a path, `**` doesn't;
    `**` alone is all."""

    keep_last: Annotated[int, Whole(1, 100000)] | None = Field(default=None, examples=[10])
    """How many tags are kept, the last pushed; those that a pattern keeps don't count."""

    keep_days: Annotated[int, Whole(1, 36500, "days")] | None = Field(default=None, examples=[30])
    """Days for which a tag is kept after it was last pushed. With `keepLast`, one of both is enough."""

    unpulled_days: Annotated[int, Whole(1, 1000, "days")] | None = Field(default=None, examples=[90])
    """Days for which a tag is kept after it was last pushed, or pulled, also by a digest to which it leads. With
    `keepLast` or `keepDays`, one of them is enough. Only with `metrics.enabled`, by which pulls are counted: until then
    everything counts as pulled."""

    keep: tuple[Tags, ...] = Field(default=(), strict=False)
    """Patterns of tags that are kept, whatever else is set."""

    drop: tuple[Tags, ...] = Field(default=(), strict=False)
    """Patterns of tags that are dropped at once, unless `keep` or `protected` fits too."""


class Retention(Concern):
    """Which tags are dropped with time, each repository by the first policy that fits its name.

    A repository that no policy fits is left alone. An image goes with its last tag; the clean-up frees the space.
    """

    mode: Literal["off", "dry-run", "on"] = "off"
    """Whether tags are dropped; with `dry-run` the journal of the host says which would be."""

    schedule: Schedule = Field(default="*-*-* 04:31:00", examples=["*-*-* 04:31:00"])
    """Calendar expression of systemd, in `host.timeZone`; before the clean-up, which frees the space."""

    random_delay: Delay = Field(default="0s", examples=["10m"])
    """Each run begins later by a random time of up to this; hours, minutes and seconds, `0s` for none."""

    protected: tuple[Tags, ...] = Field(default=(), strict=False)
    """Patterns of tags that are never dropped, in any repository."""

    policies: tuple[Policy, ...] = Field(default=(), strict=False)
    """Ordered: the first that fits a repository is its only one."""
