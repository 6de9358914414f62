"""The first `up` on a blank host, by this program and by its earlier version, in turns in one run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.contenders.setup import IMAGES
from bench.measure import Part, Table, series
from bench.promises import ratio
from bench.stage import cleared
from tests.lab import earlier
from tests.lab.host import LabHost
from tests.lab.hub import start_hub
from tests.lab.lab import Lab, default_name
from tests.lab.log import step
from tests.lab.paths import ROOT
from tests.lab.stack import LabStack, default_config

FQDN = "first.example.net"
ROUNDS = 3
NOW, BEFORE = "this program", "commit 27e0b9f"
NOTE = (
    f"Seconds, less is better; medians (least to most) of {ROUNDS} rounds, each on a new host with Docker and the "
    "images, but nothing else, with a self-signed certificate and one account."
)


def run() -> Part:
    """Measures both, some five minutes long, and removes what it made."""
    programs: dict[str, tuple[Path, Mapping[str, Any]]] = {
        NOW: (ROOT, {}),
        BEFORE: (earlier.program(), earlier.SETTINGS),
    }
    found: dict[str, list[float]] = {name: [] for name in programs}
    name = f"{default_name()}-bench-first"
    with cleared(name):
        lab = Lab.open(name)
        start_hub(lab)
        for number in range(ROUNDS):
            for side in sorted(programs, reverse=bool(number % 2)):
                with step(f"bench: first up of {side}, {number + 1} of {ROUNDS}"):
                    found[side].append(_first_up(lab, *programs[side]))
    now, before = (series(found[side]) for side in (NOW, BEFORE))
    table = Table("The first `up`", ("s",), {NOW: (now,), BEFORE: (before,)}, NOTE)
    return Part("first", (table,), (ratio("first_up_vs_earlier", now.median / before.median),))


def _first_up(lab: Lab, program: Path, settings: Mapping[str, Any]) -> float:
    host = LabHost.start("registry", "ready", aliases=[FQDN], lab=lab)
    stack = LabStack(lab.name, host, program)
    try:
        for image in (IMAGES.nginx, IMAGES.registry, IMAGES.ui, IMAGES.certbot, earlier.GONE_IMAGE):
            host.run(["docker", "pull", "--quiet", str(image)])
        stack.init()
        stack.configure({**default_config(host, FQDN), **settings})
        started = time.perf_counter()
        stack.up()
        return time.perf_counter() - started
    finally:
        stack.remove()
        host.remove()
