"""`registryctl notify`: tells somebody when the status becomes worse, and when it is well again, once each.

What each was told is remembered, so what did not arrive is tried again by the next run, as long as it is true.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registryctl import facts
from registryctl.endings import EndError, printable
from registryctl.locks import locked
from registryctl.machine import Machine
from registryctl.notify_memory import SECRETS, SETTINGS, Memory, load, save
from registryctl.notify_targets import Target, targets_of
from registryctl.options import Parser
from registryctl.status.command import look
from registryctl.status.finding import OK, Finding, Here, iso

USAGE = """\
{name} [--try]

Looks at the status, and tells those whom docker-registry:status.notify names what became worse since they were told
last, and what is well again: what the timer does.

--try  tells them at once that this is a trial

Exit codes: 0 done, or there is nothing to tell; 1 somebody could not be told, or it can't be remembered; 2 wrong use.
"""

_SURE_SECONDS = 20
"""What is so only for a moment, as while a container is replaced, is not told."""

_MOST, _LONGEST = 50, 500
_ITSELF = {"notify", "timers docker-registry-notify"}
_LEVELS = ("ok", "warning", "broken")


@dataclass(frozen=True)
class News:
    """What somebody was not told yet, by what it is about: levels that are worse, and what is well again."""

    worse: Mapping[str, int] = field(default_factory=dict)
    well: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.worse or self.well)

    def also(self, other: News) -> News:
        """What is so in both."""
        return News(
            {key: level for key, level in other.worse.items() if key in self.worse},
            frozenset(self.well & other.well),
        )


def run(words: Sequence[str], name: str) -> int:
    """Tells them; the exit code."""
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("--try", action="store_true", dest="trial")
    options = parser.parse(words)
    here = Here(Machine(), facts.load(), facts.load_site())
    path = here.machine.path
    try:
        targets = targets_of(_read(path(SETTINGS)), _read(path(SECRETS)))
    except (OSError, ValueError, KeyError, TypeError):
        raise EndError("FAILED", f"{SETTINGS} or {SECRETS} is not what pulumi up writes") from None
    if not targets:
        raise EndError("FAILED", "nobody is to be told: docker-registry:status.notify")
    if options.trial:
        return _try(here, targets)
    with locked(here.machine, "notify"):
        return _tell(here, targets)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict(found)


def _try(here: Here, targets: Sequence[Target]) -> int:
    text = f"{here.site.fqdn}: this is a trial of docker-registry:status.notify"
    failed = {one.name: why for one in targets if (why := one.tell(_message(here, {}, News(), text)))}
    for target in targets:
        print(printable(f"{target.name}: {failed.get(target.name) or 'told'}"))
    return 1 if failed else 0


def _tell(here: Here, targets: Sequence[Target]) -> int:
    memory = load(here.machine)
    memory.only({one.name for one in targets})
    found = _seen(here)
    first = {one.name: news_of(memory.told(one.name), found) for one in targets}
    if any(first.values()):
        time.sleep(_SURE_SECONDS)
        found = _seen(here)
    failed = []
    for target in targets:
        told = memory.told(target.name)
        news = first[target.name].also(news_of(told, found))
        why = target.tell(_message(here, found, news)) if news else ""
        if why:
            failed.append(f"{target.name} could not be told: {why}")
            memory.failed(target.name, why, iso(here.machine.now()))
        else:
            left = {key: level for key, level in told.items() if key not in news.well}
            memory.succeeded(target.name, {**left, **news.worse}, iso(here.machine.now()) if news else "")
    return _end(here.machine, memory, failed)


def _end(machine: Machine, memory: Memory, failed: list[str]) -> int:
    try:
        save(machine, memory)
    except OSError as error:
        failed.append(f"who was told what can't be kept: {error}")
    for text in failed:
        print(printable(text), file=sys.stderr)
    return 1 if failed else 0


def _seen(here: Here) -> dict[str, Finding]:
    """Each thing, by concern and name. That nobody can be told is nothing to tell."""
    seen = {}
    for concern, found in look(here).items():
        for one in found if isinstance(found, list) else [found]:
            named = f"{concern} {one.known['name']}" if isinstance(found, list) else concern
            if named not in _ITSELF:
                seen[named] = one
    return seen


def news_of(told: Mapping[str, int], found: Mapping[str, Finding]) -> News:
    """What is worse than was told; and well, or no longer there, of what was told to be worse."""
    worse = {key: its.level for key, its in found.items() if its.level > told.get(key, OK)}
    return News(worse, frozenset(key for key in told if key not in found or found[key].level == OK))


def _message(here: Here, found: Mapping[str, Finding], news: News, text: str = "") -> str:
    """As JSON, of bounded length."""
    worse = [{"what": key, "level": _LEVELS[its], "line": _line(key, found)} for key, its in sorted(news.worse.items())]
    well = [{"what": key, "line": _line(key, found)} for key in sorted(news.well)]
    lines = [f"worse: {one['line']}" for one in worse] + [f"well again: {one['line']}" for one in well]
    return json.dumps(
        {
            "registry": here.site.fqdn,
            "stack": here.facts.stack,
            "time": iso(here.machine.now()),
            "status": _LEVELS[max((its.level for its in found.values()), default=OK)],
            "worse": worse[:_MOST],
            "well": well[:_MOST],
            # What chats show.
            "text": text or "\n".join([f"{here.site.fqdn}:", *lines[:_MOST]]),
        }
    )


def _line(key: str, found: Mapping[str, Finding]) -> str:
    line = (found[key].line if key in found else "") or f"{key}: {'ok' if key in found else 'no longer there'}"
    return "".join(letter if " " <= letter <= "~" else "?" for letter in line)[:_LONGEST]
