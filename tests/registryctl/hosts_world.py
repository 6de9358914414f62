"""Hosts that share a bucket, as threads of which one runs at a time: who, and what happens to it, is left to chance.

Time is the world's own. A host has what the kernel has of it: the locks that keep its writer out, and who holds them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from registryctl.bucket import Object
from registryctl.storage import StorageError
from tests.registryctl.buckets import MemoryBucket

FOREVER = float("inf")
SECONDS = 60


class KilledError(BaseException):
    """A process that ends at once, whatever it does. What it leaves behind is what the kernel leaves."""


@dataclass
class Actor:
    """A process of a host."""

    name: str
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    wakes: float = 0
    over: bool = False
    killed: bool = False
    error: BaseException | None = None


class World:
    """The bucket, the time, and everybody who runs."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = Random(seed)  # noqa: S311
        self.time = 1000.0
        self.bucket = MemoryBucket(moment=lambda: int(self.time * 1e9))
        self.hosts: list[Any] = []
        """See `hosts_of_world`."""
        self.looks: Callable[[], None] = lambda: None
        """Done after each step of anybody."""
        self.lossy = 0.0
        """How likely it is that a request to the store fails, done or not."""
        self._actors: list[Actor] = []
        self._main = Actor("main")
        self._now = self._main

    @property
    def is_killed(self) -> bool:
        """Whether the process that runs is about to end."""
        return self._now.killed

    def start(self, name: str, act: Callable[[], object]) -> Actor:
        """A process, which runs when others let it."""
        actor = Actor(name, wakes=self.time)

        def body() -> None:
            actor.turn.acquire()
            try:
                if not actor.killed:
                    act()
            except KilledError:
                pass
            except BaseException as error:
                actor.error = error
            actor.over = True
            self._main.turn.release()

        threading.Thread(target=body, name=name, daemon=True).start()
        self._actors.append(actor)
        return actor

    def kill(self, actor: Actor) -> None:
        """It does nothing more from its next step on."""
        actor.killed = True

    def go(self, until: Callable[[], bool], seconds: float = 3600) -> None:
        """Lets everybody run until something holds, or that time is over."""
        end = self.time + seconds
        while not until():
            alive = [actor for actor in self._actors if not actor.over]
            ready = [actor for actor in alive if actor.wakes <= self.time or actor.killed]
            if not ready:
                # Nobody but time.
                self.time = min([end, *(actor.wakes for actor in alive)])
                if self.time >= end:
                    return
                continue
            if self.time >= end:
                return
            self._now = self.rng.choice(ready)
            self._now.turn.release()
            assert self._main.turn.acquire(timeout=SECONDS), f"{self._now.name} does not come back"
            self.time += self.rng.random() * 0.02
            self.looks()

    def pause(self, seconds: float) -> None:
        """Of the process that runs: others run meanwhile."""
        actor = self._now
        actor.wakes = self.time + seconds
        self._main.turn.release()
        assert actor.turn.acquire(timeout=SECONDS * 10)
        if actor.killed:
            raise KilledError

    def end(self) -> None:
        """Of all."""
        for actor in self._actors:
            actor.killed = True
        self.go(lambda: all(actor.over for actor in self._actors), FOREVER)


class View:
    """The bucket, as a host has it: each request takes time, in which others run, and may fail."""

    def __init__(self, world: World) -> None:
        self._world = world

    def _before(self) -> bool:
        """Whether it fails once it is done."""
        world = self._world
        world.pause(world.rng.random() * 0.3)
        if world.rng.random() < world.lossy:
            if world.rng.random() < 0.5:
                raise StorageError("the store does not answer")
            return True
        return False

    def _after(self, fails: bool) -> None:
        self._world.pause(self._world.rng.random() * 0.3)
        if fails:
            raise StorageError("the store did not say that it is done")

    def list(self, prefix: str) -> Iterator[Object]:
        """All at once."""
        fails = self._before()
        found = list(self._world.bucket.list(prefix))
        self._after(fails)
        yield from found

    def read(self, key: str, limit: int) -> bytes:
        """See above."""
        fails = self._before()
        found = self._world.bucket.read(key, limit)
        self._after(fails)
        return found

    def write(self, key: str, data: bytes) -> None:
        """See above."""
        fails = self._before()
        self._world.bucket.write(key, data)
        self._after(fails)

    def remove(self, keys: Sequence[str]) -> dict[str, str]:
        """See above."""
        fails = self._before()
        found = self._world.bucket.remove(keys)
        self._after(fails)
        return found

    def head(self, key: str) -> Object:
        """See above."""
        self._before()
        return self._world.bucket.head(key)
