"""When something ends, as settings say it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.config.stack import APR1, load_stack, with_changes


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-12-31", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC)),
        ("2026-12-31T18:00:00+01:00", datetime(2026, 12, 31, 17, tzinfo=UTC)),
        ("2026-12-31T18:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        # One that has passed stays right, or a later up would fail.
        ("2002-01-01", datetime(2002, 1, 2, tzinfo=UTC)),
    ],
)
def test_when_an_account_ends(text: str, end: datetime) -> None:
    """A day is to its end in UTC."""
    settings, _ = load_stack(with_changes({"users": [{"name": "bob", "hash": APR1, "expires": text}]}))
    assert settings.users[0].expires == end
    assert settings.users[0].end == end.timestamp()
