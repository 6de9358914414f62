"""A diagram of components: what each is made of, and which needs which."""

from __future__ import annotations

import re
from collections import Counter

from tests.unit.recorder import Recording

KINDS = {
    "command:remote:Command": "command",
    "command:local:Command": "command",
    "docker:index/container:Container": "container",
    "docker:index/network:Network": "network",
    "docker:index/volume:Volume": "volume",
    "docker:index/remoteImage:RemoteImage": "image",
    "pulumi:providers:docker": "provider",
}
FENCE = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def mermaid(run: Recording) -> str:
    """The components with the number of their resources, and an arrow to each that must be there before.

    Where two need each other, as the host lists the versions that run in the end, the way that more resources need is
    drawn.
    """
    parts = {component.name: Counter[str]() for component in run.components}
    needs = Counter[tuple[str, str]]()
    for resource in run:
        if not resource.custom:
            continue
        parts[resource.parent][KINDS[resource.type]] += 1
        owners = {run[name].parent or name for name in resource.depends_on}
        needs.update((resource.parent, owner) for owner in owners if owner != resource.parent)
    ways = {(this, other) for (this, other), count in needs.items() if count > needs[other, this]}
    lines = [f'    {name}["{name}<br>{_content(parts[name])}"]' for name in sorted(parts)]
    arrows = [f"    {this} --> {other}" for this, other in sorted(_reduced(ways))]
    return "\n".join(["flowchart BT", *lines, *arrows]) + "\n"


def drawn_in(document: str, diagram: str) -> str:
    """The document with the diagram in place of the one it has."""
    drawn, count = FENCE.subn(lambda _: f"```mermaid\n{diagram}```", document)
    if count != 1:
        raise ValueError(f"the document has {count} diagrams, not one")
    return drawn


def _content(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(kinds.items()))


def _reduced(needs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without arrows that say what a longer way says already."""
    after: dict[str, set[str]] = {}
    for this, other in needs:
        after.setdefault(this, set()).add(other)

    def reaches(start: str, goal: str) -> bool:
        onward = after.get(start, set())
        return goal in onward or any(reaches(step, goal) for step in onward)

    return {(this, other) for this, other in needs if not any(reaches(step, other) for step in after[this] - {other})}
