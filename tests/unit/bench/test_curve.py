"""What the benchmark of growth makes of times."""

from __future__ import annotations

import pytest

from bench.curve import Curve, promised, tables
from bench.filling import HALF, TENTH, tag_of

SIZES = (100, 1_000, 10_000)


def _curve(power: float, fixed: float = 0, name: str = "x") -> Curve:
    return Curve(name, {size: [fixed + 1e-6 * size**power] for size in SIZES})


@pytest.mark.parametrize("power", [0, 1, 1.5, 2])
def test_the_exponent_is_that_of_the_size(power: float) -> None:
    """The growth is what it makes of the time for each tag."""
    curve = _curve(power)
    assert curve.exponent == pytest.approx(power)
    assert curve.growth == pytest.approx(10 ** (power - 1))


def test_a_fixed_cost_does_not_hide_what_the_tags_add() -> None:
    """It makes the growth of the whole smaller, and is taken away from that of what is added."""
    curve = Curve("x", {size: [3 + 0.002 * size + 1e-7 * size**2] for size in SIZES})
    assert curve.growth < 1
    assert curve.added_growth is not None
    assert curve.added_growth > 1.3
    assert _curve(1, fixed=0.0001).added_growth == pytest.approx(1)


def test_what_the_tags_hardly_add_is_no_growth() -> None:
    """It would be noise."""
    for noise in (-0.05, 0, 0.05):
        added = Curve("x", {100: [1.0], 1_000: [1.001 + noise], 10_000: [1.01]}).added_growth
        assert added is not None
        assert added < 0.1
    assert Curve("x", {1_000: [1.0], 10_000: [10.0]}).added_growth is None


def test_only_what_has_a_name_is_promised() -> None:
    """Quadratic growth breaks the promise."""
    curves = [_curve(1, name="a"), _curve(2, name="b"), _curve(2, name="c"), _curve(2, fixed=10, name="d")]
    found = {ratio.name: ratio.kept for ratio in promised(curves, {"a": "A", "b": "B", "d": "D"})}
    assert found == {
        "A_growth": True,
        "A_growth_added": True,
        "B_growth": False,
        "B_growth_added": False,
        "D_growth": True,
        "D_growth_added": False,
    }


def test_a_fixed_cost_breaks_no_promise_and_keeps_none() -> None:
    """It hides the quadratic part from the growth of the whole alone."""
    hidden = Curve("a", {size: [3 + 0.002 * size + 1e-6 * size**2] for size in SIZES})
    found = {ratio.name: ratio.kept for ratio in promised([hidden], {"a": "A"})}
    assert found["A_growth_added"] is False


def test_the_median_counts() -> None:
    """Of the samples of one size."""
    assert Curve("x", {1: [3.0, 1.0, 100.0]}).seconds(1) == 3


def test_every_table_has_a_row_for_each_curve() -> None:
    """With a cell for each column."""
    for table in tables([_curve(1, name="a"), _curve(0, fixed=1, name="b")]):
        assert set(table.rows) == {"a", "b"}
        assert all(len(cells) == len(table.columns) for cells in table.rows.values())


@pytest.mark.parametrize("size", SIZES)
def test_each_kind_of_tag_has_its_share(size: int) -> None:
    """At every size."""
    tags = [tag_of(number) for number in range(size)]
    assert len(set(tags)) == size
    assert sum(tag.startswith(TENTH) for tag in tags) == size / 10
    assert sum(tag.startswith(HALF) for tag in tags) == size / 2
