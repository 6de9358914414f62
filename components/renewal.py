"""The certificate's timer on the host, and the tool that says how the host is."""

import json
import shlex
from dataclasses import dataclass

import pulumi

from components.certificate import Certificate
from components.connection import Command, CommandArgs
from components.host import FileArgs, Host
from config import Settings
from rendering.rootfs import HostFile, fingerprint, render

_UNIT = "docker-registry-certificate"
_STATUS = "/usr/local/bin/registry-status"


@dataclass(frozen=True)
class RenewalArgs:
    """All settings: the host's tools need a little of several."""

    settings: Settings


class Renewal(pulumi.ComponentResource):
    """Timer `docker-registry-certificate` and what it runs.

    The timer renews what is due, and the proxy reloads only when there is a new certificate. Its service fails when a
    renewal fails or the end is near. `registry-status` on the host says so too, and every `up`, as a warning.
    """

    def __init__(
        self,
        name: str,
        args: RenewalArgs,
        host: Host,
        certificate: Certificate,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("registry:renewal:Renewal", name, None, opts)
        self._name = name
        self._host = host
        settings = args.settings
        facts = self._file(
            "facts",
            render(
                "/etc/docker-registry/host.conf",
                stack=host.stack,
                root=host.root,
                site=settings.site,
                certificate=settings.certificate,
                images=settings.images,
            ),
            certificate.installed,
        )
        service = render(f"/etc/systemd/system/{_UNIT}.service")
        timer = render(f"/etc/systemd/system/{_UNIT}.timer", renewal=settings.certificate.renewal)
        units = [self._file("service", service, facts), self._file("timer", timer, facts)]
        self._enable(units, f"{service.content}{timer.content}")
        if not pulumi.runtime.is_dry_run():
            # Beside the rest of the run: the status needs the certificate and the facts, and nothing that comes later.
            facts.id.apply(lambda _: self._warn())  # type: ignore[arg-type,return-value]  # a coroutine is an Awaitable
        self.register_outputs({})

    def _file(self, name: str, file: HostFile, after: Command) -> Command:
        return self._host.file(
            f"{self._name}-{name}",
            FileArgs(file=file, path=file.path, mode="0644"),
            pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )

    def _enable(self, units: list[Command], content: str) -> None:
        """Starts the timer at boot and now; a changed schedule counts from now on."""
        mark = fingerprint(content, 8)
        enable = f"systemctl daemon-reload && systemctl enable -q {_UNIT}.timer && systemctl restart {_UNIT}.timer"
        traces = f"/var/lib/docker-registry/renewal /var/lib/systemd/timers/stamp-{_UNIT}.timer"
        disable = f"systemctl disable -q --now {_UNIT}.timer && rm -f {traces}"
        self._host.command(
            f"{self._name}-enable",
            CommandArgs(create=f"sh -c {shlex.quote(f'{enable} # {mark}')}", delete=f"sh -c {shlex.quote(disable)}"),
            pulumi.ResourceOptions(parent=self, depends_on=units),
        )

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
