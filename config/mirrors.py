"""Mirrors of other registries, below the registry's own name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from config.access import Access, Pattern, each_once
from config.backup import SuppliedText
from config.base import LAST_PORT, Concern, Whole, as_text, bytes_of, is_printable, refused
from config.endpoints import agrees_with_insecure, only_with_tls
from config.errors import Fault, shown
from config.faults import key_of
from config.images import Images
from config.metrics import Metrics
from config.pem import parse_authorities
from config.retention import Retention
from config.site import Site
from config.transparent import Transparent

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_UPSTREAM = re.compile(rf"(https?)://({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::([1-9][0-9]{{0,4}}))?")
# The path of its socket has at most 107 bytes.
_LONGEST_PREFIX = 70
_LONGEST_NAME = 255
_HUB = "docker.io"
_OF_HUB = "https://registry-1.docker.io"
_NOT_OF_HUB = ("docker.io", "www.docker.com", "hub.docker.com", "index.docker.io")
# The first that waits for an upstream that is away when it starts, and has the fixes known for 3.1.
_MIRRORS_SINCE = (3, 1, 2)


def _prefix(value: str) -> str:
    example = f", for example {_HUB} or ghcr.io"
    if not _HOST.fullmatch(value):
        raise refused("a registry's host name in lower case, with a dot and without a port" + example)
    if len(value) > _LONGEST_PREFIX:
        raise refused(f"a name of at most {_LONGEST_PREFIX} characters" + example)
    return value


def _upstream(value: object) -> str:
    text = as_text(value)
    if "@" in text:
        raise refused("a URL without a login: username and password have it", found="a login in a URL")
    parts = _UPSTREAM.fullmatch(text)
    if parts is None or int(parts[3] or 1) > LAST_PORT:
        raise refused(f"https:// and a host name in lower case, with a port or without, for example {_OF_HUB}")
    if parts[2] in _NOT_OF_HUB:
        raise refused(f"{_OF_HUB}, which is where Docker Hub has its images")
    return text


def _size(value: str) -> str:
    if not bytes_of(value):
        raise refused("a whole number with its unit (k, M or G), for example 50G")
    return value


def _username(value: str) -> str:
    if not value or ":" in value or not is_printable(value) or len(value) > _LONGEST_NAME:
        raise refused("a name in one line, without a colon")
    return value


class Mirror(Concern):
    """A mirror of another registry, a container of its own. What was pulled through it once stays on the host, unless
    it has a bound: `unpulledDays`, `maxSize`.

    Adding, changing and removing one restarts no other container, and removes no image: docs/mirrors.md.
    """

    prefix: Annotated[str, AfterValidator(_prefix)] = Field(examples=["docker.io"])
    """The host name of the mirrored registry, such as `docker.io`. Its image `library/alpine` is then
    `docker.io/library/alpine` here, for clients and in patterns of repositories."""

    insecure: bool = False
    """Whether `upstream` is asked without TLS, as in a trusted network. A password then travels in plain text."""

    upstream: Annotated[str, PlainValidator(_upstream, json_schema_input_type=str)] | None = Field(
        default=None, validate_default=True, examples=["https://registry.example.net:5000"]
    )
    """Where the registry is asked, without a path. Absent: `https://` and the prefix; for `docker.io`
    `https://registry-1.docker.io`. Another one begins with an empty storage."""

    server_ca: Annotated[str, AfterValidator(parse_authorities)] | None = None
    """PEM: the CA certificates by which `upstream` is trusted, when no public one vouches for it."""

    username: Annotated[str, AfterValidator(_username)] | None = Field(default=None, examples=["acme-pulls"])
    """An account of the mirrored registry, where it wants one. What that may read, everybody may read here who may pull
    from the mirror."""

    password: SuppliedText | None = Field(default=None, validate_default=True)
    """Secret. The password or access token of `username`. A change counts within a minute; nothing restarts."""

    repositories: tuple[Pattern, ...] | None = Field(
        default=None, strict=False, json_schema_extra={"uniqueItems": True}
    )
    """Patterns of the repositories that are mirrored, by their names there, for example `["library/*"]`. Absent:
    all. Who may pull them is said as for all repositories."""

    tag_seconds: Annotated[int, Whole(0, 86400, "seconds")] = Field(default=0, examples=[60])
    """Seconds for which a tag is trusted without asking the other registry; one that moves there moves here so much
    later. 0: it is asked at each pull by tag."""

    unpulled_days: Annotated[int, Whole(1, 1000, "days")] | None = Field(default=None, examples=[90])
    """Days for which an image is kept after it was fetched, or pulled, last. Absent: for ever. Only with
    `metrics.enabled`, by which pulls are counted: until then everything counts as pulled."""

    max_size: Annotated[str, AfterValidator(_size)] | None = Field(default=None, examples=["50G"])
    """How much the images of this mirror may have together, in kilobytes (k), megabytes (M) or gigabytes (G); those
    that were not used for the longest go first. It may have more for some hours. Absent: no bound."""

    transparent: Transparent | None = None
    """A name of its own for dockerd, which knows no path. Absent: none."""

    @property
    def max_bytes(self) -> int | None:
        """The same in bytes."""
        return bytes_of(self.max_size) if self.max_size else None

    @property
    def is_bounded(self) -> bool:
        """Whether something goes by itself."""
        return self.unpulled_days is not None or self.max_size is not None

    @property
    def url(self) -> str:
        """Where the registry is asked."""
        return self.upstream or (_OF_HUB if self.prefix == _HUB else f"https://{self.prefix}")

    @property
    def place(self) -> str:
        """The directory of what came from there: that of another registry never counts as this one's."""
        return re.sub(r"[^a-z0-9.-]", "_", urlsplit(self.url).netloc)

    @field_validator("upstream")
    @classmethod
    def _secure(cls, value: str | None, info: ValidationInfo) -> str | None:
        return agrees_with_insecure(value, info, "passwords and images")

    @field_validator("server_ca")
    @classmethod
    def _only_with_tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        return only_with_tls(value, info)

    @field_validator("password")
    @classmethod
    def _both_or_neither(cls, value: object, info: ValidationInfo) -> object:
        if "username" in info.data and (value is None) != (info.data["username"] is None):
            raise refused("username and password, both or neither")
        return value

    @field_validator("repositories")
    @classmethod
    def _some_each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise refused("at least one pattern, for example library/*; or no value, for all repositories")
        return each_once(value) if value else value


def mirrors_once(mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """A prefix leads to one registry."""
    seen: dict[str, int] = {}
    for index, mirror in enumerate(mirrors):
        if seen.setdefault(mirror.prefix, index) != index:
            found = f"the prefix of mirrors[{seen[mirror.prefix]}] again"
            yield Fault(key_of("mirrors", (index, "prefix")), found, "each prefix once")


def mirrors_elsewhere(site: Site, mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """A registry doesn't mirror itself."""
    own = (site.fqdn, *site.aliases, *(mirror.transparent.name for mirror in mirrors if mirror.transparent))
    for index, mirror in enumerate(mirrors):
        if mirror.prefix in own:
            key = key_of("mirrors", (index, "prefix"))
            yield Fault(key, shown(mirror.prefix), "another registry's name: this one is the registry's own")
        elif urlsplit(mirror.url).hostname in own:
            key = key_of("mirrors", (index, "upstream"))
            yield Fault(key, shown(mirror.url), "another registry: this one would ask itself")


def mirrors_run(images: Images, mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """Earlier versions don't start while an upstream is away."""
    version = images.registry.version
    if mirrors and version is not None and version < _MIRRORS_SINCE[: len(version)]:
        yield Fault(key_of("mirrors"), "a list", f"none, because {images.registry} can't; registry:3.1.2 and later can")


def mirrors_count(metrics: Metrics, mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """Otherwise what is pulled by digest, or while the other registry is away, would go."""
    for index, mirror in enumerate(mirrors):
        if mirror.unpulled_days is not None and not metrics.enabled:
            expected = "no value, because metrics.enabled is false: nobody counts pulls"
            yield Fault(key_of("mirrors", (index, "unpulledDays")), shown(mirror.unpulled_days), expected)


def mirrors_are_followed(access: Access, retention: Retention, mirrors: tuple[Mirror, ...]) -> Iterator[Fault]:
    """What a mirror has is decided elsewhere."""
    lists = {
        key_of("access", ("immutable", "tags")): access.immutable.tags,
        **{
            key_of("retention", ("policies", index, "repositories")): policy.repositories
            for index, policy in enumerate(retention.policies)
        },
    }
    prefixes = {mirror.prefix for mirror in mirrors}
    for key, patterns in lists.items():
        for index, pattern in enumerate(patterns):
            first, slash, _ = pattern.partition("/")
            if slash and first in prefixes:
                expected = f"repositories of this registry alone: {first} is mirrored, and its tags are as there"
                yield Fault(f"{key}[{index}]", shown(pattern), expected)
