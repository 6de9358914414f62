"""Policies of retention, histories of pushes, and what must remain of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROTECTED = ["stable", "release-*"]
"""What no policy may drop."""


@dataclass(frozen=True)
class Case:
    """A repository below `retention/`: pushes as tag → (days ago, what is in it), and the tags that must remain."""

    name: str
    pushes: Mapping[str, tuple[float, str]]
    remains: Sequence[str]
    policy: Mapping[str, Any] | None = field(default=None)
    """Without `repositories`: it is for this repository alone. None: no policy is for it."""

    @property
    def repository(self) -> str:
        """Its name in the registry."""
        return f"retention/{self.name}"


CASES = [
    Case(
        "the-last-two",
        {"a": (1, "1"), "b": (400, "2"), "c": (2, "3"), "d": (3, "4")},
        ["a", "c"],
        {"keepLast": 2},
    ),
    Case(
        "thirty-days",
        {"new": (29.9, "1"), "old": (30.1, "2"), "older": (9999, "3")},
        ["new"],
        {"keepDays": 30},
    ),
    Case(
        "last-or-young",
        {"a": (1, "1"), "b": (2, "2"), "c": (3, "3"), "d": (40, "4")},
        ["a", "b", "c"],
        {"keepLast": 1, "keepDays": 30},
    ),
    Case(
        "last-though-old",
        {"a": (100, "1"), "b": (200, "2"), "c": (300, "3")},
        ["a", "b"],
        {"keepLast": 2, "keepDays": 30},
    ),
    Case(
        "kept-tags-do-not-count",
        {"v1": (500, "1"), "v2": (1, "2"), "x": (3, "3"), "y": (2, "4")},
        ["v1", "v2", "y"],
        {"keepLast": 1, "keep": ["v*"]},
    ),
    Case(
        "dropped-at-once",
        {"pr-1": (0, "1"), "pr-2": (0, "2"), "main": (900, "3")},
        ["main"],
        {"drop": ["pr-*"]},
    ),
    Case(
        "protected-before-all",
        {"stable": (900, "1"), "release-1": (800, "2"), "other": (700, "3")},
        ["stable", "release-1"],
        {"drop": ["*"]},
    ),
    Case(
        "keep-before-drop",
        {"v1": (900, "1"), "v1-rc": (800, "2"), "w": (700, "3")},
        ["v1-rc", "w"],
        {"keep": ["*-rc"], "drop": ["v*"]},
    ),
    Case("keeps-all", {"a": (900, "1"), "b": (800, "2")}, ["a", "b"], {}),
    Case("no-policy", {"pr-1": (900, "1"), "a": (800, "2")}, ["pr-1", "a"]),
    # One image under several tags: what stays keeps it.
    Case(
        "shared-digest",
        {"1.0.0": (50, "same"), "latest": (1, "same"), "0.9.0": (60, "else")},
        ["latest"],
        {"keepLast": 1},
    ),
    Case(
        "one-character",
        {"v1": (1, "1"), "v12": (1, "2")},
        ["v12"],
        {"drop": ["v?"]},
    ),
]


def policies() -> list[dict[str, Any]]:
    """All of them in one list, as the settings have it; behind each repository's own one that would drop everything."""
    own = [{"repositories": [case.repository], **case.policy} for case in CASES if case.policy is not None]
    drop_all = [{"repositories": [case.repository], "drop": ["*"]} for case in CASES if case.policy is not None]
    # A star stays within one part of a name, two don't.
    wide = [
        {"repositories": ["retention/wide/*"], "drop": ["flat"]},
        {"repositories": ["retention/wide/**"], "drop": ["deep"]},
    ]
    attached = [{"repositories": ["retention/attached", "retention/broken"], "keepLast": 1}]
    return own + drop_all + wide + attached
