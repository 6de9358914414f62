"""The registry's own metrics: those of its reader and its writer, which each keep their own, as one text.

They come by a port that only the container itself has. A label says which process counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from registryctl.facts import Facts
from registryctl.machine import STACK_LABEL, Machine

PORTS = {"reader": 5001, "writer": 5002}
"""As registry-start and the configurations of the two have them."""

_SECONDS = 5
_HEAD = re.compile("# (?P<what>HELP|TYPE) (?P<family>[^ ]+)")


def ask(machine: Machine, facts: Facts) -> str:
    """What they say now. Nothing where neither answers; while writes are held off there is no writer."""
    label = f"label={STACK_LABEL}={facts.stack}"
    container = machine.answer("docker", "ps", "--quiet", "--filter", label, "--filter", "name=^/?registry$")
    if not container:
        return ""
    said = {process: _ask(machine, container, port) for process, port in PORTS.items()}
    return merged({process: text for process, text in said.items() if text})


def _ask(machine: Machine, container: str, port: int) -> str:
    words = ("wget", "-q", "-T", str(_SECONDS), "-O", "-", f"http://127.0.0.1:{port}/metrics")
    return machine.answer("docker", "exec", container, *words, seconds=2 * _SECONDS) or ""


def merged(said: Mapping[str, str]) -> str:
    """One text, in which all samples of a metric are together, as they have to be."""
    heads: dict[str, dict[str, str]] = {}
    samples: dict[str, list[str]] = {}
    for process, text in said.items():
        family = ""
        for line in text.splitlines():
            if head := _HEAD.match(line):
                family = head["family"]
                heads.setdefault(family, {}).setdefault(head["what"], line)
            elif line and not line.startswith("#"):
                samples.setdefault(family, []).append(_labelled(line, process))
    return "".join(
        "".join(f"{line}\n" for line in [*heads.get(family, {}).values(), *lines]) for family, lines in samples.items()
    )


def _labelled(line: str, process: str) -> str:
    """A sample with one label more, before its own."""
    label = f'process="{process}"'
    name, brace, rest = line.partition("{")
    # Without labels of its own; what is behind its name has no brace.
    if not brace:
        name, _, rest = line.partition(" ")
        return f"{name}{{{label}}} {rest}"
    return f"{name}{{{label}{'' if rest.startswith('}') else ','}{rest}"
