"""When the host looks whether its certificate is due."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from config.base import Concern, refused

_WORDS = "minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually"
_DAY = "(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
_DAYS = rf"{_DAY}(?:(?:\.\.|-){_DAY})?"
_DAYS = rf"{_DAYS}(?:,{_DAYS})*"
_DELAY = re.compile(r"(?:\d{1,6}[hms])+", re.ASCII)
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_LONGEST_DELAY = 86400


def _component(number: str) -> str:
    """Any value, or a list of numbers and ranges, each with a step if need be."""
    one = rf"(?:{number})(?:\.\.(?:{number}))?(?:/\d{{1,6}})?"
    return rf"(?:\*|{one}(?:,{one})*)"


_YEAR, _MONTH = _component(r"(?:19|20|21)?\d\d"), _component(r"1[0-2]|0?[1-9]")
_MONTH_DAY = _component(r"3[01]|[12]\d|0?[1-9]")
_HOUR, _SIXTY = _component(r"2[0-3]|[01]?\d"), _component(r"[0-5]?\d")
_DATE = rf"(?:{_YEAR}-)?{_MONTH}[-~]{_MONTH_DAY}"
_TIME = rf"{_HOUR}:{_SIXTY}(?::{_SIXTY})?"
# Days of the week, a date and a time: at least one of the three, in this order.
_CALENDAR = re.compile(
    rf"{_WORDS}|{_DAYS}(?: {_DATE})?(?: {_TIME})?|{_DATE}(?: {_TIME})?|{_TIME}", re.ASCII | re.IGNORECASE
)


def _schedule(value: str) -> str:
    if not _CALENDAR.fullmatch(value):
        raise refused(
            "a calendar expression of systemd without a time zone, for example Tue *-*-* 00:00:00; "
            "systemd-analyze calendar explains each"
        )
    return value


def _delay(value: str) -> str:
    if not _DELAY.fullmatch(value):
        raise refused("a duration with its unit (h, m or s), for example 1h or 30m; 0s for none")
    if sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([hms])", value)) > _LONGEST_DELAY:
        raise refused("a duration of at most 24h, for example 1h")
    return value


class Renewal(Concern):
    """When the host looks whether its certificate is due; only one that is due is renewed.

    A run missed while the host was off is made up for.
    """

    schedule: Annotated[str, AfterValidator(_schedule)] = Field(
        default="*-*-* 00,12:00:00", examples=["Tue *-*-* 00:00:00"]
    )
    """Calendar expression of systemd, in `host.timeZone`. Public certificates shrink to 45 days by 2028 and
    are renewed when a third of that is left: look at least weekly."""

    random_delay: Annotated[str, AfterValidator(_delay)] = Field(default="1h", examples=["1h"])
    """Each run begins later by a random time of up to this, at most 24h, so that not all hosts ask the
    authority at once; hours, minutes and seconds, `0s` for none."""
