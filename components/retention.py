"""The policies of retention on the host, and the timer that applies them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import FileArgs, Host
from components.images import Images
from components.timer import TimerArgs, timer
from config.retention import Retention as RetentionSettings
from rendering.rootfs import render


@dataclass(frozen=True)
class RetentionArgs:
    """Which images are dropped, and when."""

    settings: RetentionSettings


class Retention(pulumi.ComponentResource):
    """`/etc/docker-registry/retention.lua` and, unless the mode is `off`, timer `docker-registry-retention`.

    The policies are there in any mode, so that `registry-retention --dry-run` on the host shows what they would drop.
    A changed policy counts from the next run on; nothing is deleted by `up`. `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self,
        name: str,
        args: RetentionArgs,
        host: Host,
        facts: Facts,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:retention:Retention", name, None, opts)
        file = render("/etc/docker-registry/retention.lua", stack=host.stack, retention=args.settings)
        policies = host.file(
            f"{name}-policies",
            FileArgs(file=file, path=file.path, mode="0644"),
            pulumi.ResourceOptions(parent=self),
        )
        if args.settings.mode != "off":
            after = [facts.written, policies, images.regbot.resource]
            self.timers = [timer(name, _timer(args.settings), host, self, after=after)]
        self.register_outputs({})


def _timer(settings: RetentionSettings) -> TimerArgs:
    return TimerArgs(
        unit="docker-registry-retention",
        context={"retention": settings},
        traces=["/var/lib/docker-registry/retention"],
    )
