"""A container that is gone already can be deleted: the hook that helps, and only where it should."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from components.host import Host
from tests.unit.assembly import host_of
from tests.unit.programs import part

GONE = "Error response from daemon: No such container: 0123"
LOST: dict[str, Any] = {
    "failed_operation": "delete",
    "errors": [GONE],
    "old_inputs": {"image": "sha256:abc"},
    "id": "0123",
}


def tried(**changes: Any) -> tuple[bool, list[str]]:  # noqa: ANN401
    """Whether the engine is told to try again, and what ran on the host."""
    made: list[Host] = []
    part(
        lambda settings, secrets: made.append(host_of("h", settings, secrets)),
        preview=False,
    )
    ran: list[str] = []

    async def run(command: str) -> str:
        ran.append(command)
        return ""

    (host,) = made
    host._connection = SimpleNamespace(run=run)
    again = asyncio.run(host._replace_lost(SimpleNamespace(**(LOST | changes))))  # type: ignore[arg-type]
    return again, ran


def test_a_lost_container_is_stood_in_for() -> None:
    """By one of its image, under its id, which the provider can then stop and remove."""
    assert tried() == (True, ["/usr/local/lib/docker-registry/replace-lost 0123 sha256:abc"])


@pytest.mark.parametrize(
    "changes",
    [
        {"failed_operation": "create"},
        {"errors": ["Error response from daemon: conflict"]},
        {"errors": [GONE, GONE]},
        {"old_inputs": None},
    ],
)
def test_nothing_else_is_tried_again(changes: dict[str, Any]) -> None:
    """Another operation, another error, a second time, or a container that nobody knows."""
    assert tried(**changes) == (False, [])
