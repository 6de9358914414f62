"""What a benchmark measures, and what it promises of that."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Series:
    """The samples of one quantity of one contender, all taken in the same run."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.samples)

    def __str__(self) -> str:
        """The median, and how far the samples are apart."""
        shown = f"{_short(self.median)}"
        if len(self.samples) == 1:
            return shown
        return f"{shown} ({_short(min(self.samples))} to {_short(max(self.samples))})"


def series(samples: Sequence[float]) -> Series:
    """A series of at least one sample."""
    if not samples:
        raise ValueError("a series has at least one sample")
    return Series(tuple(samples))


@dataclass(frozen=True)
class Table:
    """One quantity or a few (columns) of each contender (rows)."""

    title: str
    columns: tuple[str, ...]
    """Each names its unit, such as `4 clients, MB/s`."""
    rows: dict[str, tuple[Series | None, ...]]
    """Contender → a series for each column; None where there is nothing to measure."""
    note: str = ""
    """What a reader has to know: what was done, how often, and what is better, more or less."""


@dataclass(frozen=True)
class Ratio:
    """Two quantities of the same run, one held against the other."""

    name: str
    """Its name in `summary.json`."""
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether it is what was promised."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    def __str__(self) -> str:
        """One line for a person."""
        limits = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        limits += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.name}: {self.value:.2f}, promised {' and '.join(limits)}{'' if self.kept else ': NOT KEPT'}"


@dataclass(frozen=True)
class Part:
    """What one of the benchmarks found."""

    name: str
    tables: tuple[Table, ...]
    ratios: tuple[Ratio, ...] = field(default=())


def _short(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
