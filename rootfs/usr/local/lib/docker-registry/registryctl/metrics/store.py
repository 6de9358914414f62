"""Where what was counted is kept: one database, in which a run changes all of it, or nothing.

Sums, the place up to which the log was read, and for each tag and digest its last pull and the pulls of each day.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.machine import RESULTS
from registryctl.metrics.traffic import DAY, Pulls, Sums

NAME = "traffic"
"""The database, among the results."""

DAYS = 30
"""For how many days pulls are counted by day."""

FORGOTTEN_DAYS = 1100
"""After so many days a last pull is forgotten: no policy asks for more."""

LATE = 3600
"""After so many seconds without a count nobody knows what was pulled since."""

_TABLES = (
    "CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), found TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS pulls (repository TEXT, reference TEXT, last INTEGER NOT NULL, "
    "PRIMARY KEY (repository, reference)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS days (repository TEXT, reference TEXT, day INTEGER, pulls INTEGER NOT NULL, "
    "PRIMARY KEY (repository, reference, day)) WITHOUT ROWID",
)
_WAIT_SECONDS = 30


@dataclass(frozen=True)
class Named:
    """How many groups, accounts and repositories have a name; all others are `other`."""

    groups: int = 50
    accounts: int = 100
    repositories: int = 50


@dataclass
class State:
    """How far the log was read, and what was counted. Another file begins anew; its sums go on."""

    sums: Sums = field(default_factory=Sums)
    inode: int = 0
    offset: int = 0
    since: float = 0
    """When counting began; 0: it has not."""
    until: float = 0
    """Up to when all is counted."""
    named: Named = field(default_factory=Named)
    shared: float = 0
    """When another host was last seen to have the same images, whose pulls nobody counts here; 0: never."""


@dataclass(frozen=True)
class Pulled:
    """When something was pulled last, in seconds since 1970, and how often in the last days."""

    last: float
    times: int


@dataclass(frozen=True)
class Known:
    """All pulls of a repository, by tag and digest, and between which times every pull is known."""

    pulls: Mapping[str, Pulled]
    since: float
    until: float
    shared: float = 0
    """When it was last seen that others pull at another host."""

    def of(self, references: Iterable[str], name: str) -> Pulled:
        """The last pull by any of these, and how often by one of them; 0: never since counting began."""
        last = max((self.pulls[one].last for one in references if one in self.pulls), default=0)
        return Pulled(last, self.pulls[name].times if name in self.pulls else 0)


class Store:
    """The database, for one run."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self) -> State:
        """What the last run left."""
        row = self._connection.execute("SELECT found FROM state").fetchone()
        if row is None:
            return State()
        found = json.loads(row[0])
        # An earlier version kept the bound of groups alone.
        named = Named(**found.pop("named", {"groups": found.pop("groups", Named.groups)}))
        return State(**{**found, "sums": Sums.of_json(found["sums"]), "named": named})

    def save(self, state: State, pulls: Pulls) -> None:
        """Both, or neither."""
        found = json.dumps({**vars(state), "sums": state.sums.as_json(), "named": vars(state.named)})
        with self._connection as its:
            its.execute(
                "INSERT INTO state VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET found = excluded.found", (found,)
            )
            its.executemany(
                "INSERT INTO pulls VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last = max(last, excluded.last)",
                [(*key, last) for key, last in pulls.last.items()],
            )
            its.executemany(
                "INSERT INTO days VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET pulls = pulls + excluded.pulls",
                [(*key, times) for key, times in pulls.days.items()],
            )

    def forget(self, now: float) -> None:
        """What is too long ago."""
        with self._connection as its:
            its.execute("DELETE FROM days WHERE day <= ?", (now // DAY - DAYS,))
            its.execute("DELETE FROM pulls WHERE last < ?", (now - FORGOTTEN_DAYS * DAY,))

    def known(self, repository: str) -> Known:
        """All that is known of a repository's pulls."""
        rows = self._connection.execute(
            "SELECT reference, last, (SELECT coalesce(sum(pulls), 0) FROM days "
            "WHERE days.repository = pulls.repository AND days.reference = pulls.reference) "
            "FROM pulls WHERE repository = ?",
            (repository,),
        )
        state = self.load()
        return Known({reference: Pulled(*rest) for reference, *rest in rows}, state.since, state.until, state.shared)


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The database; a new one where there is none, or what is there is none of ours.

    Raises `OSError`, also for what is done with it.
    """
    try:
        connection = _connect(path)
    except sqlite3.OperationalError as error:
        # Locked for long, or no room: it says nothing against what is there.
        raise OSError(f"{path}: {error}") from None
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError, AttributeError):
        path.unlink()
        connection = _connect(path)
    with closing(connection):
        try:
            yield Store(connection)
        except sqlite3.DatabaseError as error:
            raise OSError(f"{path}: {error}") from None


def _connect(path: Path) -> sqlite3.Connection:
    # It names repositories. What SQLite makes beside it is as closed.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS)
    try:
        for table in _TABLES:
            connection.execute(table)
        Store(connection).load()
    except BaseException:
        connection.close()
        raise
    return connection


def of_host() -> Path:
    """Where it lies on this host."""
    return RESULTS / NAME
