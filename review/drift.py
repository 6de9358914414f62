"""What on a stack's host is not as the stack declares it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass

from review.cli import Stack
from review.compare import Finding, compare
from review.declared import declared
from review.host import way_to
from review.repair import request
from review.state import read

_GONE = re.compile(r"\s*- \S+: \(delete\)")


@dataclass(frozen=True)
class Drift:
    """What was found: by us, and by Pulumi's refresh, whose words are None where it finds nothing."""

    findings: list[Finding]
    refresh: str | None
    notes: list[str]

    def __bool__(self) -> bool:
        return bool(self.findings) or self.refresh is not None


def look(stack: Stack, *, repair: bool = False) -> Drift:
    """Compare a host with its stack, and say what differs. With `repair` the next `up` will mend it.

    Raises `RuntimeError` when the host or the state can't be read.
    """
    resources = read(json.loads(stack.ask("stack", "export", "--show-secrets")))
    way = way_to(resources)
    found = compare(declared(resources), way)
    refreshed = stack.run("refresh", "--preview-only", "--diff", "--expect-no-changes", show=lambda _: None)
    drift = Drift(found.findings, refreshed.output if refreshed.code != 0 else None, found.notes)
    if drift and repair:
        request(stack, way, drift.findings)
    return drift


def tell(stack: Stack, drift: Drift, *, repair: bool) -> None:
    """Print what was found, without secrets."""

    def say(text: str) -> None:
        sys.stdout.write(stack.mask(text) + "\n")

    for finding in drift.findings:
        say(str(finding))
    if drift.refresh is not None:
        say("Docker, as Pulumi's refresh finds it:")
        say(_shortened(drift.refresh))
    for note in drift.notes:
        say(f"note: {note}")
    if not drift:
        say(f"{stack.name}: as declared")
    elif repair:
        say(f"{stack.name}: recorded. The next pulumi up mends it, and pulumi preview shows how.")
    else:
        say(f"{stack.name}: not as declared. make repair lets the next pulumi up mend it.")


def _shortened(refresh: str) -> str:
    """What a refresh says, without the many properties of what is gone: its name says enough."""
    kept, gone = [], None
    for line in refresh.rstrip().splitlines():
        depth = len(line) - len(line.lstrip())
        if gone is not None and depth > gone and line.strip():
            if line.lstrip().startswith("[urn="):
                kept.append(line)
            continue
        gone = depth if _GONE.match(line) else None
        kept.append(line)
    return "\n".join(kept)
