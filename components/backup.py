"""The backup on the host: a timer that starts it, and what restic needs to reach its repository."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.connection import Command
from components.facts import Facts
from components.host import FileArgs, FilesArgs, Host
from components.timer import TimerArgs, timer
from config.backup import Backup as BackupSettings
from config.secrets import BackupSecrets
from rendering.backup import KEY, SECRETS, secrets_file, settings_file
from rendering.rootfs import HostFile


@dataclass(frozen=True)
class BackupArgs:
    """Where to, when, and the secrets that open it; None where nothing is backed up."""

    settings: BackupSettings
    secrets: pulumi.Output[BackupSecrets] | None


class Backup(pulumi.ComponentResource):
    """Timer `docker-registry-backup`, and below `/etc/docker-registry` what `registryctl backup` reads.

    Nothing without a repository. Destroy takes timer and settings away; secrets stay, as all do.
    `timers` are those that run.
    """

    timers: Sequence[Command] = ()

    def __init__(
        self, name: str, args: BackupArgs, host: Host, facts: Facts, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("registry:backup:Backup", name, None, opts)
        if args.secrets is not None:
            files = self._files(name, args.settings, args.secrets, host)
            units = TimerArgs(
                unit="docker-registry-backup",
                context={"backup": args.settings},
                traces=["/var/lib/docker-registry/backup"],
            )
            self.timers = [timer(name, units, host, self, after=[facts.ready, *files])]
        self.register_outputs({})

    def _files(
        self, name: str, settings: BackupSettings, secrets: pulumi.Output[BackupSecrets], host: Host
    ) -> list[Command]:
        plain = settings_file(settings, host.stack)
        contents: dict[str, pulumi.Input[HostFile]] = {SECRETS: secrets.apply(secrets_file)}
        if settings.private_key is not None:
            contents[KEY] = secrets.apply(lambda its: HostFile(KEY, its.private_key or ""))
        hidden = [FileArgs(file=file, path=path, mode="0600") for path, file in contents.items()]
        parent = pulumi.ResourceOptions(parent=self)
        return [
            host.file(f"{name}-settings", FileArgs(file=plain, path=plain.path, mode="0600"), parent),
            host.files(f"{name}-secrets", FilesArgs(hidden, kept=True), parent),
        ]
