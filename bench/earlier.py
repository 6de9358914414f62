"""Pulls, logins and pushes through this program and through its earlier version, in turns in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.serving.content import Content, fill, forget_pushed
from bench.contenders.serving.load import Load
from bench.contenders.serving.place import Place, lab_name, place, put_logins
from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import ALONE, PROGRAM, Server, Servers
from bench.measure import Part, Ratio, Table
from bench.promises import ratio
from tests.lab import earlier
from tests.lab.log import step

ROUNDS = 5
SECONDS = 3
CLIENTS = 4
CONNECTIONS = 16

NOW, BEFORE, DIRECT = "this program", "commit 27e0b9f", "registry alone, TLS and htpasswd"
RATES = {"small": "small blobs", "tag": "manifests by tag", "digest": "manifests by digest", "login": "logins"}

_NOTE = (
    "Two labs, each with a registry and a client of its own, on the same two cores; only one has a load at a time, and "
    f"another begins in each of the {ROUNDS} rounds. Medians, and the spread in brackets. Pushes by {CLIENTS} clients, "
    f"pulls over {CONNECTIONS} connections: of fewer, all may come to one of nginx's two workers. Logins are of an "
    "account whose password is remembered, as of every client that comes again. CPU is that of the proxy and the "
    "registry together; less is better, of all else more."
)


@dataclass(frozen=True)
class _Side:
    """One of the two versions, with its load."""

    name: str
    spot: Place
    load: Load
    content: Content


def run() -> Part:
    """Measures both, some ten minutes long, and removes what it made."""
    with (
        place(f"{lab_name()}-now") as now,
        place(f"{lab_name()}-before", earlier.program(), earlier.SETTINGS) as before,
    ):
        sides = [_side(NOW, now), _side(BEFORE, before)]
        samples = _measured(sides)
    return Part("earlier", _tables(samples), _ratios(samples))


def _side(name: str, spot: Place) -> _Side:
    Servers(spot).start_registries()
    load = Load(spot)
    content = fill(spot, load)
    load.list_paths("login", ["/v2/"])
    put_logins(spot, [PROGRAM.authority, ALONE.authority])
    side = _Side(name, spot, load, content)
    # A load that nobody looks at comes first: files are in memory then.
    for paths in ("large", *RATES):
        load.get(PROGRAM, paths, 1, 1)
    _push(side, PROGRAM)
    return side


def _measured(sides: Sequence[_Side]) -> Samples:
    samples = Samples()
    for number in range(ROUNDS):
        turned = list(sides) if number % 2 else list(reversed(sides))
        with step(f"bench: pulls and logins, round {number + 1} of {ROUNDS}"):
            for side in turned:
                samples.add("pull", side.name, "large", side.load.get(PROGRAM, "large", CONNECTIONS, SECONDS).megabytes)
            for paths in RATES:
                for side in turned:
                    samples.add("pull", side.name, paths, side.load.get(PROGRAM, paths, CONNECTIONS, SECONDS).rate)
        with step(f"bench: pushes, round {number + 1} of {ROUNDS}"):
            for side in turned:
                _pushes(side, samples)
    return samples


def _pushes(side: _Side, samples: Samples) -> None:
    before = side.load.cpu(PROGRAM)
    samples.add("push", side.name, "push", _push(side, PROGRAM))
    spent = side.load.cpu(PROGRAM) - before
    samples.add("push", side.name, "cpu", spent / (side.content.pushed.size * CLIENTS / 1e9))
    if side.name == NOW:
        samples.add("push", DIRECT, "push", _push(side, ALONE))


def _push(side: _Side, server: Server) -> float:
    try:
        return side.load.push(server, side.content.pushed, CLIENTS)
    finally:
        forget_pushed(side.spot, side.content)


def _tables(samples: Samples) -> tuple[Table, ...]:
    names = tuple(f"{name}, requests/s" for name in RATES.values())
    return (
        Table("Pulls and logins", ("large blobs, MB/s", *names), samples.rows("pull", ("large", *RATES)), _NOTE),
        Table("Pushes", ("4 clients, MB/s", "CPU s/GB"), samples.rows("push", ("push", "cpu"))),
    )


def _ratios(samples: Samples) -> tuple[Ratio, ...]:
    def against(quantity: str, column: str, other: str = BEFORE) -> float:
        return samples.median(quantity, NOW, column) / samples.median(quantity, other, column)

    return (
        ratio("large_blob_vs_earlier", against("pull", "large")),
        ratio("small_blob_vs_earlier", against("pull", "small")),
        ratio("tag_vs_earlier", against("pull", "tag")),
        ratio("digest_vs_earlier", against("pull", "digest")),
        ratio("login_vs_earlier", against("pull", "login")),
        ratio("push_vs_earlier", against("push", "push")),
        ratio("push_cpu_vs_earlier", against("push", "cpu")),
        ratio("push_vs_direct", against("push", "push", DIRECT)),
    )
