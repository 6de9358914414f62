"""The picture of the dashboard has each panel, and is well formed whatever a query finds."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from monitoring import dashboard, picture

BOARD = json.loads(dashboard.PATH.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "points",
    [[], [(1.0, 0.0)], [(1.0, 2.0), (2.0, float("nan")), (3.0, 5e12)], [(1.0, -5.0), (2.0, -1.0)]],
    ids=["none", "one", "many", "negative"],
)
def test_each_panel_is_drawn(points: list[tuple[float, float]]) -> None:
    drawn = picture.draw(BOARD, lambda _: [({"kind": "<blob> & more"}, points)])
    # It is our own.
    elements = ElementTree.fromstring(drawn).iter()  # noqa: S314
    texts = {element.text for element in elements if element.text}
    assert texts >= {panel["title"] for panel in BOARD["panels"]}


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.876, "percentunit", "87.6 %"),
        (0, "bytes", "0 B"),
        (3 << 20, "bytes", "3 MiB"),
        (1500, "reqps", "1.5 k/s"),
        (0.012, "s", "12 ms"),
        (86400 * 824, "s", "824 d"),
        (2, "short", "2"),
    ],
)
def test_numbers(value: float, unit: str, said: str) -> None:
    assert picture.said(value, unit) == said
