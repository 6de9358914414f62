"""A request for repair: what was found is written into the stack's state, so that the next `up` mends it, and it alone.

Pulumi learns by a refresh what has become of Docker's objects. It can't know what has become of a file, for a command
can't be read back: that is what is recorded here, in its stead. A preview then shows what `up` will do.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from typing import Any

from review.cli import Stack
from review.compare import Finding
from review.host import Way


def request(stack: Stack, way: Way, findings: Sequence[Finding]) -> None:
    """Move aside what is in the way, and record the rest. Raises `RuntimeError` where the state can't be changed."""
    _move_aside(way, [one.aside for one in findings if one.aside])
    reasons = {urn: f"{one.where}: {one.what}" for one in findings for urn in one.mends}
    if reasons:
        state = json.loads(stack.ask("stack", "export"))
        stack.ask("stack", "import", "--non-interactive", stdin=json.dumps(recorded(state, reasons)))
    tainted = sorted({urn for one in findings for urn in one.replaces})
    if tainted:
        stack.ask("state", "taint", *tainted, "--yes")
    # Refresh last: it fails when nothing is left to do.
    done = stack.run("refresh", "--yes", "--skip-preview", show=lambda _: None)
    if done.code != 0:
        raise RuntimeError(f"pulumi refresh, stack {stack.name}:\n{done.output}")


def recorded(state: dict[str, Any], reasons: dict[str, str]) -> dict[str, Any]:
    """The state in which the commands of these URNs are no more what they were: `up` runs the declared ones."""
    for resource in state["deployment"]["resources"]:
        reason = reasons.get(resource["urn"])
        if reason is not None:
            # A no-op in one line, harmless should it ever run.
            line = f": not as declared: {shlex.quote(' '.join(reason.split()))}"
            resource["inputs"]["create"] = line
            resource.setdefault("outputs", {})["create"] = line
    return state


def _move_aside(way: Way, paths: Sequence[str]) -> None:
    """As everything that gives way to ours: beside it, with the date, and a tilde that keeps it out of use."""
    if paths:
        suffix = time.strftime(".%Y%m%d-%H%M%S~", time.gmtime())
        moves = [shlex.join(["mv", "-T", "--", path, path + suffix]) for path in paths]
        way.run("\n".join(["set -eu", *moves]) + "\n")
