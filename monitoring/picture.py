"""A picture of the dashboard, drawn from what a Prometheus has of its queries: Grafana itself is nowhere here.

`make dashboard-picture` writes it from the lab's own data, with places, titles, units and names as in the JSON.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

Point = tuple[float, float]
"""Time and value."""

Found = Callable[[str], Sequence[tuple[Mapping[str, str], Sequence[Point]]]]
"""What a query finds: labels, and points in the order of time."""

COLUMN, ROW, HEAD = 50, 34, 26
_COLOURS = (
    "#3274d9",
    "#e0752d",
    "#3f9e52",
    "#b04a9c",
    "#c4162a",
    "#0f8a8a",
    "#8a6d00",
    "#6b6bd6",
    "#8c4d2a",
    "#777777",
)
_LEVELS = {"green": "#3f9e52", "orange": "#e0752d", "red": "#c4162a"}
_MOST_NAMES, _LETTER = 8, 6
_BINARY, _DECIMAL = ("B", "KiB", "MiB", "GiB", "TiB"), ("", "k", "M", "G", "T")


@dataclass(frozen=True)
class _Line:
    name: str
    points: Sequence[Point]


def draw(board: Mapping[str, Any], found: Found) -> str:
    """The whole of it, as SVG."""
    panels = board["panels"]
    height = max(its["gridPos"]["y"] + its["gridPos"]["h"] for its in panels) * ROW
    parts = [part for panel in panels for part in _panel(panel, found)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN} {height}" font-family="sans-serif" '
            'font-size="11" fill="#333">',
            f'<rect width="{24 * COLUMN}" height="{height}" fill="#f4f5f5"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(panel: Mapping[str, Any], found: Found) -> Iterator[str]:
    its = panel["gridPos"]
    x, y, width, height = its["x"] * COLUMN, its["y"] * ROW, its["w"] * COLUMN, its["h"] * ROW
    yield f'<g transform="translate({x} {y})">'
    if panel["type"] == "row":
        yield f'<text x="6" y="{height - 10}" font-size="15" font-weight="bold">{escape(panel["title"])}</text></g>'
        return
    yield f'<rect x="2" y="2" width="{width - 4}" height="{height - 4}" fill="#fff" stroke="#ddd"/>'
    yield f'<text x="10" y="18" font-weight="bold">{escape(panel["title"])}</text>'
    shown = panel["fieldConfig"]["defaults"]
    lines = [line for target in panel["targets"] for line in _lines(target, found)]
    yield from (_numbers if panel["type"] == "stat" else _graph)(lines, shown, width, height)
    yield "</g>"


def _lines(target: Mapping[str, Any], found: Found) -> Iterator[_Line]:
    for labels, points in found(target["expr"]):
        name = target["legendFormat"]
        for label in re.findall(r"\{\{(\w+)\}\}", name):
            name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
        # Where nothing was divided by nothing there is no number.
        yield _Line(name, [(moment, value) for moment, value in points if not math.isnan(value)])


def _numbers(lines: Sequence[_Line], shown: Mapping[str, Any], width: int, height: int) -> Iterator[str]:
    each = (width - 16) / max(len(lines), 1)
    for place, line in enumerate(lines):
        value = line.points[-1][1] if line.points else 0
        first, *steps = shown["thresholds"]["steps"]
        colour = [first["color"], *(step["color"] for step in steps if value >= step["value"])][-1]
        middle = 8 + each * (place + 0.5)
        yield (
            f'<text x="{middle:.0f}" y="{height / 2 + 14:.0f}" text-anchor="middle" font-size="24" '
            f'fill="{_LEVELS[colour]}">{escape(said(value, shown["unit"]))}</text>'
        )
        yield f'<text x="{middle:.0f}" y="{height - 12}" text-anchor="middle">{escape(line.name)}</text>'


def _graph(lines: Sequence[_Line], shown: Mapping[str, Any], width: int, height: int) -> Iterator[str]:
    left, right, top, bottom = 62, 10, HEAD + 4, 44
    points = [point for line in lines for point in line.points]
    if not points:
        yield f'<text x="{width / 2}" y="{height / 2}" text-anchor="middle" fill="#999">No data</text>'
        return
    begin, end = min(point[0] for point in points), max(point[0] for point in points)
    least, most = min(0.0, *(point[1] for point in points)), max(point[1] for point in points)
    most = most if most > least else least + 1

    def where(point: Point) -> str:
        across = left + (point[0] - begin) / ((end - begin) or 1) * (width - left - right)
        return f"{across:.1f},{top + (most - point[1]) / (most - least) * (height - top - bottom):.1f}"

    for share in (0, 0.5, 1):
        level = top + (1 - share) * (height - top - bottom)
        yield f'<line x1="{left}" x2="{width - right}" y1="{level:.1f}" y2="{level:.1f}" stroke="#eee"/>'
        value = said(least + share * (most - least), shown["unit"])
        yield f'<text x="{left - 6}" y="{level + 4:.1f}" text-anchor="end" fill="#777">{escape(value)}</text>'
    for place, line in enumerate(lines):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(map(where, line.points))
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    yield from _legend([line.name for line in lines], left, height - 26, (width - left) / 4)


def _legend(names: Sequence[str], left: int, y: int, each: float) -> Iterator[str]:
    fit = int((each - 16) / _LETTER) if len(names) > 1 else max(map(len, names))
    for place, name in enumerate(names[:_MOST_NAMES]):
        # What differs stands last.
        shown = name if len(name) <= fit else f"…{name[1 - fit :]}"
        x, line = left + place % 4 * each, y + place // 4 * 14
        colour = _COLOURS[place % len(_COLOURS)]
        yield f'<rect x="{x:.0f}" y="{line - 7}" width="10" height="3" fill="{colour}"/>'
        yield f'<text x="{x + 14:.0f}" y="{line}">{escape(shown)}</text>'


def said(value: float, unit: str) -> str:
    """A number as people read it."""
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "bytes":
            return _scaled(value, 1024, _BINARY)
        case "Bps":
            return f"{_scaled(value, 1024, _BINARY)}/s"
        case "reqps":
            return f"{_scaled(value, 1000, _DECIMAL)}/s"
        case "s":
            return _time(value)
    return f"{value:.3g}"


def _scaled(value: float, step: int, units: Sequence[str]) -> str:
    for unit in units:
        if abs(value) < step or unit == units[-1]:
            return f"{value:.3g} {unit}".rstrip()
        value /= step
    raise AssertionError


def _time(value: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1000:.3g} ms"
