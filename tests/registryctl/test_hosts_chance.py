"""Several hosts, one bucket, and whatever may happen to them: nothing is removed while one of them may write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registryctl.journals import BarrierError
from registryctl.storage import AwayError
from tests.registryctl.hosts_of_world import HostOfWorld, new_host, settled
from tests.registryctl.hosts_world import World


@pytest.mark.parametrize("part", range(4))
def test_whatever_happens_nothing_is_removed_while_one_may_write(part: int, tmp_path: Path) -> None:
    """Services that are killed, hosts that reboot or sleep, new ones, a store that fails; two tools at once."""
    reached = 0
    for seed in range(part, 40, 4):
        reached += _chance(seed, tmp_path / str(seed))
    assert reached


def _chance(seed: int, folder: Path) -> bool:
    world = World(seed)
    try:
        return _happens(world, folder)
    finally:
        world.end()


def _happens(world: World, folder: Path) -> bool:
    rng = world.rng
    hosts = [new_host(world, folder) for _ in range(rng.choice([1, 2, 2, 3]))]
    settled(world, *hosts)
    world.lossy = rng.choice([0, 0, 0.01, 0.05])
    wrong: list[str] = []
    removed: list[float] = []

    def tool(host: HostOfWorld) -> Callable[[], None]:
        def act() -> None:
            barrier = host.barrier(patience=300)
            with barrier.turn():
                barrier.journals()
                world.pause(rng.choice([0, 10, 200]))
                with barrier.closed():
                    for _ in range(rng.randrange(1, 8)):
                        # It sleeps, or reads for long.
                        world.pause(rng.choice([0, 0, 1, 5, 20, 60, 400]))
                        barrier.guard()
                        # As long as a request may be under way: its sender waits, if he lives.
                        removed.append(world.time + rng.choice([0, 1, 5, 40]))
                        world.pause(removed[-1] - world.time)

        return act

    def looks() -> None:
        if removed and world.time < max(removed):
            wrong.extend(f"{its.stack} at {world.time}" for its in world.hosts if its.may_write)

    world.looks = looks
    tools = [world.start("a tool", tool(rng.choice(hosts))) for _ in range(rng.choice([1, 1, 2, 3]))]
    for _ in range(rng.randrange(4, 16)):
        world.go(lambda: all(one.over for one in tools), rng.random() * 40)
        _accident(world, folder)
        if rng.random() < 0.05:
            world.kill(rng.choice(tools))
    world.lossy = 0
    for host in world.hosts:
        if host.serving is None or host.serving.over or host.serving.killed:
            host.serve()
    world.go(lambda: all(one.over for one in tools), 3000)
    assert wrong == [], (world.hosts, wrong[:3])
    assert all(one.over and isinstance(one.error, (AwayError, BarrierError, type(None))) for one in tools), [
        one.error for one in tools
    ]
    # Nobody waits for ever.
    world.go(lambda: False, 400)
    assert all(host.may_write for host in world.hosts)
    return bool(removed)


def _accident(world: World, folder: Path) -> None:
    rng, host = world.rng, world.rng.choice(world.hosts)
    serving = host.serving
    kind = rng.choice(["nothing", "kill", "kill", "start", "reboot", "new", "sleep"])
    if kind == "kill" and serving is not None:
        world.kill(serving)
    elif kind == "start" and (serving is None or serving.over or serving.killed):
        host.serve()
    elif kind == "reboot" and not host.turns:
        host.reboot()
        host.serve()
    elif kind == "new" and len(world.hosts) < 4:
        new_host(world, folder).serve()
    elif kind == "sleep" and serving is not None:
        serving.wakes = max(serving.wakes, world.time + rng.choice([5, 50, 200]))
