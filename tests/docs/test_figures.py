"""The figures of docs/speed.md are those that were measured."""

from __future__ import annotations

import json

import pytest

from bench.figures import PAGE, figures, with_figures
from bench.promises import PROMISES, ratio
from bench.report import RESULTS, SUMMARY


def test_they_are_the_measured_ones() -> None:
    """Every one, and nothing was written by hand."""
    text = PAGE.read_text()
    assert with_figures(text, json.loads(SUMMARY.read_text())) == text


def test_each_measured_ratio_is_a_promise() -> None:
    """A name that nobody explains would be in no table; the samples and tables are beside."""
    summary = json.loads(SUMMARY.read_text())
    assert summary.keys() <= PROMISES.keys()
    for part in ("deploying", "serving", "growth"):
        for kind in ("json", "md", "svg"):
            assert (RESULTS / f"{part}.{kind}").is_file()


def test_a_page_without_a_place_for_them_is_refused() -> None:
    """Rather than left as it is."""
    with pytest.raises(ValueError, match="marks"):
        with_figures("# Nothing", {})


def test_a_promise_that_is_not_kept_is_seen() -> None:
    """In both directions; what was not measured is in no table."""
    assert not ratio("large_blob_vs_howto", 1.79).kept
    assert ratio("large_blob_vs_howto", 1.8).kept
    assert not ratio("up_vs_shell", 1.31).kept
    assert ratio("up_vs_shell", 1.3).kept
    assert "NOT KEPT" in str(ratio("up_vs_shell", 1.31))
    assert figures({"up_vs_shell": 1.2}).splitlines()[2].endswith("| 1.20 | ≤ 1.3 |")
    assert figures({"up_vs_shell": 1.4}).splitlines()[2].endswith("| 1.40 | ≤ 1.3, **not kept** |")
    assert len(figures({"up_vs_shell": 1.2}).splitlines()) == 3
