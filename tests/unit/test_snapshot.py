"""No resource of the example stack changes unnoticed: type, parent, inputs, dependencies, options, secrets."""

from __future__ import annotations

import difflib

import pytest

from tests.unit.diagram import drawn_in, mermaid
from tests.unit.graph import ARCHITECTURE, FOLDER, SNAPSHOTS, example_run, snapshot


@pytest.mark.parametrize("mode", SNAPSHOTS)
def test_the_example_s_resources_are_as_recorded(mode: str) -> None:
    """A change that is meant is recorded by `make snapshot`, and its diff is part of the review."""
    recorded = (FOLDER / f"example.{mode}.yaml").read_text(encoding="utf-8")
    lines = difflib.unified_diff(
        recorded.splitlines(), snapshot(mode).splitlines(), "recorded", "now", lineterm="", n=1
    )
    difference = "\n".join(lines)
    assert not difference, f"make snapshot, if this is meant:\n{difference}"


def test_the_diagram_is_that_of_the_resources() -> None:
    """The architecture page draws what there is."""
    document = ARCHITECTURE.read_text(encoding="utf-8")
    assert drawn_in(document, mermaid(example_run("update"))) == document, "make snapshot"
