"""How the time of what looks at all tags of a repository grows with their number."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import collecting
from bench.curve import Curve, promised, tables
from bench.filling import HALF, TENTH, fill, tag_of
from bench.measure import Part
from bench.stage import cleared
from tests.e2e.content import Api
from tests.e2e.support import Deployed, deploy
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.run import LabError
from tests.lab.stack import LabStack

SIZES = (100, 1_000, 10_000)
REPOSITORY = "growth"
FQDN = "growth.example.net"
STEP_SECONDS = 300
PART_SECONDS = 900
LISTINGS = 5
"""How often a list is asked for; it takes no time to speak of."""

CATALOGUE, TAGS = "catalogue", "list of tags"
DELETION, CLEAN_UP = "deletion of a tenth", "clean-up after it"
LOOK, RETENTION = "retention of half, dry run", "retention of half"

Seconds = dict[str, list[float]]


def lab_name() -> str:
    """The benchmark has a lab of its own, and removes it."""
    return f"{default_name()}-bench-growth"


def run() -> Part:
    """Fills one repository step by step and measures at each of the sizes."""
    with _deployed() as registry:
        found = measure(registry, SIZES)
    collected = collecting.measure()
    return Part(
        "growth",
        (*tables(found), *collecting.tables(collected)),
        (
            *promised(found, {DELETION: "deletion", CLEAN_UP: "gc", RETENTION: "retention"}),
            *collecting.promised(collected),
        ),
    )


def measure(registry: Deployed, sizes: tuple[int, ...]) -> list[Curve]:
    """The seconds of everything at each size; raises LabError when it takes too long or does not do its work."""
    bench = _Bench(registry)
    found: dict[str, dict[int, list[float]]] = {}
    for size in sizes:
        for name, samples in bench.at(size).items():
            found.setdefault(name, {})[size] = samples
    return [Curve(name, samples) for name, samples in found.items()]


@dataclass
class _Bench:
    """The registry, and the tags that it has."""

    registry: Deployed
    tags: set[str] = field(default_factory=set)
    _end: float = field(default_factory=lambda: time.monotonic() + PART_SECONDS)

    def at(self, size: int) -> Seconds:
        """Fills up to `size` tags and measures; less than half of them are left."""
        with step(f"bench: {size} tags"):
            self._fill(size)
        found = {
            CATALOGUE: [self._listed("/v2/_catalog?n=1000", "repositories", {REPOSITORY}) for _ in range(LISTINGS)],
            TAGS: [self._listed(f"/v2/{REPOSITORY}/tags/list", "tags", self.tags) for _ in range(LISTINGS)],
        }
        found[DELETION] = [self._run("docker-repository-rmi", "--yes", f"{REPOSITORY}:{TENTH}-*")]
        self._gone(TENTH)
        found[CLEAN_UP] = [self._run("registry-gc")]
        found[LOOK] = [self._run("registry-retention", "--dry-run", "--force")]
        found[RETENTION] = [self._run("registry-retention", "--force")]
        self._gone(HALF)
        # More than the half of what is stored may go by now.
        self._run("registry-gc", "--force")
        return found

    def _fill(self, size: int) -> None:
        """What is left from before stays: it is a part of the rest."""
        fill(self.registry, REPOSITORY, [number for number in range(size) if tag_of(number) not in self.tags])
        self.tags = {tag_of(number) for number in range(size)}

    def _run(self, *argv: str) -> float:
        """Runs a tool of the host; its seconds."""
        left = min(STEP_SECONDS, self._end - time.monotonic())
        if left <= 0:
            raise LabError(f"the benchmark has not ended after {PART_SECONDS} s: {argv[0]} is not measured any more")
        with step(f"bench: {' '.join(argv)}"):
            return _seconds(lambda: self.registry.host.run(list(argv), timeout=left))

    def _listed(self, path: str, key: str, expected: set[str]) -> float:
        api = Api(self.registry)
        # The connection and the check of the password are no part of it.
        api.request("GET", "/v2/")
        began = time.perf_counter()
        _, _, content = api.request("GET", path)
        seconds = time.perf_counter() - began
        api.close()
        if set(json.loads(content)[key]) != expected:
            raise LabError(f"{path} is not what was pushed")
        return seconds

    def _gone(self, kind: str) -> None:
        self.tags = {name for name in self.tags if not name.startswith(f"{kind}-")}
        self._listed(f"/v2/{REPOSITORY}/tags/list", "tags", self.tags)


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


@contextmanager
def _deployed() -> Iterator[Deployed]:
    """A host with the program's defaults and a policy that drops half; all of it is removed in any case."""
    with cleared(lab_name()):
        lab = Lab.open(lab_name())
        start_hub(lab)
        host = LabHost.start("registry", lab=lab)
        stack = LabStack(lab_name(), host)
        stack.init()
        policies = [{"repositories": [REPOSITORY], "drop": [f"{HALF}-*"]}]
        with step("bench: the first up"):
            registry = deploy(host, stack, FQDN, {"retention": {"mode": "on", "policies": policies}})
        yield registry
