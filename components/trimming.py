"""The timer that keeps mirrors of other registries within their bounds."""

from collections.abc import Sequence

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import Host
from components.timer import TimerArgs, timer


class Trimming(pulumi.ComponentResource):
    """Timer `docker-registry-mirrors`, for stacks of which a mirror has a bound; the facts tell which.

    Nothing is removed by `up`. `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(self, name: str, host: Host, facts: Facts, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("registry:trimming:Trimming", name, None, opts)
        units = TimerArgs(unit="docker-registry-mirrors", traces=["/var/lib/docker-registry/mirrors"])
        self.timers = [timer(name, units, host, self, after=[facts.ready])]
        self.register_outputs({})
