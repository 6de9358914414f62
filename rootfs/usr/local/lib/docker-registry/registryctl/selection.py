"""Which images somebody means: by tag, by digest, by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from registryctl.endings import UsageError

_LETTERS = re.compile(r"[A-Za-z0-9._:@/*?-]*", re.ASCII)
_BY_DIGEST = re.compile(r"([^:@]+)@(sha256:[0-9a-f]{64})", re.ASCII)
_BY_TAG = re.compile(r"([^:@]+):([^:@/]+)", re.ASCII)
_WITH_DIGEST = re.compile(r".+@sha256:", re.ASCII)


@dataclass(frozen=True)
class Request:
    """One wish: a repository or a pattern of such, and in them a tag or a pattern of such, or else a digest."""

    text: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def is_pattern(self) -> bool:
        """Whether it may fit any number of images, or none."""
        return is_pattern(self.text)

    @classmethod
    def parse(cls, text: str) -> Request:
        """Reads what somebody typed. Raises `UsageError` with what is wrong about it."""
        if not _LETTERS.fullmatch(text):
            raise UsageError(f"no image is called {text!r}")
        if found := _BY_DIGEST.fullmatch(text):
            return cls(text, found[1], digest=found[2])
        if found := _BY_TAG.fullmatch(text):
            return cls(text, found[1], tag=found[2])
        raise UsageError(_complaint(text))


def _complaint(text: str) -> str:
    if _WITH_DIGEST.match(text):
        if ":" in text.partition("@")[0]:
            return f"{text} has a tag and a digest; one is enough"
        return f"{text} is not NAME@sha256: and 64 hexadecimal digits"
    if text and not set(text) & {"@", ":"}:
        return f"which tag of {text}? '{text}:*' is all"
    return f"{text!r} is neither NAME:TAG nor NAME@sha256:DIGEST, without the host"


def is_pattern(text: str) -> bool:
    """Whether there is a wildcard in it."""
    return "*" in text or "?" in text


def fits(pattern: str, name: str) -> bool:
    """Whether a pattern fits a name: `*` and `?` stay within one part of a path, `**` does not."""
    return _compiled(pattern).fullmatch(name) is not None


def first_fit(patterns: Iterable[str], name: str) -> str | None:
    """The first of some patterns that fits a name."""
    return next((pattern for pattern in patterns if fits(pattern, name)), None)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    # One star after the other may be tried in as many ways as there are letters: what is the same is said once.
    calm = re.sub(r"\*{3,}", "**", pattern)
    return re.compile("".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", calm)), re.DOTALL)
