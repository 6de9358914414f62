"""When something happens on the host: the calendar of its timers."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from config.base import refused

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


Schedule = Annotated[str, AfterValidator(_schedule)]
"""A calendar expression of systemd without a time zone: it counts in `host.timeZone`."""

Delay = Annotated[str, AfterValidator(_delay)]
"""A duration of up to 24h in hours, minutes and seconds, `0s` for none."""
