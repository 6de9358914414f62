"""The timer that applies the policies of retention."""

from collections.abc import Sequence

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import Host
from components.timer import TimerArgs, timer
from config.retention import Retention as RetentionSettings


class Retention(pulumi.ComponentResource):
    """Timer `docker-registry-retention`, unless the mode is `off`.

    The policies are among the facts in any mode, so that `registry-retention --dry-run` on the host shows what they
    would drop. Nothing is deleted by `up`. `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self,
        name: str,
        settings: RetentionSettings,
        host: Host,
        facts: Facts,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:retention:Retention", name, None, opts)
        if settings.mode != "off":
            self.timers = [timer(name, _timer(settings), host, self, after=[facts.ready])]
        self.register_outputs({})


def _timer(settings: RetentionSettings) -> TimerArgs:
    return TimerArgs(
        unit="docker-registry-retention",
        context={"retention": settings},
        traces=["/var/lib/docker-registry/retention"],
    )
