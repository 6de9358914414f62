"""Samples while they are taken."""

from __future__ import annotations

import statistics
from collections import defaultdict

from bench.measure import Series, series


class Samples:
    """For each quantity, contender and column what was measured, in the order in which it came."""

    def __init__(self) -> None:
        self._found: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
        self._names: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, quantity: str, name: str, column: str, value: float) -> None:
        """One more."""
        self._found[quantity, name, column].append(value)
        if name not in self._names[quantity]:
            self._names[quantity].append(name)

    def rows(self, quantity: str, columns: tuple[str, ...]) -> dict[str, tuple[Series | None, ...]]:
        """Contender → a series for each column, None where nothing was measured."""
        return {
            name: tuple(self._series(quantity, name, column) for column in columns) for name in self._names[quantity]
        }

    def median(self, quantity: str, name: str, column: str) -> float:
        """The middle one."""
        return statistics.median(self._found[quantity, name, column])

    def _series(self, quantity: str, name: str, column: str) -> Series | None:
        found = self._found.get((quantity, name, column))
        return series(found) if found else None
