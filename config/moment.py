"""Moments that don't depend on where a clock stands: a day of UTC, or an instant with its zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from config.base import as_text, refused

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_EXAMPLES = 'in quotes, for example "2026-12-31", which is to its end in UTC, or "2026-12-31T18:00:00+01:00"'
_FIRST, _LAST = 2002, 2200
"""Years in which the seconds since 1970 have ten digits, as what compares them expects."""


def _end(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    text = as_text(value)
    if not (_DAY.fullmatch(text) or _INSTANT.fullmatch(text)):
        # Without quotes YAML takes it for a time, of which Pulumi makes another text.
        raise refused(f"a date or an instant with its zone, {_EXAMPLES}")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise refused(f"a day and a time that there are, {_EXAMPLES}") from None
    if not _FIRST <= moment.year <= _LAST:
        raise refused(f"a year from {_FIRST} to {_LAST}, {_EXAMPLES}")
    if _DAY.fullmatch(text):
        return moment.replace(tzinfo=UTC) + timedelta(days=1)
    return moment.astimezone(UTC)


End = Annotated[
    datetime,
    PlainValidator(_end, json_schema_input_type=str),
    PlainSerializer(lambda moment: moment.isoformat(), return_type=str),
]
"""The first moment at which something is over, in UTC. Of a date it is the midnight after it."""
