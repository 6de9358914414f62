"""The figures of docs/speed.md, taken from `bench/results/summary.json`: `python -m bench.figures` writes them anew."""

from __future__ import annotations

import json
import re

from bench.promises import PROMISES, ratio
from bench.report import SUMMARY
from tests.lab.paths import ROOT

PAGE = ROOT / "docs" / "speed.md"
_BLOCK = re.compile(r"(<!-- figures: written by make bench -->\n).*?(<!-- end of the figures -->)", re.DOTALL)


def figures(summary: dict[str, float]) -> str:
    """A table: what was measured, what it was, and what is promised."""
    lines = ["| How many times as much, or as long | Measured | Promised |", "|---|---:|---:|"]
    for name, promise in PROMISES.items():
        if name in summary:
            limit = f"≥ {promise.at_least:g}" if promise.at_least is not None else f"≤ {promise.at_most:g}"
            missed = "" if ratio(name, summary[name]).kept else ", **not kept**"
            lines.append(f"| {promise.what} | {summary[name]:.2f} | {limit}{missed} |")
    return "\n".join(lines) + "\n"


def with_figures(text: str, summary: dict[str, float]) -> str:
    """The page with these figures. Raises ValueError where it has no place for them."""
    if not _BLOCK.search(text):
        raise ValueError("docs/speed.md has lost the marks around its figures")
    return _BLOCK.sub(lambda found: found[1] + figures(summary) + found[2], text)


def main() -> None:
    """Writes the figures into the page."""
    PAGE.write_text(with_figures(PAGE.read_text(), json.loads(SUMMARY.read_text())))


if __name__ == "__main__":
    main()
