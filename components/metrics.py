"""The timer that writes the metrics of the registry and its host."""

from collections.abc import Sequence

import pulumi

from components.connection import Command
from components.container import Service
from components.facts import Facts
from components.host import Host
from components.timer import TimerArgs, timer
from config.metrics import Metrics as MetricsSettings

_PUBLISHED = "/run/docker-registry/sockets/metrics"


class Metrics(pulumi.ComponentResource):
    """Timer `docker-registry-metrics`, if metrics are enabled; the proxy's site shows what it writes.

    It asks the registry among `services` for its own metrics, and tells of the others. `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self,
        name: str,
        settings: MetricsSettings,
        host: Host,
        facts: Facts,
        services: Sequence[Service],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:metrics:Metrics", name, None, opts)
        if settings.enabled:
            after = [facts.ready, *(service.container for service in services)]
            self.timers = [timer(name, _timer(settings, host.root), host, self, after=after)]
        self.register_outputs({})


def _timer(settings: MetricsSettings, root: str) -> TimerArgs:
    # node_exporter would go on to tell of a registry that is gone.
    textfile = [f"{settings.textfile}/docker-registry.prom"] if settings.textfile else []
    return TimerArgs(
        unit="docker-registry-metrics",
        context={"metrics": settings},
        traces=[
            # What was counted, and what was not yet.
            *(f"/var/lib/docker-registry/traffic{ending}" for ending in ("", "-journal")),
            "/var/lib/docker-registry/usage",
            f"{root}/nginx/logs/traffic",
            *(f"{_PUBLISHED}/{name}.prom" for name in ("host", "registry")),
            *textfile,
        ],
    )
