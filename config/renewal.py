"""When the host looks whether its certificate is due."""

from __future__ import annotations

from pydantic import Field

from config.base import Concern
from config.schedule import Delay, Schedule


class Renewal(Concern):
    """When the host looks whether its certificate is due; only one that is due is renewed.

    A run that the host missed while it was off is done at its next start.
    """

    schedule: Schedule = Field(default="*-*-* 00,12:00:00", examples=["Tue *-*-* 00:00:00"])
    """Calendar expression of systemd, in `host.timeZone`. Public certificates shrink to 45 days by 2028 and
    are renewed when a third of that is left: look at least weekly."""

    random_delay: Delay = Field(default="1h", examples=["1h"])
    """Each run begins later by a random time of up to this, at most 24h, so that not all hosts ask the
    authority at once; hours, minutes and seconds, `0s` for none."""
