"""The dashboard's JSON is what its code makes, and it asks for metrics that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from monitoring import dashboard
from tests.docs.test_alerts import exported

BOARD: dict[str, Any] = json.loads(dashboard.PATH.read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES: list[str] = [target["expr"] for panel in PANELS for target in panel["targets"]]


def test_the_json_is_what_the_code_makes() -> None:
    """`make dashboard` writes it."""
    assert dashboard.PATH.read_text(encoding="utf-8") == dashboard.render()


def test_it_has_what_an_administrator_looks_for() -> None:
    assert len(QUERIES) > 15
    assert [row["title"] for row in BOARD["panels"] if row["type"] == "row"] == list(dashboard.ROWS)
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)


@pytest.mark.parametrize("query", QUERIES)
def test_each_query_asks_for_metrics_that_there_are(query: str) -> None:
    """Of the registries that are chosen."""
    named = set(re.findall(r"docker_registry\w+", query))
    assert named
    assert named <= exported()
    assert query.count("{" + dashboard.HERE) == len(re.findall(r"docker_registry\w+", query))


def test_no_panel_lies_over_another() -> None:
    """Each has a place of its own."""
    taken = set[tuple[int, int]]()
    for panel in BOARD["panels"]:
        its = panel["gridPos"]
        cells = {(its["x"] + x, its["y"] + y) for x in range(its["w"]) for y in range(its["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
