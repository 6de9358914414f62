"""What follows from a deletion takes room for what was asked for, whatever else is there."""

from __future__ import annotations

import tracemalloc

from registryctl.consequences import Found, follow

INDEX = f"sha256:{'f' * 64}"
NUMBER = 300


def test_many_tags_of_an_index_of_many_take_little_memory() -> None:
    """Whoever may push to one repository makes both many at no cost. It is told who keeps what was asked for."""
    parts = tuple(f"sha256:{number:064x}" for number in range(NUMBER))
    found = Found("r", {f"tag-{number:03}": INDEX for number in range(NUMBER)}, {INDEX: parts})
    tracemalloc.start()
    try:
        plan = follow(found, {"tag-000": "asked for"}, [parts[0]])
        [_, kept] = plan.describe()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    tags = [f"r:tag-{number:03}" for number in range(1, NUMBER)]
    assert kept == f"keep   r@{INDEX} (used by {', '.join(tags)})"
    assert plan.users(parts[0]).text == ", ".join(f"the index {tag}" for tag in tags)
    assert plan.users(parts[0]).index
