"""Metrics of the registry and its host, for Prometheus."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, PlainValidator

from config.base import Concern, Whole, as_text
from config.schedule import Schedule
from config.storage import absolute_path

_DIRECTORY = "/var/lib/prometheus/node-exporter"


def _directory(value: object) -> PurePosixPath:
    if isinstance(value, PurePosixPath):
        return value
    return absolute_path(as_text(value), _DIRECTORY)


class Metrics(Concern):
    """Metrics in Prometheus' form: `/metrics` has those of the host and of its traffic, `/metrics/registry` the
    registry's own, for users of role `metrics`. A change replaces no container.
    """

    enabled: bool = False
    """Whether the host writes metrics, and the proxy shows them."""

    schedule: Schedule = Field(default="*-*-* *:*:00", examples=["*-*-* *:*:00"])
    """How often they are written: a calendar expression of systemd, in `host.timeZone`. They are never newer than
    that, however often they are asked for."""

    textfile: Annotated[PurePosixPath, PlainValidator(_directory, json_schema_input_type=str)] | None = Field(
        default=None, examples=[_DIRECTORY]
    )
    """Directory on the host that node_exporter reads (`--collector.textfile.directory`). The host's metrics are
    written there too, as `docker-registry.prom`. Absent: nowhere."""

    groups: Annotated[int, Whole(0, 500)] = Field(default=50, examples=[50])
    """How many groups of repositories have a name in the metrics of traffic. A group is what has the first part of the
    name in common, as `team` in `team/app`; those that come first have one, all others are `other`."""

    accounts: Annotated[int, Whole(0, 1000)] = Field(default=100, examples=[100])
    """How many accounts have a name in the metrics of who uses the registry; those that come first have one, all others
    are `other`. With 0 no account is named."""

    repositories: Annotated[int, Whole(0, 500)] = Field(default=50, examples=[50])
    """How many repositories have a name in the metrics of sizes: the largest; all others are `other`."""
