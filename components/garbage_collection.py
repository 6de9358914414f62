"""The clean-up on the host: what no image needs any more is removed on schedule, and writes wait meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import FileArgs, Host
from components.nginx import Nginx
from components.registry import Registry
from components.timer import TimerArgs, timer, unit_file
from config.gc import GarbageCollection as GarbageCollectionSettings
from config.images import ImageReference
from rendering.rootfs import render


@dataclass(frozen=True)
class GarbageCollectionArgs:
    """When and how far it cleans up, and the registry's image, by whose version it is told what is safe."""

    settings: GarbageCollectionSettings
    registry: ImageReference


class GarbageCollection(pulumi.ComponentResource):
    """Service `docker-registry-gc`, its timer if it is enabled, and what `registry-gc` on the host needs.

    A run uses the registry and the proxy that are there, and outlives their replacement: it can begin once both can do
    their part, the registry telling what is under way, the proxy holding writes off. `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self,
        name: str,
        args: GarbageCollectionArgs,
        host: Host,
        registry: Registry,
        nginx: Nginx,
        facts: Facts,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:garbage-collection:GarbageCollection", name, None, opts)
        file = render(
            "/etc/docker-registry/gc.conf",
            stack=host.stack,
            gc=args.settings,
            images={"registry": args.registry},
        )
        settings = host.file(
            f"{name}-settings",
            FileArgs(file=file, path=file.path, mode="0644"),
            pulumi.ResourceOptions(parent=self, depends_on=[facts.written]),
        )
        after = [settings, registry.container, nginx.container]
        units = TimerArgs(
            unit="docker-registry-gc",
            context={"gc": args.settings},
            traces=["/var/lib/docker-registry/gc"],
        )
        if args.settings.enabled:
            self.timers = [timer(name, units, host, self, after=after)]
        else:
            unit_file(name, units, host, self, after=after)
        self.register_outputs({})
