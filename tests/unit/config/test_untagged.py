"""Whether manifests without a tag go, by the registry that is set."""

from __future__ import annotations

import pytest

from tests.unit.config.stack import load_stack, with_changes


@pytest.mark.parametrize(
    ("tag", "setting", "deletes"),
    [
        ("3.1.2", ..., True),
        ("latest", ..., True),
        ("2.8.3", ..., False),
        ("2", ..., False),
        ("3.1.2", False, False),
        ("3", True, True),
        ("2.8.3", False, False),
    ],
)
def test_untagged_manifests_go_where_that_is_safe(tag: str, setting: object, deletes: bool) -> None:
    changes = {"images": {"registry": f"registry:{tag}"}, "gc": {"deleteUntagged": setting}}
    settings, _ = load_stack(with_changes(changes))
    assert settings.gc.deletes_untagged(settings.images.registry) is deletes
