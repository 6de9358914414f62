"""What every timer on the host has in common: a service, when it runs, and that it starts at boot."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.connection import Command
from components.host import FileArgs, FilesArgs, Host
from components.unit import enabled_unit
from rendering.rootfs import TOOLS, HostFile, render


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
    traces = shlex.join([*args.traces, f"/var/lib/systemd/timers/stamp-{args.unit}.timer"])
    return enabled_unit(
        f"{name}-enable",
        _unit(args, "timer"),
        host,
        pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
        service=_unit(args, "service"),
        ended=f"systemctl stop {args.unit}.service && rm -f {traces}",
    )


def unit_file(
    name: str, args: TimerArgs, host: Host, parent: pulumi.Resource, *, after: Sequence[pulumi.Resource]
) -> Command:
    """The service alone, which nothing starts by itself."""
    file = _unit(args, "service")
    return host.files(
        f"{name}-service",
        FilesArgs(
            files=[FileArgs(file=file, path=file.path, mode="0644")], then=f"{TOOLS}/load-unit {args.unit}.service"
        ),
        pulumi.ResourceOptions(parent=parent, depends_on=list(after)),
    )


def _unit(args: TimerArgs, kind: str) -> HostFile:
    return render(f"/etc/systemd/system/{args.unit}.{kind}", **args.context)
