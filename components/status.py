"""What every `up` says of the host."""

import json
import shlex
from collections.abc import Sequence

import pulumi

from components.facts import Facts
from components.host import Host

_STATUS = "/usr/local/bin/registry-status"


def warn_of_problems(host: Host, facts: Facts, *, after: Sequence[pulumi.CustomResource]) -> None:
    """Warns, at each `up`, of whatever `registry-status` on the host finds wanting, also when nothing has changed.

    The tool reads the facts. `after` are the containers and timers whose health it judges. A preview asks no host.
    """
    if pulumi.runtime.is_dry_run():
        return
    # Ask in parallel, so that an up without changes does not wait. What is wrong now may be mended by this very run:
    # then ask again at its end.
    early: pulumi.Output[list[str]] = facts.ready.id.apply(lambda _: _problems(host))
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
