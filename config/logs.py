"""How the logs below `storage.root` are kept from filling the disk."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from config.base import Concern, Whole, bytes_of, refused


def _size(value: str) -> str:
    if not bytes_of(value):
        raise refused("a whole number with its unit (k, M or G), for example 30M")
    return value


class Logs(Concern):
    """Rotation of the log files by logrotate, which the host runs once a day. A change restarts nothing.

    Docker's own logs of the containers are bounded besides: 30 MB each.
    """

    max_size: Annotated[str, AfterValidator(_size)] = Field(default="30M", examples=["30M"])
    """Size from which a log file is rotated, in kilobytes (k), megabytes (M) or gigabytes (G). It may grow
    beyond this between two runs."""

    keep: Annotated[int, Whole(1, 1000)] = Field(default=5, examples=[5])
    """How many rotated files of each log are kept; all but the youngest are compressed. The proxy's
    access log is the audit trail: keep as many as you have to be able to look back."""
