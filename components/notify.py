"""The timer that tells somebody when the status becomes worse, and what it needs for that."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.connection import Command
from components.container import Service
from components.facts import Facts
from components.host import FileArgs, FilesArgs, Host
from components.timer import TimerArgs, timer
from config.secrets import NotifySecrets
from config.status import Notify as NotifySettings
from rendering.notify import SECRETS, secrets_file, settings_file


@dataclass(frozen=True)
class NotifyArgs:
    """Who is told and how often, and the secrets for that; None without a webhook."""

    settings: NotifySettings
    secrets: pulumi.Output[NotifySecrets] | None


class Notify(pulumi.ComponentResource):
    """Timer `docker-registry-notify`, and below `/etc/docker-registry` what `registryctl notify` reads.

    Nothing where nobody is told. Destroy takes timer and settings away; secrets stay, as all do.
    `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self,
        name: str,
        args: NotifyArgs,
        host: Host,
        facts: Facts,
        services: Sequence[Service],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:notify:Notify", name, None, opts)
        if args.settings.enabled:
            files = self._files(name, args, host)
            units = TimerArgs(
                unit="docker-registry-notify",
                context={"notify": args.settings},
                traces=["/var/lib/docker-registry/notify", "/run/docker-registry/notify"],
            )
            # A registry that is not there yet is no news.
            after = [facts.ready, *files, *(service.container for service in services)]
            self.timers = [timer(name, units, host, self, after=after)]
        self.register_outputs({})

    def _files(self, name: str, args: NotifyArgs, host: Host) -> list[Command]:
        parent = pulumi.ResourceOptions(parent=self)
        plain = settings_file(args.settings)
        files = [host.file(f"{name}-settings", FileArgs(file=plain, path=plain.path, mode="0600"), parent)]
        if args.secrets is not None:
            secret = FileArgs(file=args.secrets.apply(secrets_file), path=SECRETS, mode="0600")
            files.append(host.files(f"{name}-secrets", FilesArgs([secret], kept=True), parent))
        return files
