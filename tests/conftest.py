"""With `--numprocesses`, tests are shared as `tests/sharing.py` says; without, all run in one process, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tiers import mark

# What the tests' helpers assert says what it found, too.
pytest.register_assert_rewrite("tests.e2e", "tests.rendering", "tests.registryctl")

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer

    from tests.sharing import Sharing


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer | None) -> Sharing:
    """Who hands out the tests."""
    from tests.sharing import Sharing  # noqa: PLC0415 - one process needs none of it

    return Sharing(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Mark the tests by their tier before one is chosen; their order says in which order they are handed out."""
    mark(items)
    yield
    if hasattr(config, "workerinput"):
        from tests.sharing import in_order  # noqa: PLC0415

        items[:] = in_order(items)
