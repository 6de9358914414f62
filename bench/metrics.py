"""What metrics cost: pulls through a registry with them and through one without, in turns in one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders.serving.content import fill
from bench.contenders.serving.load import Load
from bench.contenders.serving.place import Place, lab_name, place
from bench.contenders.serving.samples import Samples
from bench.contenders.serving.servers import PROGRAM, Servers
from bench.measure import Part, Ratio, Table
from bench.promises import ratio
from tests.lab.log import step

ROUNDS = 5
SECONDS = 3
CLIENTS = 4
CONNECTIONS = 16
MINUTE = 60

WITH, WITHOUT = "metrics", "no metrics"
SETTINGS = {"metrics": {"enabled": True}}

# What the timer starts, and what it and its children had of the processor.
_RUN = """
import resource, subprocess
subprocess.run(["systemctl", "cat", "docker-registry-metrics.timer"], check=True, stdout=subprocess.DEVNULL)
before = resource.getrusage(resource.RUSAGE_CHILDREN)
subprocess.run(["registryctl", "metrics", "--publish"], check=True)
after = resource.getrusage(resource.RUSAGE_CHILDREN)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""

_NOTE = (
    "Two labs, each with a registry and a client of its own, on the same two cores; only one has a load at a time, and "
    f"another begins in each of the {ROUNDS} rounds. Medians, and the spread in brackets. Small blobs over "
    f"{CONNECTIONS} connections, the large blob by {CLIENTS} clients. The timer writes metrics every minute meanwhile. "
    "CPU is that of the proxy and the registry together and, with metrics, a twentieth of the run that counts the "
    "load: it is there once a minute, and a load lasts three seconds. Less CPU is better, of all else more."
)


@dataclass(frozen=True)
class _Side:
    name: str
    spot: Place
    load: Load


def run() -> Part:
    """Measures both, some five minutes long, and removes what it made."""
    with place(f"{lab_name()}-on", settings=SETTINGS) as first, place(f"{lab_name()}-off") as second:
        samples = _measured([_side(WITH, first), _side(WITHOUT, second)])
    columns = {
        "small": "small blobs, requests/s",
        "large": "large blob, MB/s",
        "cpu": "CPU s/GB",
        "run": "a run, CPU s",
    }
    table = Table("With and without metrics", tuple(columns.values()), samples.rows("pull", tuple(columns)), _NOTE)
    return Part("metrics", (table,), _ratios(samples))


def _side(name: str, spot: Place) -> _Side:
    Servers(spot).start_registries()
    side = _Side(name, spot, Load(spot))
    fill(spot, side.load)
    # A load that nobody looks at comes first: files are in memory then.
    for paths in ("large", "small"):
        side.load.get(PROGRAM, paths, 1, 1)
    return side


def _measured(sides: Sequence[_Side]) -> Samples:
    samples = Samples()
    for number in range(ROUNDS):
        turned = list(sides) if number % 2 else list(reversed(sides))
        with step(f"bench: with and without metrics, round {number + 1} of {ROUNDS}"):
            for side in turned:
                samples.add("pull", side.name, "small", side.load.get(PROGRAM, "small", CONNECTIONS, SECONDS).rate)
            counting = {side.name: _run(side) if side.name == WITH else 0.0 for side in turned}
            for side in turned:
                before = side.load.cpu(PROGRAM)
                got = side.load.get(PROGRAM, "large", CLIENTS, SECONDS)
                spent = side.load.cpu(PROGRAM) - before + counting[side.name] * SECONDS / MINUTE
                samples.add("pull", side.name, "large", got.megabytes)
                samples.add("pull", side.name, "cpu", spent / (got.bytes / 1e9))
                if side.name == WITH:
                    samples.add("pull", side.name, "run", counting[side.name])
    return samples


def _run(side: _Side) -> float:
    """CPU seconds of one, which counts the load of before: more than an ordinary minute has."""
    return float(side.spot.host.run(["python3", "-c", _RUN]).stdout)


def _ratios(samples: Samples) -> tuple[Ratio, ...]:
    def against(column: str) -> float:
        return samples.median("pull", WITH, column) / samples.median("pull", WITHOUT, column)

    return ratio("small_blob_with_metrics", against("small")), ratio("cpu_per_gb_with_metrics", against("cpu"))
