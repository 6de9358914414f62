"""What the times at growing sizes say: how much for each piece, and how fast they grow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Ratio, Series, Table, series

AT_MOST = 1.1
"""How many times as long each tag may take among ten times as many: as long as before, and some noise."""

ADDED_AT_MOST = 2
"""The same without the fixed cost. That is a difference of short times, so noise counts more; quadratic is 10."""

MILLISECONDS = 1000


@dataclass(frozen=True)
class Curve:
    """One quantity: its samples, in seconds, at each size, the smallest first."""

    name: str
    samples: Mapping[int, Sequence[float]]

    @property
    def sizes(self) -> list[int]:
        """The sizes, the smallest first."""
        return sorted(self.samples)

    def seconds(self, size: int) -> float:
        """The median at a size."""
        return statistics.median(self.samples[size])

    @property
    def growth(self) -> float:
        """The time for each tag at the largest size, held against that at the one before it: 1 is linear."""
        *_, before, last = self.sizes
        return self.seconds(last) / last / (self.seconds(before) / before)

    @property
    def exponent(self) -> float:
        """The power of the size with which the time grows, between the same two."""
        *_, before, last = self.sizes
        return math.log(self.seconds(last) / self.seconds(before)) / math.log(last / before)

    @property
    def added_growth(self) -> float | None:
        """`growth` of what the tags add to the time at the smallest size, which is the fixed cost of a run.

        What is added is taken for a tenth of that cost where it is less: it would be noise. None without a third size.
        """
        first, (before, last) = self.sizes[0], self.sizes[-2:]
        fixed = self.seconds(first)
        if first == before:
            return None
        added = max(self.seconds(before) - fixed, fixed / 10)
        return (self.seconds(last) - fixed) / (last - first) / (added / (before - first))


def promised(curves: Sequence[Curve], names: Mapping[str, str]) -> tuple[Ratio, ...]:
    """The growth of the named ones, as NAME_growth: ten times the tags take ten times the time at most.

    And as NAME_growth_added that of what the tags add, so that no fixed cost hides what grows faster.
    """
    ratios = []
    for curve in curves:
        if curve.name in names:
            name = f"{names[curve.name]}_growth"
            ratios.append(Ratio(name, curve.growth, at_most=AT_MOST))
            if curve.added_growth is not None:
                ratios.append(Ratio(f"{name}_added", curve.added_growth, at_most=ADDED_AT_MOST))
    return tuple(ratios)


def tables(curves: Sequence[Curve]) -> tuple[Table, ...]:
    """The times, the times for each tag, and how both grow."""
    sizes = curves[0].sizes
    shown = [f"{size:,} tags" for size in sizes]
    return (
        Table(
            "Time",
            tuple(f"{size}, s" for size in shown),
            {curve.name: tuple(series(curve.samples[size]) for size in sizes) for curve in curves},
            note="One repository, whose tags all lead to images of their own. Each act has a fixed share of the tags "
            "to work on, so ten times the tags are ten times the work. Less is better.",
        ),
        Table(
            "Time for each tag of the repository",
            tuple(f"{size}, ms" for size in shown),
            {curve.name: tuple(_each(curve, size) for size in sizes) for curve in curves},
        ),
        Table(
            f"Growth from {shown[-2]} to {shown[-1]}",
            ("exponent", "time for each tag, ratio", "without the fixed cost, ratio"),
            {curve.name: _growth(curve) for curve in curves},
            note=f"The exponent is that of the number of tags: 1 is linear, 2 quadratic. A ratio of 1 is linear too, "
            f"10 quadratic; up to {AT_MOST:g} is promised of deletion, clean-up and retention, which leaves room for "
            f"noise. A run's fixed cost makes that ratio smaller, and could hide a part that grows faster; the last "
            f"column takes it, as the time at {shown[0]}, away from both, and up to {ADDED_AT_MOST:g} is promised.",
        ),
    )


def _each(curve: Curve, size: int) -> Series:
    return series([seconds * MILLISECONDS / size for seconds in curve.samples[size]])


def _growth(curve: Curve) -> tuple[Series | None, ...]:
    added = curve.added_growth
    return series([curve.exponent]), series([curve.growth]), None if added is None else series([added])
