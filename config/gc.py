"""The clean-up: the removal of what no image needs any more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from config.base import Concern, Whole
from config.images import ImageReference
from config.schedule import Delay, Schedule

SAFE_FROM = 3
"""The first Distribution that keeps what a tagged index refers to when it collects untagged manifests."""


class GarbageCollection(Concern):
    """The clean-up: the removal of what no image needs any more. Pulls go on. Pushes wait while it removes something,
    for some seconds mostly, and get 503 after five minutes.

    A change of `drainSeconds` replaces the registry's container, any other replaces none.
    """

    enabled: bool = True
    """Whether the host does it on schedule. `registry-gc` on the host does it at any time."""

    schedule: Schedule = Field(default="*-*-* 05:01:00", examples=["Sun *-*-* 05:01:00"])
    """Calendar expression of systemd, in `host.timeZone`. A run that the host missed while it was off is done at its
    next start."""

    random_delay: Delay = Field(default="0s", examples=["30m"])
    """Each run begins later by a random time of up to this, at most 24h; hours, minutes and seconds,
    `0s` for none."""

    delete_untagged: bool | None = None
    """Whether manifests that no tag leads to go too, with all that only they use. Absent: with
    Distribution 3 they do, with 2 they stay, because it would take the platforms of tagged images along."""

    max_share: Annotated[int, Whole(1, 100, "percent")] = Field(default=50, examples=[50])
    """Share of the stored bytes in percent. A run that would remove more removes nothing and fails:
    somebody should look first. `registry-gc --force` does it once all the same."""

    drain_seconds: Annotated[int, Whole(1, 900, "seconds")] = Field(default=60, examples=[60])
    """Seconds that pushes under way have to end before something is removed. What takes longer is cut
    off, and the client has to push it again."""

    trash_days: Annotated[int, Whole(0, 365, "days")] = Field(default=7, examples=[7])
    """Days for which what was removed can be brought back by `registryctl undo`; it keeps its space
    that long. On a disk fuller than `storage.warnPercent` the oldest goes earlier. 0: it is gone at once."""

    def deletes_untagged(self, registry: ImageReference) -> bool:
        """Whether untagged manifests go, with the registry that is set."""
        return collects_safely(registry) if self.delete_untagged is None else self.delete_untagged


def collects_safely(registry: ImageReference) -> bool:
    """Whether this registry keeps what tagged indexes refer to; without a version in its tag, 3 is assumed."""
    return registry.version is None or registry.version[0] >= SAFE_FROM
