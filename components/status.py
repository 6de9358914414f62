"""What every `up` says of the host."""

import json
import shlex
from collections.abc import Sequence

import pulumi

from components.connection import Command
from components.host import Host

_STATUS = "/usr/local/bin/registry-status"


def warn_of_problems(host: Host, *, facts: Command, after: Sequence[pulumi.CustomResource]) -> None:
    """Warns, at each `up`, of whatever `registry-status` on the host finds wanting, also when nothing has changed.

    `facts` is what that tool reads, `after` all that the host needs to be well: containers and timers. A preview asks
    no host.
    """
    if pulumi.runtime.is_dry_run():
        return
    # Beside the rest of the run, so that one without changes does not wait for it. What is wrong then may be what the
    # run is about to mend, and is asked for again in the end.
    early: pulumi.Output[list[str]] = facts.id.apply(lambda _: _problems(host))
    done = pulumi.Output.all(early, *(resource.id for resource in after))
    done.apply(lambda found: _warn(host, found[0]))  # type: ignore[arg-type,return-value]


async def _warn(host: Host, early: list[str]) -> list[str]:
    problems = await _problems(host) if early else []
    for problem in problems:
        pulumi.log.warn(problem, host)
    return problems


async def _problems(host: Host) -> list[str]:
    try:
        status = json.loads(await host.run(f"sh -c {shlex.quote(f'{_STATUS} --json || true')}"))
        return [str(problem) for problem in status["problems"]]
    except (RuntimeError, ValueError, KeyError, TypeError) as reason:
        return [f"registry-status on the host failed: {reason}"]
