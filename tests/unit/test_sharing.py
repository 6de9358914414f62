"""What is said of modules when tests are shared is true of those that there are."""

from __future__ import annotations

from pathlib import Path

from tests.sharing import E2E, LONGEST, rank, unit
from tests.tiers import ACME, BLANK, DEPLOYED, IN_EACH_PUSH, NIGHTLY, is_nightly

ROOT = Path(__file__).parents[2]


def test_the_longest_are_modules_each_once() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_each_module_of_a_tier_is_there() -> None:
    """A module that was renamed would leave `make test` unseen."""
    assert [name for name in (*IN_EACH_PUSH, *NIGHTLY) if not (ROOT / name).is_file()] == []
    assert not any(is_nightly(f"{name}::test") for name in IN_EACH_PUSH)
    assert all(is_nightly(f"{name}::test") for name in (*NIGHTLY, f"{E2E}test_backup.py"))


def test_registries_that_are_made_once_are_those_of_one_process() -> None:
    """A module that asks for it elsewhere would have a second one made."""
    for asks, together in (("blank: Deployed", BLANK), ('pytest_plugins = ["tests.e2e.acme_fixtures"]', ACME)):
        asking = {f"{E2E}{path.name}" for path in (ROOT / E2E).glob("test_*.py") if asks in path.read_text()}
        assert asking == set(together)


def test_tests_are_handed_out_by_modules_the_longest_first() -> None:
    """Colons in a test's parameters are none of its module's name."""
    assert unit("tests/unit/test_a.py::test_b[::1]") == "tests/unit/test_a.py"
    for together in (DEPLOYED, BLANK, ACME):
        assert {unit(f"{module}::test") for module in together} == {together[0]}
    wanted = [*(f"{module}::test" for module in LONGEST), f"{E2E}test_a.py::test", "tests/docs/test_a.py::test"]
    shuffled = [*wanted[1::2], *wanted[::2]]
    assert sorted(shuffled, key=rank) == wanted
    assert sorted((f"{module}::test" for module in sorted(DEPLOYED)), key=rank) == [
        f"{name}::test" for name in DEPLOYED
    ]
