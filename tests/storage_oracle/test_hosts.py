"""Two hosts push into one bucket while one of them cleans up: what either has pushed stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from registryctl.hosts.peers import PeerBarrier
from registryctl.objects import ObjectStorage
from tests.examples import examples
from tests.registryctl.buckets import FolderBucket
from tests.registryctl.hosts_of_world import HostOfWorld, new_host, settled
from tests.registryctl.hosts_world import World
from tests.storage_oracle import running
from tests.storage_oracle.racing import Writer
from tests.storage_oracle.running import Gate
from tests.storage_oracle.serving import Snapshot, taken
from tests.storage_oracle.trials import choose, storage_of
from tests.storage_oracle.verdict import pull_losses

Pairs = list[tuple[str, str]]


class HostGate(Gate):
    """A host's, which notes what is pushed there in that host's journal."""

    def __init__(self, host: HostOfWorld) -> None:
        super().__init__()
        self._host = host

    def note(self, method: str, name: str, kind: str, reference: str, at: float | None = None) -> None:
        """Of the generation that lives there."""
        assert self._host.may_write
        line = f"{int(time.time() if at is None else at)} {method} {name} {kind} {reference}"
        self._host.generations[-1][1].append(line.encode())


class Seen:
    """The barrier of a tool, and the storage as it was when all were closed and when that was over."""

    def __init__(self, barrier: PeerBarrier, root: Path) -> None:
        self.barrier, self.root = barrier, root
        self.snapshots: list[Snapshot] = []
        self.turn, self.journals, self.forget = barrier.turn, barrier.journals, barrier.forget

    @contextmanager
    def closed(self) -> Iterator[None]:
        """See `journals.Barrier`."""
        with self.barrier.closed():
            self.snapshots.append(taken(self.root))
            yield
            self.snapshots.append(taken(self.root))


@pytest.mark.parametrize("part", range(4))
def test_random_pushes_at_two_hosts(part: int, tmp_path: Path) -> None:
    """A clean-up or a deletion at one of them; now and then one's service dies, and nothing is lost by that either."""
    acted = sum(_race(seed, tmp_path / str(seed)) for seed in range(3000 + part, 3000 + examples(40, 120), 4))
    assert acted


def _race(seed: int, folder: Path) -> bool:
    world = World(seed)
    try:
        with storage_of(seed) as root:
            return _raced(world, root, folder)
    finally:
        world.end()


def _raced(world: World, root: Path, folder: Path) -> bool:
    rng = Random(world.rng.random())
    hosts = [new_host(world, folder) for _ in range(2)]
    # The journals tell the time of this machine.
    world.time = time.time()
    settled(world, *hosts)
    writers = [Writer(root, HostGate(host), rng) for host in hosts]

    def pushes(host: HostOfWorld, writer: Writer) -> None:
        while True:
            world.pause(rng.random() * 6)
            if host.may_write:
                writer.act()

    for host, writer in zip(hosts, writers, strict=True):
        world.start(f"pushes at {host.stack}", lambda host=host, writer=writer: pushes(host, writer))  # type: ignore[misc]
        host.before_closing = writer.act
    tags = choose(taken(root), rng) if rng.random() < 0.4 else {}
    pairs = [(name, tag) for name, some in tags.items() for tag in some]
    seen = Seen(hosts[0].barrier(), root)
    storage = ObjectStorage(FolderBucket(root), seen.barrier.guard)

    def tool() -> None:
        if tags:
            running.remove(storage, tags, seen)
        else:
            running.clean_up(storage, seen, trash_days=rng.choice([0, 7]))

    run = world.start("a tool", tool)
    world.go(lambda: run.over, rng.random() * 40)
    if rng.random() < 0.2 and hosts[1].serving is not None:
        world.kill(hosts[1].serving)
        hosts[1].serve()
    world.go(lambda: run.over)
    assert run.over
    if len(seen.snapshots) < 2:
        return False
    assert run.error is None
    before, after = seen.snapshots
    wrong = pull_losses(before, after, pairs)
    for name, digest in [one for writer in writers for one in writer.promised]:
        if before.blob(name, digest) is not None and after.blob(name, digest) is None:
            wrong.append(f"{name}: layer {digest} went")
    assert not wrong, wrong[:5]
    return True
