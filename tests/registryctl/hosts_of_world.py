"""The hosts of a world: what the kernel has of each, its service, and the barriers of its tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.hosts import times
from registryctl.hosts.joining import Admission
from registryctl.hosts.messages import ENTRIES, Entry
from registryctl.hosts.peers import PeerBarrier
from registryctl.hosts.run import Clock
from registryctl.hosts.serve import Means
from registryctl.hosts.service import Service
from registryctl.journals import BusyError, Journal
from tests.registryctl.hosts_world import FOREVER, Actor, View, World


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
        """No longer; whoever is killed doesn't come to that."""
        if self.host.world.is_killed:
            return
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
    outdated: bool = False
    """Whether the store is opened by something else by now."""
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
        admission = Admission(view, self.me, self.clock, self.joined)
        service = Service(means, admission, self.folder / "seen", lambda: self.outdated)

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
        return PeerBarrier(
            own, View(self.world), self.me, reason, patience=patience, clock=self.clock, hold=lambda _: Sleeper(self)
        )


def new_host(world: World, folder: Path, stack: str = "") -> HostOfWorld:
    """Another one."""
    number = len(world.hosts) + 1
    made = HostOfWorld(world, folder / f"host-{number}", f"{number:x}" * 32, stack or f"o/p/host{number}")
    world.hosts.append(made)
    return made


def settled(world: World, *hosts: HostOfWorld) -> None:
    """Their services run, and all may write."""
    for host in hosts:
        host.serve()
    world.go(lambda: all(host.may_write for host in hosts) and len(list(world.bucket.list(ENTRIES))) >= len(hosts))
    # Each knows that it is not alone.
    world.go(lambda: False, times.ALONE + 10)
    assert all(host.may_write for host in hosts)
