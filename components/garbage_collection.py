"""The clean-up on the host: what no image needs any more is removed on schedule, and writes wait meanwhile."""

from collections.abc import Sequence

import pulumi

from components.connection import Command
from components.container import Service
from components.facts import Facts
from components.host import Host
from components.timer import TimerArgs, timer, unit_file
from config.gc import GarbageCollection as GarbageCollectionSettings


class GarbageCollection(pulumi.ComponentResource):
    """Service `docker-registry-gc`, its timer if it is enabled, and what `registry-gc` on the host needs.

    A run uses `services`, the registry and the proxy: it can begin once both can do their part, the registry ending
    what writes, the proxy letting pushes wait meanwhile. How far it goes is told by the facts. `timers` are those that
    run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self,
        name: str,
        settings: GarbageCollectionSettings,
        host: Host,
        facts: Facts,
        services: Sequence[Service],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:garbage-collection:GarbageCollection", name, None, opts)
        after = [facts.ready, *(service.container for service in services)]
        units = TimerArgs(
            unit="docker-registry-gc",
            context={"gc": settings},
            traces=["/var/lib/docker-registry/gc"],
        )
        if settings.enabled:
            self.timers = [timer(name, units, host, self, after=after)]
        else:
            unit_file(name, units, host, self, after=after)
        self.register_outputs({})
