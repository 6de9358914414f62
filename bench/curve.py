"""What the times at growing sizes say: how much for each piece, and how fast they grow."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Ratio, Series, Table, series

AT_MOST = 1.1
"""How many times as long each tag may take among ten times as many: as long as before, and some noise."""

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

        None where the tags add too little to tell it from noise.
        """
        first, (before, last) = self.sizes[0], self.sizes[-2:]
        fixed = self.seconds(first)
        added = self.seconds(before) - fixed
        if first == before or added < fixed / 4:
            return None
        return (self.seconds(last) - fixed) / (last - first) / (added / (before - first))


def promised(curves: Sequence[Curve], names: Mapping[str, str]) -> tuple[Ratio, ...]:
    """The growth of the named ones, as NAME_growth: ten times the tags take ten times the time at most."""
    return tuple(
        Ratio(f"{names[curve.name]}_growth", curve.growth, at_most=AT_MOST) for curve in curves if curve.name in names
    )


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
            f"noise, and none for a quadratic part of more than a hundredth of the time at {shown[-2]}. A run's fixed "
            f"cost makes that ratio smaller; the last column takes it, as the time at {shown[0]}, away from both.",
        ),
    )


def _each(curve: Curve, size: int) -> Series:
    return series([seconds * MILLISECONDS / size for seconds in curve.samples[size]])


def _growth(curve: Curve) -> tuple[Series | None, ...]:
    added = curve.added_growth
    return series([curve.exponent]), series([curve.growth]), None if added is None else series([added])
