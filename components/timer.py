"""What every timer on the host has in common: a service, when it runs, and that it starts at boot."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.connection import Command, CommandArgs
from components.host import FileArgs, Host
from rendering.rootfs import fingerprint, render


@dataclass(frozen=True)
class TimerArgs:
    """A timer and the service it starts: `UNIT.timer` and `UNIT.service` below `/etc/systemd/system`.

    `context` is what their templates need. `traces` are the files in which the service remembers its last run; they go
    with the timer.
    """

    unit: str
    context: Mapping[str, Any] = field(default_factory=dict)
    traces: Sequence[str] = ()


def timer(
    name: str, args: TimerArgs, host: Host, parent: pulumi.Resource, *, after: Sequence[pulumi.Resource]
) -> Command:
    """A timer that starts at boot and now. A changed schedule counts from now on.

    Destroy takes it away, once a run that is under way has been ended.
    """
    units = [unit_file(name, kind, args, host, parent, after) for kind in ("service", "timer")]
    unit = f"{args.unit}.timer"
    mark = fingerprint("".join(content for _, content in units), 8)
    # To enable would reload systemd once more.
    enable = f"systemctl enable -q {unit} --no-reload && systemctl daemon-reload && systemctl restart {unit}"
    traces = shlex.join([*args.traces, f"/var/lib/systemd/timers/stamp-{unit}"])
    disable = f"systemctl disable -q --now {unit} && systemctl stop {args.unit}.service && rm -f {traces}"
    return host.command(
        f"{name}-enable",
        CommandArgs(create=f"sh -c {shlex.quote(f'{enable} # {mark}')}", delete=f"sh -c {shlex.quote(disable)}"),
        pulumi.ResourceOptions(parent=parent, depends_on=[resource for resource, _ in units]),
    )


def unit_file(
    name: str, kind: str, args: TimerArgs, host: Host, parent: pulumi.Resource, after: Sequence[pulumi.Resource]
) -> tuple[Command, str]:
    """The file of the `service` or the `timer`, and its content."""
    file = render(f"/etc/systemd/system/{args.unit}.{kind}", **args.context)
    resource = host.file(
        f"{name}-{kind}",
        FileArgs(file=file, path=file.path, mode="0644"),
        pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )
    return resource, file.content
