"""What every `up` says of the host."""

import json
import shlex
from collections.abc import Sequence

import pulumi

from components.host import Host

_STATUS = "/usr/local/bin/registry-status"


def warn_of_problems(host: Host, *, after: Sequence[pulumi.CustomResource]) -> None:
    """Warns, at each `up`, of whatever `registry-status` on the host finds wanting, also when nothing has changed.

    `after` is all that the host needs to be well: containers and timers. A preview asks no host.
    """
    if pulumi.runtime.is_dry_run():
        return
    ready = pulumi.Output.all(*(resource.id for resource in after))
    ready.apply(lambda _: _warn(host))  # type: ignore[arg-type,return-value]  # a coroutine is an Awaitable


async def _warn(host: Host) -> list[str]:
    try:
        status = json.loads(await host.run(f"sh -c {shlex.quote(f'{_STATUS} --json || true')}"))
        problems = list(status["problems"])
    except (RuntimeError, ValueError, KeyError, TypeError) as reason:
        problems = [f"registry-status on the host failed: {reason}"]
    for problem in problems:
        pulumi.log.warn(problem, host)
    return problems
