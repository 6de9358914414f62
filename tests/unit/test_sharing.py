"""What is said of modules when tests are shared is true of those that there are."""

from __future__ import annotations

from pathlib import Path

from tests.sharing import E2E, LONGEST, TOGETHER, rank, unit

ROOT = Path(__file__).parents[2]


def test_the_longest_are_modules_each_once() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_the_registry_that_is_made_once_is_that_of_one_process() -> None:
    """A module that asks for it elsewhere would have a second one made."""
    asking = {f"{E2E}{path.name}" for path in (ROOT / E2E).glob("test_*.py") if "blank: Deployed" in path.read_text()}
    assert asking == set(TOGETHER)


def test_tests_are_handed_out_by_modules_the_longest_first() -> None:
    """Colons in a test's parameters are none of its module's name."""
    assert unit("tests/unit/test_a.py::test_b[::1]") == "tests/unit/test_a.py"
    assert {unit(f"{module}::test") for module in TOGETHER} == {TOGETHER[0]}
    wanted = [*(f"{module}::test" for module in LONGEST), f"{E2E}test_a.py::test", "tests/docs/test_a.py::test"]
    shuffled = [*wanted[1::2], *wanted[::2]]
    assert sorted(shuffled, key=rank) == wanted
