"""The certificate's timer on the host."""

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import Host
from components.timer import TimerArgs, timer
from config.renewal import Renewal as RenewalSettings


class Renewal(pulumi.ComponentResource):
    """Timer `docker-registry-certificate` and what it runs.

    The timer renews what is due, and the proxy reloads only when there is a new certificate. Its service fails when a
    renewal fails or the end is near. `registry-status` on the host says so too, and every `up`, as a warning.
    """

    timer: Command

    def __init__(
        self, name: str, settings: RenewalSettings, host: Host, facts: Facts, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("registry:renewal:Renewal", name, None, opts)
        self.timer = timer(
            name,
            TimerArgs(
                unit="docker-registry-certificate",
                context={"renewal": settings},
                traces=["/var/lib/docker-registry/renewal"],
            ),
            host,
            self,
            after=[facts.ready],
        )
        self.register_outputs({})
