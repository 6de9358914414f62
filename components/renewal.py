"""The certificate's timer on the host, and what every `up` says of the host."""

import json
import shlex
from dataclasses import dataclass

import pulumi

from components.facts import Facts
from components.host import Host
from components.timer import TimerArgs, timer
from config.renewal import Renewal as RenewalSettings

_STATUS = "/usr/local/bin/registry-status"


@dataclass(frozen=True)
class RenewalArgs:
    """When the host looks whether its certificate is due."""

    settings: RenewalSettings


class Renewal(pulumi.ComponentResource):
    """Timer `docker-registry-certificate` and what it runs.

    The timer renews what is due, and the proxy reloads only when there is a new certificate. Its service fails when a
    renewal fails or the end is near. `registry-status` on the host says so too, and every `up`, as a warning.
    """

    def __init__(
        self, name: str, args: RenewalArgs, host: Host, facts: Facts, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("registry:renewal:Renewal", name, None, opts)
        self._host = host
        timer(
            name,
            TimerArgs(
                unit="docker-registry-certificate",
                context={"renewal": args.settings},
                traces=["/var/lib/docker-registry/renewal"],
            ),
            host,
            self,
            after=[facts.written],
        )
        if not pulumi.runtime.is_dry_run():
            # Beside the rest of the run: the status needs the certificate and the facts, and nothing that comes later.
            facts.written.id.apply(lambda _: self._warn())  # type: ignore[arg-type,return-value]  # a coroutine is an Awaitable
        self.register_outputs({})

    async def _warn(self) -> str:
        """Says at every `up` what wants attention on the host, also when nothing else has changed."""
        try:
            status = json.loads(await self._host.run(f"sh -c {shlex.quote(f'{_STATUS} --json || true')}"))
        except (RuntimeError, ValueError) as reason:
            pulumi.log.warn(f"registry-status on the host failed: {reason}", self)
            return "unknown"
        found = status["certificate"]
        if found["state"] != "ok":
            pulumi.log.warn(f"certificate ({found['mode']}): {found['state']}; {found['detail']}", self)
        return str(found["state"])
