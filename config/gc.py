"""The clean-up of what no image needs any more: the registry's garbage collection."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from config.base import Concern, within
from config.images import ImageReference
from config.schedule import Delay, Schedule

SAFE_FROM = 3
"""The first Distribution that keeps what a tagged index refers to when it collects untagged manifests."""

Percent = Annotated[
    int, AfterValidator(within(1, 100, " of percent")), Field(json_schema_extra={"minimum": 1, "maximum": 100})
]
DrainSeconds = Annotated[
    int, AfterValidator(within(1, 900, " of seconds")), Field(json_schema_extra={"minimum": 1, "maximum": 900})
]


class GarbageCollection(Concern):
    """The registry's garbage collection. Pulls go on; pushes and deletes are held off while it runs.

    Clients then read 503 and when to try again. A change replaces no container.
    """

    enabled: bool = True
    """Whether the host does it on schedule. `registry-gc` on the host does it at any time."""

    schedule: Schedule = Field(default="*-*-* 05:01:00", examples=["Sun *-*-* 05:01:00"])
    """Calendar expression of systemd, in `host.timeZone`. A run missed while the host was off is made up for."""

    random_delay: Delay = Field(default="0s", examples=["30m"])
    """Each run begins later by a random time of up to this, at most 24h; hours, minutes and seconds,
    `0s` for none."""

    delete_untagged: bool | None = None
    """Whether manifests that no tag leads to go too, with all that only they use. Absent: with
    Distribution 3 they do, with 2 they stay, because it would take the platforms of tagged images along."""

    max_share: Percent = Field(default=50, examples=[50])
    """Share of the stored bytes in percent, 1 to 100. A run that would remove more removes nothing and fails:
    somebody should look first. `registry-gc --force` does it once all the same."""

    drain_seconds: DrainSeconds = Field(default=60, examples=[60])
    """Seconds, 1 to 900, that pushes under way when a run begins have to end. Uploads that take longer may
    have to be repeated; a manifest that takes longer ends the run, and the next one tries again."""

    def deletes_untagged(self, registry: ImageReference) -> bool:
        """Whether untagged manifests go, with the registry that is set."""
        return collects_safely(registry) if self.delete_untagged is None else self.delete_untagged


def collects_safely(registry: ImageReference) -> bool:
    """Whether this registry keeps what tagged indexes refer to; without a version in its tag, 3 is assumed."""
    return registry.version is None or registry.version[0] >= SAFE_FROM
