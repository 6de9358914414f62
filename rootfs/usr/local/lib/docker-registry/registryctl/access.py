"""`registryctl access`: says who may do what, from the very file by which the proxy decides it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence

from registryctl import facts, rights
from registryctl.endings import EndError, UsageError, printable
from registryctl.layout import is_repository
from registryctl.options import Parser
from registryctl.rights import ACTS, Account, Immutable, Rights

USAGE = """\
{name} [--json] [--at SECONDS] [ACCOUNT [REPOSITORY]]

Says who may do what in the registry, from the file by which the proxy decides it: all accounts, one, or one in one
repository. An empty ACCOUNT, '', is who has none.

--at    as it is at that moment, in seconds since 1970, instead of now: accounts may end
--json  say it in JSON

Exit codes: 0 said, 1 something went wrong, 2 wrong options, 5 NAME_UNKNOWN: there is no such account.
"""

NOBODY = "(no account)"
METRICS = "metrics"
"""The role that is for no repository."""


def run(words: Sequence[str], name: str) -> int:
    """Says it; the exit code."""
    options = _options(words, name)
    host = facts.load()
    found = rights.read(host.proxy)
    if options.account and options.account not in found.accounts:
        raise EndError("NAME_UNKNOWN", f"there is no account {options.account}")
    rows = [_row(found, who, options) for who in _whom(found, options)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        for line in _in_words(row):
            print(printable(line))
    for line in _of_tags(rights.read_immutable(host.proxy), options.repository):
        print(printable(line))
    if not host.delete_enabled:
        print("nobody deletes anything over the network: registry.deleteEnabled is false")
    return 0


def _options(words: Sequence[str], name: str) -> argparse.Namespace:
    parser = Parser(USAGE.format(name=name))
    parser.add_argument("account", nargs="?")
    parser.add_argument("repository", nargs="?")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--at", type=float, default=None)
    options = parser.parse(words)
    if options.repository is not None and not is_repository(options.repository):
        raise UsageError(f"no repository is called {options.repository}")
    options.now = time.time() if options.at is None else options.at
    return options


def _whom(found: Rights, options: argparse.Namespace) -> list[Account | None]:
    if options.account is None:
        return [*found.accounts.values(), *([None] if found.everybody else [])]
    return [found.accounts[options.account] if options.account else None]


def _row(found: Rights, who: Account | None, options: argparse.Namespace) -> dict[str, object]:
    ended = who is not None and who.has_ended(options.now)
    row: dict[str, object] = {"account": who.name if who else None}
    if who:
        row |= {"role": who.role, "ends": who.ends or None, "ended": ended}
    if options.repository is not None:
        name, where = (who.name if who else None), options.repository
        return {**row, "repository": where, **{act: found.may(name, act, where, options.now) for act in ACTS}}
    patterns = {act: set() if who is None else set(who.patterns[act]) for act in ACTS}
    patterns["pull"] |= set(found.everybody)
    # What all fits needs no other pattern.
    shown = {act: [] if ended else ["*"] if "*" in its else sorted(its) for act, its in patterns.items()}
    return {**row, **shown}


def _in_words(row: dict[str, object]) -> Iterator[str]:
    who = row["account"] or NOBODY
    if row.get("ends"):
        who = f"{who} ({'ended' if row['ended'] else 'ends'} {row['ends']})"
    if "repository" in row:
        may = [act for act in ACTS if row[act]]
        rest = [act for act in ACTS if not row[act]]
        does = f"may {_list(may)}" + (f", not {_list(rest)}" if rest else "") if may else "may do nothing"
        yield f"{who} in {row['repository']}: {does}"
        return
    yield str(who)
    if row.get("role") == METRICS and not row["ended"]:
        yield "  reads the metrics"
    for act in ACTS:
        patterns = row[act]
        assert isinstance(patterns, list)  # noqa: S101 - `_row` makes it
        yield f"  {act:6}  {'everything' if patterns == ['*'] else ', '.join(patterns) or 'nothing'}"


def _of_tags(immutable: Immutable, repository: str | None) -> Iterator[str]:
    """Which tags nobody moves; of one repository, if one is asked for."""
    for tags in immutable.tags:
        name = tags.partition(":")[0]
        if repository is None or rights.fits_any((name,), repository):
            but = f" but {', '.join(immutable.unless)}" if immutable.unless else ""
            yield f"nobody moves{'' if immutable.deletable else ' or deletes'} tags {tags}{but}"


def _list(acts: Sequence[str]) -> str:
    return " and ".join([", ".join(acts[:-1]), acts[-1]] if len(acts) > 1 else acts)
