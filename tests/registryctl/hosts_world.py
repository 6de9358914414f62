"""Hosts that share a bucket, as threads of which one runs at a time: who, and what happens to it, is left to chance.

Time is the world's own. A host has what the kernel has of it: the locks that keep its writer out, and who holds them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from registryctl.bucket import Object
from registryctl.hosts.joining import Admission
from registryctl.hosts.messages import Entry
from registryctl.hosts.peers import PeerBarrier
from registryctl.hosts.run import Clock
from registryctl.hosts.serve import Means
from registryctl.hosts.service import Service
from registryctl.journals import BusyError, Journal
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
        self.hosts: list[HostOfWorld] = []
        self.lossy = 0.0
        """How likely it is that a request to the store fails, done or not."""
        self._actors: list[Actor] = []
        self._main = Actor("main")
        self._now = self._main

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

    def host(self, folder: Path, name: str = "") -> HostOfWorld:
        """Another one."""
        number = len(self.hosts) + 1
        found = HostOfWorld(self, folder / f"host-{number}", f"{number:x}" * 32, name or f"o/p/host{number}")
        self.hosts.append(found)
        return found


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


class OwnBarrier:
    """A host's own, for one process."""

    def __init__(self, host: HostOfWorld, reason: str, *, patience: float = 0, drain: float = 0) -> None:
        self._host, self._reason, self._patience, self._drain = host, reason, patience, drain
        self._token = object()
        self.is_closed = False

    def let_go(self) -> None:
        """As the kernel does when the process ends."""
        self._host.turns.pop(self._token, None)
        self._host.locks.pop(self._token, None)

    @property
    def locks(self) -> Sequence[int]:
        """Of this process."""
        return (id(self._token),)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """As the kernel's lock."""
        host, end = self._host, self._host.world.time + self._patience
        while host.is_held(host.turns):
            if host.world.time > end:
                raise BusyError("another tool")
            host.world.pause(0.2)
        host.turns[self._token] = FOREVER
        try:
            yield
        finally:
            host.turns.pop(self._token, None)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """The writer ends, after some time."""
        host = self._host
        host.world.pause(host.world.rng.random() * self._drain)
        while host.is_held(host.locks):
            host.world.pause(0.2)
        host.before_closing()
        host.locks[self._token] = FOREVER
        self.is_closed = True
        try:
            yield
        finally:
            self.is_closed = False
            host.locks.pop(self._token, None)
            host.count += 1
            host.generations.append((f"{host.count}-00000000", []))

    def journals(self) -> list[Journal]:
        """All."""
        last = self._host.generations[-1][0]
        return [
            Journal(name, name == last and not self.is_closed, True, list(lines))
            for name, lines in self._host.generations
        ]

    def forget(self, names: Iterable[str]) -> None:
        """Only what has ended."""
        assert self.is_closed
        gone = set(names)
        self._host.generations = [one for one in self._host.generations if one[0] not in gone]


@dataclass
class Sleeper:
    """What holds the lock of a process that may be killed."""

    host: HostOfWorld
    token: object = field(default_factory=object)

    def until(self, seconds: float) -> None:
        """For so long."""
        self.host.locks[self.token] = self.host.world.time + seconds

    def end(self) -> None:
        """No longer."""
        self.host.locks.pop(self.token, None)


@dataclass
class HostOfWorld:
    """One that shares the bucket."""

    world: World
    folder: Path
    identity: str
    stack: str
    drain: int = 5
    locks: dict[object, float] = field(default_factory=dict)
    """Who keeps the writer out, and until when at most."""
    turns: dict[object, float] = field(default_factory=dict)
    generations: list[tuple[str, list[bytes]]] = field(default_factory=lambda: [("1-00000000", [])])
    count: int = 1
    """Of generations, that of now among them."""
    before_closing: Callable[[], None] = lambda: None
    serving: Actor | None = None
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)

    @property
    def me(self) -> Entry:
        """Its entry."""
        return Entry(self.identity, self.stack)

    @property
    def joined(self) -> Path:
        """What its writer waits for."""
        return self.folder / "joined"

    @property
    def clock(self) -> Clock:
        """The world's."""
        return Clock(lambda: self.world.time, self.world.pause, lambda: self.world.time, beats=False)

    def is_held(self, held: dict[object, float]) -> bool:
        """Whether somebody holds it now."""
        return any(until > self.world.time for until in held.values())

    @property
    def may_write(self) -> bool:
        """Whether a writer can be there."""
        return self.joined.exists() and not self.is_held(self.locks)

    def serve(self) -> Actor:
        """Its service, from now on."""
        view, begun = View(self.world), list[OwnBarrier]()

        def barrier(reason: str) -> OwnBarrier:
            begun.append(OwnBarrier(self, reason, drain=self.drain))
            return begun[-1]

        means = Means(
            view,
            self.me,
            barrier,
            self.drain,
            lambda _: Sleeper(self),
            lambda: self.world.time,
            lambda: self.world.time,
            self.said.append,
        )
        service = Service(means, Admission(view, self.me, self.clock, self.joined), self.folder / "seen")

        def run() -> None:
            try:
                service.run(self.world.pause)
            finally:
                for one in begun:
                    one.let_go()

        self.serving = self.world.start(f"service of {self.stack}", run)
        return self.serving

    def kill(self, actor: Actor) -> None:
        """A process, whose locks the kernel gives back: but for those that another has inherited."""
        self.world.kill(actor)

    def reboot(self) -> None:
        """Nothing that ran is there any more."""
        if self.serving is not None:
            self.world.kill(self.serving)
        self.locks.clear()
        self.turns.clear()
        self.joined.unlink(missing_ok=True)

    def barrier(self, reason: str = "a test", patience: float = 900) -> PeerBarrier:
        """Of a tool."""
        own = OwnBarrier(self, reason, patience=patience, drain=self.drain)
        return PeerBarrier(own, View(self.world), self.me, reason, patience=patience, clock=self.clock)
