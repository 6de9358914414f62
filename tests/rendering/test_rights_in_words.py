"""What a reviewer reads of rights."""

from __future__ import annotations

from datetime import UTC, datetime

from config.access import Access, Immutable
from rendering.rights import rights_in_words
from tests.rendering.sites import user


def test_each_account_has_a_line() -> None:
    """With its role, where it counts, what else it may pull, and when it ends."""
    users = [
        user("alice"),
        user("ci", role="push", repositories=("team-a/*", "tools"), pull_only=("base/*",)),
        user("guest", role="pull", expires=datetime(2027, 1, 1, tzinfo=UTC)),
        user("prometheus", role="metrics"),
    ]
    assert rights_in_words(users, Access()) == {
        "alice": "admin everywhere",
        "ci": "push in team-a/*, tools; pull in base/*",
        "guest": "pull everywhere; ends 2027-01-01T00:00:00Z",
        "prometheus": "metrics alone",
    }


def test_what_is_no_account_s() -> None:
    """By words that no account can be called."""
    immutable = Immutable(tags=("release/*:v*", "a:1"), unless=("*:*-rc",), deletable=False)
    access = Access(anonymous_pull=("public/*", "base"), immutable=immutable)
    assert rights_in_words([], access) == {
        "(no account)": "pull in public/*, base",
        "(immutable tags)": "release/*:v*, a:1 unless *:*-rc; never deleted",
    }
    assert rights_in_words([], Access(immutable=Immutable(tags=("a:1",)))) == {"(immutable tags)": "a:1"}
