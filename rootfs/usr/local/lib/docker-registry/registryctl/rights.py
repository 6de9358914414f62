"""Who may do what: the lines of the proxy's own files that say in words what its expressions decide."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from registryctl.facts import FactsError

ACTS = ("pull", "push", "delete")
ACCESS, IMMUTABLE = "access.conf", "immutable.conf"
"""The files of the proxy that have such lines."""

_LINE = "#= "


@dataclass(frozen=True)
class Account:
    """An account, and for each act the patterns of the repositories in which it may do that by itself."""

    name: str
    role: str
    ends: str
    """The moment, as it is written; empty: never."""
    end: float
    patterns: Mapping[str, tuple[str, ...]]

    def has_ended(self, now: float) -> bool:
        """Whether it is refused, whatever it wants; `now` in seconds since 1970."""
        return now >= self.end


@dataclass(frozen=True)
class Rights:
    """All that the proxy decides by."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    everybody: tuple[str, ...] = ()
    """What may be pulled by all who have not ended, and without an account."""

    def may(self, name: str | None, act: str, repository: str, now: float) -> bool:
        """Whether an account, or nobody, may `pull`, `push` or `delete` there."""
        account = None if name is None else self.accounts.get(name)
        if account is None and name is not None:
            return False
        if account is not None and account.has_ended(now):
            return False
        patterns = () if account is None else account.patterns[act]
        return fits_any((*patterns, *(self.everybody if act == "pull" else ())), repository)


def read(folder: Path) -> Rights:
    """The rights that are in force. Raises `FactsError` where a file or a line is missing or malformed."""
    accounts: dict[str, Account] = {}
    everybody: tuple[str, ...] | None = None
    for found in _lines(folder / ACCESS):
        try:
            if "account" in found:
                account = _account(found)
                accounts[account.name] = account
            elif "everybody" in found:
                everybody = tuple(map(str, found["everybody"]["pull"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FactsError(f"{folder} is not what pulumi up writes: {error!r}") from None
    if everybody is None:
        raise FactsError(f"{folder} does not say who may do what; pulumi up writes it anew")
    return Rights(accounts, everybody)


@dataclass(frozen=True)
class Immutable:
    """Tags that can't be moved, by patterns `REPOSITORY:TAG`."""

    tags: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    deletable: bool = True

    def covers(self, repository: str, tag: str) -> bool:
        """Whether this is one of them."""
        return _fits_tag(self.tags, repository, tag) and not _fits_tag(self.unless, repository, tag)

    def keeps(self, repository: str, tag: str) -> bool:
        """Whether nobody may delete it."""
        return not self.deletable and self.covers(repository, tag)


def read_immutable(folder: Path) -> Immutable:
    """Which tags can't be moved; none where no `up` has said so yet. Raises `FactsError` for a malformed file."""
    path = folder / IMMUTABLE
    if not path.exists():
        return Immutable()
    for line in _lines(path):
        try:
            found = line["immutable"]
            tags, unless = (tuple(map(str, found[key])) for key in ("tags", "unless"))
            return Immutable(tags, unless, deletable=bool(found["deletable"]))
        except (KeyError, TypeError) as error:
            raise FactsError(f"{path} is not what pulumi up writes: {error!r}") from None
    raise FactsError(f"{path} does not say which tags are immutable; pulumi up writes it anew")


def _fits_tag(patterns: tuple[str, ...], repository: str, tag: str) -> bool:
    pairs = (pattern.partition(":") for pattern in patterns)
    return any(fits_any((name,), repository) and fits_any((its,), tag) for name, _, its in pairs)


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith(_LINE):
                yield json.loads(line[len(_LINE) :])
    except FileNotFoundError:
        raise FactsError(f"there is no {path}; pulumi up brings it") from None
    except ValueError as error:
        raise FactsError(f"{path} can't be read: {error}") from None


def _account(found: Mapping[str, Any]) -> Account:
    ends = str(found.get("ends", ""))
    end = datetime.fromisoformat(ends.replace("Z", "+00:00")).timestamp() if ends else float("inf")
    patterns = {act: tuple(map(str, found[act])) for act in ACTS}
    return Account(str(found["account"]), str(found["role"]), ends, end, patterns)


def fits_any(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the patterns fits: `*` stands for any characters, slashes too."""
    return any(_compiled(pattern).fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
