"""Pulls and pushes through this program, and through what else one would put in front of the same registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bench.contenders.serving import tables
from bench.contenders.serving.content import Content, fill, forget_pushed
from bench.contenders.serving.load import Load
from bench.contenders.serving.place import SLOW, Place, place, put_logins
from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import (
    ALONE,
    CADDY,
    HOW_TO,
    OPEN,
    PLAIN,
    PROGRAM,
    STATIC,
    TRAEFIK,
    Server,
    Servers,
)
from bench.measure import Part
from tests.lab.log import step

ROUNDS = 3
SECONDS = 3
LARGE_CLIENTS = (1, 4, 16)
CONNECTIONS = 16
CLIENTS_OF_CPU = 4
PUSHERS = (1, 4)
PULLERS = 8

PROXIES = (PROGRAM, HOW_TO, CADDY, TRAEFIK, ALONE)
SLOW_HASH = replace(PROGRAM, name=tables.SLOW_NAME, account=SLOW)


def run() -> Part:
    """Measures it all, some ten minutes long, and removes what it made."""
    with place() as spot:
        Servers(spot).start()
        load = Load(spot)
        content = fill(spot, load)
        put_logins(spot, [server.authority for server in PROXIES])
        samples = _Measuring(spot, load, content).all()
    return Part("serving", tables.all_tables(samples), tables.ratios(samples))


class _Measuring:
    """One quantity after the other, each of all contenders, in rounds."""

    def __init__(self, spot: Place, load: Load, content: Content) -> None:
        self._spot = spot
        self._load = load
        self._content = content
        self._samples = Samples()

    def all(self) -> Samples:
        """The samples of everything. A load that nobody looks at comes first: files are in memory then."""
        self._warm_up()
        quantities: Mapping[str, Callable[[int], None]] = {
            "a large blob": self._large,
            "small blobs and manifests": self._small,
            "passwords": self._passwords,
            "pushes": self._pushes,
            "pulls": self._pulls,
        }
        for number in range(ROUNDS):
            for name, measure in quantities.items():
                with step(f"bench: {name}, round {number + 1} of {ROUNDS}"):
                    measure(number)
        with step("bench: memory"):
            self._memory()
        return self._samples

    def _warm_up(self) -> None:
        for server in (*PROXIES, PLAIN, OPEN, SLOW_HASH):
            # The first password takes some as long as a load lasts.
            self._load.get_once(server, "/v2/")
            self._load.get(server, "small", 1, 1)
        for server in (*PROXIES, PLAIN):
            self._load.get(server, "large", 1, 1)
        self._load.get(STATIC, "file", 1, 1)

    def _large(self, number: int) -> None:
        for server in _turned((*PROXIES, STATIC), number):
            for clients in LARGE_CLIENTS:
                before = self._load.cpu(server)
                got = self._load.get(server, "file" if server is STATIC else "large", clients, SECONDS)
                self._samples.add("large", server.name, str(clients), got.megabytes)
                if clients == CLIENTS_OF_CPU:
                    spent = self._load.cpu(server) - before
                    self._samples.add("large", server.name, "cpu", spent / (got.bytes / 1e9))

    def _small(self, number: int) -> None:
        for server in _turned((*PROXIES, PLAIN), number):
            for paths in ("small", "tag", "digest"):
                got = self._load.get(server, paths, CONNECTIONS, SECONDS)
                self._samples.add("small", server.name, paths, got.rate)

    def _passwords(self, number: int) -> None:
        for server in _turned((PROGRAM, SLOW_HASH, OPEN), number):
            got = self._load.get(server, "small", CONNECTIONS, SECONDS)
            self._samples.add("password", server.name, "small", got.rate)

    def _pushes(self, number: int) -> None:
        for server in _turned((*PROXIES, PLAIN), number):
            for clients in PUSHERS:
                self._samples.add("push", server.name, str(clients), self._push(server, clients))

    def _push(self, server: Server, clients: int) -> float:
        try:
            return self._load.push(server, self._content.pushed, clients)
        finally:
            forget_pushed(self._spot, self._content)

    def _pulls(self, number: int) -> None:
        for server in _turned(PROXIES, number):
            self._samples.add("pull", server.name, "pull", self._load.pull(server, "bench/image:1", PULLERS))

    def _memory(self) -> None:
        def work(server: Server) -> None:
            self._load.get(server, "large", CONNECTIONS, SECONDS)
            self._load.get(server, "small", CONNECTIONS, SECONDS)
            self._push(server, max(PUSHERS))

        for server in PROXIES:
            rest, peak = self._load.memory(server, lambda server=server: work(server))  # type: ignore[misc]
            self._samples.add("memory", server.name, "rest", rest)
            self._samples.add("memory", server.name, "peak", peak)


def _turned(servers: tuple[Server, ...], number: int) -> tuple[Server, ...]:
    """Another one is first in each round."""
    start = number % len(servers)
    return servers[start:] + servers[:start]
