"""Results as files: numbers, tables and plots in `bench/results/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.measure import Part, Table
from tests.lab.paths import ROOT
from tests.lab.run import run

RESULTS = Path(__file__).parent / "results"
SUMMARY = RESULTS / "summary.json"
# matplotlib is in the benchmarks' own environment alone.
PLOTTER = ROOT / ".bench/bin/python"


def write(part: Part, folder: Path = RESULTS) -> None:
    """The part's tables (`NAME.md`), samples (`NAME.json`), plot (`NAME.svg`), and its ratios in `summary.json`.

    Ratios of other parts stay as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{part.name}.md").write_text("\n\n".join(markdown(table) for table in part.tables) + "\n")
    samples = {table.title: _samples(table) for table in part.tables}
    (folder / f"{part.name}.json").write_text(json.dumps(samples, indent=2) + "\n")
    run([str(PLOTTER), "-m", "bench.plot", str(folder / f"{part.name}.json")], log="bench-plot", cwd=ROOT)
    summary = folder / SUMMARY.name
    known: dict[str, float] = json.loads(summary.read_text()) if summary.exists() else {}
    known |= {ratio.name: round(ratio.value, 3) for ratio in part.ratios}
    summary.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n")


def markdown(table: Table) -> str:
    """A table in Markdown: the median of each series and its spread."""
    head = f"| {table.title} | {' | '.join(table.columns)} |\n|---|{'---:|' * len(table.columns)}"
    rows = "\n".join(
        f"| {name} | {' | '.join('' if cell is None else str(cell) for cell in cells)} |"
        for name, cells in table.rows.items()
    )
    return f"{head}\n{rows}" + (f"\n\n{table.note}" if table.note else "")


def _samples(table: Table) -> dict[str, Any]:
    return {
        contender: {
            column: None if cell is None else list(cell.samples)
            for column, cell in zip(table.columns, cells, strict=True)
        }
        for contender, cells in table.rows.items()
    }
