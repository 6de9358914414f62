"""Draws the samples of a part: `python -m bench.plot bench/results/NAME.json` writes `NAME.svg` beside them."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt


def plot(path: Path) -> None:
    """One chart for each column of each table; a bar is a contender's median, its whisker the spread."""
    mpl.rcParams["svg.hashsalt"] = path.stem
    tables: dict[str, dict[str, dict[str, list[float] | None]]] = json.loads(path.read_text())
    charts = [(title, column, rows) for title, rows in tables.items() for column in next(iter(rows.values()))]
    figure, axes = plt.subplots(len(charts), 1, figsize=(8, 1 + 1.6 * len(charts)), squeeze=False)
    for axis, (title, column, rows) in zip(axes[:, 0], charts, strict=True):
        bars = [(name, samples) for name, cells in rows.items() if (samples := cells[column])]
        middles = [statistics.median(samples) for _, samples in bars]
        low = [middle - min(samples) for middle, (_, samples) in zip(middles, bars, strict=True)]
        high = [max(samples) - middle for middle, (_, samples) in zip(middles, bars, strict=True)]
        axis.barh([name for name, _ in bars], middles, xerr=[low, high], height=0.7)
        axis.invert_yaxis()
        axis.set_title(f"{title}: {column}", fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    plot(Path(sys.argv[1]))
