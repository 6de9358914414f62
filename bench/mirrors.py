"""Pulls through a mirror, beside the registry's own images, the other registry itself, and Distribution's mirror."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from bench.contenders.serving.content import IMAGE, LAYER_BYTES, LAYERS, SMALL_IMAGE, Content, fill
from bench.contenders.serving.load import Load
from bench.contenders.serving.place import FOLDER, Place, place, put_logins
from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import (
    ALONE,
    ALONE_FAR,
    FAR_MEGABYTES,
    MIRROR_ALONE,
    MIRROR_FAR,
    OTHER,
    OTHER_FAR,
    PROGRAM,
    Server,
    Servers,
)
from bench.measure import Part, Ratio, Table
from bench.promises import ratio
from tests.lab.log import step

ROUNDS = 5
SECONDS = 2
CONNECTIONS = 16
PULLERS = 8
LOADS = PULLS = 3

PREFIX, FAR_PREFIX = "plain.example.org", "far.example.org"
OWN, MIRRORED, HANDED_ON = "own images", "a mirror's images", "a mirror's, without nginx.mirrorFastPath"
SETTINGS = {
    "mirrors": [
        {"prefix": PREFIX, "upstream": OTHER, "insecure": True},
        {"prefix": FAR_PREFIX, "upstream": OTHER_FAR, "insecure": True},
    ],
    "nginx": {"mirrorFastPath": True},
}


@dataclass(frozen=True)
class _Mirror(Server):
    """This program's, as one of its mirrors."""

    prefix: str = ""


_MIRROR, _FAR_MIRROR = (
    _Mirror(MIRRORED, PROGRAM.port, PROGRAM.containers, prefix=prefix) for prefix in (PREFIX, FAR_PREFIX)
)
_WARM = (replace(PROGRAM, name=OWN), _MIRROR, MIRROR_ALONE)
_COLD = (ALONE, _MIRROR, MIRROR_ALONE)
_FAR = (ALONE_FAR, _FAR_MIRROR, MIRROR_FAR)
_WARM_COLUMNS = {"large": "large blob, MB/s", "small": "small blobs, requests/s", "pull": "8 clients, s"}
_NOTE = (
    f"Medians of {ROUNDS} rounds, in each of which another begins. The other registry is on the same host, and asked "
    "without TLS; all clients come with TLS. Distribution's mirror is set up as its documentation has it, and asks "
    "nobody for a password. "
)
_WARM_NOTE = (
    f"All of it was pulled before, {LOADS} times a round. Blobs over {CONNECTIONS} connections: of fewer, all may come "
    f"to one of nginx's two workers. More of them is better. An image of {LAYERS} layers by {PULLERS} clients at once: "
    "less is."
)
_COLD_NOTE = f"By one client, an image of {LAYERS} layers that nobody has pulled yet. Less is better."
_FAR_NOTE = (
    f"{_COLD_NOTE} Here the other registry is as one across the internet: each connection to it, whether of the client "
    f"or of a mirror, gets {FAR_MEGABYTES} MB/s, by a relay in front of it, and has no delay besides."
)


def run() -> Part:
    """Measures it all, some nine minutes long, and removes what it made."""
    with place(settings=SETTINGS) as spot:
        servers = Servers(spot)
        servers.start_registries()
        servers.start_lines()
        servers.start_mirror(MIRROR_ALONE, OTHER)
        servers.start_mirror(MIRROR_FAR, OTHER_FAR)
        load = Load(spot)
        content = fill(spot, load)
        put_logins(spot, [PROGRAM.authority, ALONE.authority, ALONE_FAR.authority])
        samples = _Measuring(spot, load, content).all()
    tables = (
        Table("What was pulled before", tuple(_WARM_COLUMNS.values()), samples.rows("warm", tuple(_WARM_COLUMNS))),
        Table("What is pulled first", ("1 client, s",), samples.rows("cold", ("pull",))),
        Table("What is pulled first, from afar", ("1 client, s",), samples.rows("far", ("pull",))),
    )
    notes = (_NOTE + _WARM_NOTE, _NOTE + _COLD_NOTE, _NOTE + _FAR_NOTE)
    return Part(
        "mirrors", tuple(replace(table, note=note) for table, note in zip(tables, notes, strict=True)), _ratios(samples)
    )


class _Measuring:
    """One quantity after the other, each of all ways to the same images, in turns."""

    def __init__(self, spot: Place, load: Load, content: Content) -> None:
        self._client = spot.client
        self._load = load
        self._content = content
        self._samples = Samples()

    def all(self) -> Samples:
        """The samples of everything."""
        with step("bench: images that nobody has pulled, and the first pull of all others"):
            for number in range(ROUNDS):
                self._load.image(PROGRAM, f"{_cold(number)}:1", LAYERS, LAYER_BYTES, 0)
            for server in _WARM:
                self._warm_up(server)
        kinds: dict[str, Callable[[int], None]] = {
            "cold": partial(self._cold, "cold", _COLD),
            "far": partial(self._cold, "far", _FAR),
            "warm": self._warm,
            "whole": self._pulls,
        }
        for number in range(ROUNDS):
            for kind, measure in kinds.items():
                with step(f"bench: {kind} pulls, round {number + 1} of {ROUNDS}"):
                    measure(number)
        return self._samples

    def _warm_up(self, server: Server) -> None:
        for image in (SMALL_IMAGE, IMAGE):
            self._load.pull(server, _name(server, f"{image}:1"), 1)
        # The large blob is in no image. A load would not wait for all of it.
        account = f"{FOLDER}/{server.account or 'nobody'}.curl"
        large = f"/v2/{_name(server, f'bench/large-1/blobs/{self._content.large.digest}')}"
        self._client.run(["curl", "-K", account, "-o", "/dev/null", f"{server.address}{large}"], timeout=300)
        if server is _MIRROR:
            for paths in ("large", "small"):
                listed = self._client.get_file(f"{FOLDER}/{paths}.paths").split()
                there = [path.replace("/v2/", f"/v2/{PREFIX}/") for path in listed]
                self._load.list_paths(f"mirrored-{paths}", there)
                # So spelt, the proxy leaves it to the mirror.
                self._load.list_paths(f"handed-{paths}", [path.replace("sha256:", "sha256%3A") for path in there])

    def _warm(self, number: int) -> None:
        for turn in range(LOADS):
            for server in _turned(_WARM, number + turn):
                for paths in ("large", "small"):
                    ways = {MIRRORED: f"mirrored-{paths}", HANDED_ON: f"handed-{paths}"}
                    for name, listed in (ways if server is _MIRROR else {server.name: paths}).items():
                        got = self._load.get(server, listed, CONNECTIONS, SECONDS)
                        self._samples.add("warm", name, paths, got.megabytes if paths == "large" else got.rate)

    def _pulls(self, number: int) -> None:
        """Apart from the loads: what these leave to be done would be a pull's to bear."""
        for turn in range(PULLS):
            for server in _turned(_WARM, number + turn):
                seconds = self._load.pull(server, _name(server, f"{IMAGE}:1"), PULLERS)
                self._samples.add("warm", server.name, "pull", seconds)

    def _cold(self, quantity: str, servers: tuple[Server, ...], number: int) -> None:
        for server in _turned(servers, number):
            seconds = self._load.pull(server, _name(server, f"{_cold(number)}:1"), 1)
            self._samples.add(quantity, server.name, "pull", seconds)


def _cold(number: int) -> str:
    return f"bench/cold{number}"


def _name(server: Server, name: str) -> str:
    return f"{server.prefix}/{name}" if isinstance(server, _Mirror) else name


def _turned(servers: tuple[Server, ...], number: int) -> tuple[Server, ...]:
    start = number % len(servers)
    return servers[start:] + servers[:start]


def _ratios(samples: Samples) -> tuple[Ratio, ...]:
    def warm(column: str) -> float:
        return samples.median("warm", MIRRORED, column) / samples.median("warm", OWN, column)

    def first(quantity: str) -> float:
        return samples.median(quantity, ALONE.name, "pull") / samples.median(quantity, MIRRORED, "pull")

    return (
        ratio("mirrored_large_blob", warm("large")),
        ratio("mirrored_small_blob", warm("small")),
        ratio("mirrored_pull", 1 / warm("pull")),
        ratio("first_pull", first("cold")),
        ratio("first_pull_far", first("far")),
    )
