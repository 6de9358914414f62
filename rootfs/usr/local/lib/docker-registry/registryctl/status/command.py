"""`registry-status`, and `registryctl status`, which is the same."""

from __future__ import annotations

import json
from collections.abc import Sequence

from registryctl import facts
from registryctl.endings import UsageError
from registryctl.machine import Machine
from registryctl.status.concerns import CONCERNS
from registryctl.status.finding import OK, Finding, Here

USAGE = f"""\
{{name}} [--json] [CONCERN...]

Says how the registry on this host is: a line for each thing, or JSON.

CONCERN: {", ".join(CONCERNS)}; without one, all of them.
Exit code: 0 all is well, 1 something wants attention soon, 2 something is broken. In the JSON, a "state" that is not
"ok" says what is the matter, and "problems" has the line of each thing that made the exit code.
"""

_PRINTABLE = range(0x20, 0x7F)


def run(words: Sequence[str], name: str) -> int:
    """Looks, and says what was found; the exit code. Raises `UsageError` and `FactsError`."""
    if {"-h", "--help"} & set(words):
        print(USAGE.format(name=name), end="")
        return 0
    concerns = [word for word in words if word != "--json"]
    for word in concerns:
        if word not in CONCERNS:
            raise UsageError(f"unknown word {word}")
    found = look(Here(Machine(), facts.load(), facts.load_site()), concerns)
    every = [one for findings in found.values() for one in _several(findings)]
    worst = max((one.level for one in every), default=OK)
    if "--json" in words:
        problems = [_plain(one.line) for one in every if one.level and one.line]
        print(json.dumps({"status": worst, "problems": problems, **{key: _known(its) for key, its in found.items()}}))
    else:
        print("".join(f"{_plain(one.line)}\n" for one in every if one.line), end="")
    return worst


def look(here: Here, concerns: Sequence[str] = ()) -> dict[str, Finding | list[Finding]]:
    """What each of these concerns, or all, find."""
    return {name: CONCERNS[name](here) for name in concerns or CONCERNS}


def _several(found: Finding | list[Finding]) -> list[Finding]:
    return found if isinstance(found, list) else [found]


def _known(found: Finding | list[Finding]) -> object:
    if isinstance(found, list):
        return [_known(one) for one in found]
    return {key: _plain(value) if isinstance(value, str) else value for key, value in found.known.items()}


def _plain(text: str) -> str:
    """Printable ASCII: some of it comes from others, and logs and terminals get it."""
    found = text.encode("utf-8", "surrogateescape")
    return bytes(byte if byte in _PRINTABLE else ord("?") for byte in found).decode("ascii")
