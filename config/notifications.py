"""Whom the registry itself tells of pushes, pulls and deletions: Distribution's own webhooks."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.base import Concern, Whole, refused
from config.registry import Duration
from config.webhook import Header, PlainUrl

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_MOST = 20


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise refused("a name of small letters, digits, - and _, for example ci")
    return value


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise refused("a media type, for example application/octet-stream, which layers have")
    return value


class Endpoint(Concern):
    """One that is told by POST, with `application/vnd.docker.distribution.events.v2+json`."""

    name: Annotated[str, AfterValidator(_name)] = Field(examples=["ci"])
    """Its name in the registry's own metrics."""

    url: PlainUrl = Field(examples=["https://ci.example.net/registry-events"])
    """Where to. No secret may be in it, for the registry logs it where it can't be reached: `headers` are for that."""

    headers: tuple[Header, ...] = Field(default=(), strict=False)
    """Headers of each message, such as `Authorization`. Only with a `registry.logLevel` of `warn` or `error`."""

    timeout: Duration = Field(default="3s", examples=["3s"])
    """After so long an answer has failed; hours, minutes, seconds and milliseconds as Go writes them."""

    threshold: Annotated[int, Whole(1, 1000)] = Field(default=5, examples=[5])
    """After so many failures it is left alone for `backoff`."""

    backoff: Duration = Field(default="10s", examples=["10s"])
    """How long it is left alone then, before the same is told again."""

    ignore_actions: tuple[Literal["push", "pull", "mount", "delete"], ...] = Field(
        default=(), strict=False, examples=[["pull"]]
    )
    """Of which actions it is not told."""

    ignore_media_types: tuple[Annotated[str, AfterValidator(_media_type)], ...] = Field(
        default=(), strict=False, examples=[["application/octet-stream"]]
    )
    """Of which kinds of content it is not told: `application/octet-stream` are layers."""


def _few_with_names(value: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    names = [one.name for one in value]
    if len(names) > _MOST:
        raise refused(f"at most {_MOST}", found=str(len(names)))
    if len(set(names)) != len(names):
        raise refused("a name of its own for each", found="a name that is there twice")
    return value


class Notifications(Concern):
    """Webhooks of the registry: who is told of pushes, mounts, deletions, and those pulls that the registry serves.
    Of what the proxy serves itself it knows nothing: layers with `nginx.fastPath`, and manifests that it remembers.

    What is not told yet when the registry ends is lost. A change replaces the registry's container.
    """

    endpoints: Annotated[tuple[Endpoint, ...], AfterValidator(_few_with_names)] = Field(default=(), strict=False)
    """Who is told."""
