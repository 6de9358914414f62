"""Retention by last pulls, on the shared registry: what nobody pulls goes, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.artifacts import Repository, image, index, pushed
from tests.e2e.role_users import forget, restored
from tests.e2e.support import USER, Deployed

pytestmark = pytest.mark.e2e

NAME, BESIDE = "unpulled/app", "unpulled-beside/app"
DAYS = 30
DAY = 86400
LOG = "/var/opt/nginx/logs/traffic"
COUNTED_FOR_A_YEAR = """
import sys, time
sys.path.insert(0, "/usr/local/lib/docker-registry")
from registryctl.metrics import store
from registryctl.metrics.traffic import Pulls
with store.opened(store.of_host()) as kept:
    state = kept.load()
    state.since = time.time() - 365 * 86400
    kept.save(state, Pulls())
"""
"""What the host would have kept. Nobody counts meanwhile: who does locks the log."""


@pytest.fixture
def registry(deployed: Deployed) -> Iterator[Deployed]:
    """The shared registry, with a policy for what this test pushes alone; what was counted goes with the metrics."""
    settings = {
        "metrics": {"enabled": True},
        "retention": {"mode": "on", "policies": [{"repositories": [NAME], "unpulledDays": DAYS}]},
        "gc": {"maxShare": 100},
    }
    with restored(deployed):
        deployed.stack.configure({**deployed.settings, **settings})
        deployed.stack.up()
        yield deployed
        forget(deployed, NAME.partition("/")[0], BESIDE.partition("/")[0])


def _retention(registry: Deployed, *words: str) -> set[str]:
    """Which tags and images it drops."""
    done = registry.host.run(["registry-retention", *words])
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith("delete ")}


def _pulled(registry: Deployed, days: dict[str, float]) -> None:
    """The proxy's log of pulls so many days ago."""
    lines = [f"{tag} {time.time() - ago * DAY:.3f}" for tag, ago in days.items()]
    words = " ".join(f"'manifest|200||200||={USER}|{NAME}' '{line}'" for line in lines)
    registry.host.run(rf"printf '%s\t1\t1\t0.001\t%s\n' {words} >>{LOG}")


def test_what_nobody_pulls_goes(registry: Deployed) -> None:
    """Once counting is as old as the bound; pulls of the past are in the proxy's log, those of today are real."""
    repository, beside = Repository(registry, NAME), Repository(registry, BESIDE)
    arm = image("unpulled arm")
    images = {tag: image(f"unpulled {tag}") for tag in ("never", "long-ago", "of-late", "by-tag", "by-digest", "new")}
    images["by-platform"] = index(image("unpulled amd"), arm)
    for tag, one in images.items():
        repository.push(one, tag)
    beside.push(images["never"], "never")
    old = [f"{NAME}:{tag}" for tag in images if tag != "new"]
    pushed(registry.host, dict.fromkeys([*old, f"{BESIDE}:never"], 90.0))
    _pulled(registry, {"long-ago": 60, "of-late": 10})

    # Before somebody counted, all may have been pulled.
    assert _retention(registry) == set()
    assert repository.tags() == images.keys()

    registry.host.run(["flock", LOG, "python3", "-IB", "-c", COUNTED_FOR_A_YEAR])
    repository.digest("by-tag")
    assert repository.has(images["by-digest"])
    assert repository.has(arm)
    gone = {"never", "long-ago"}
    dropped = {f"{NAME}:{tag}" for tag in gone} | {f"{NAME}@{images[tag].digest}" for tag in gone}
    # The proxy writes what it has after a second.
    end = time.monotonic() + 30
    while (found := _retention(registry, "--dry-run")) != dropped:
        assert time.monotonic() < end, found
        time.sleep(0.3)
    assert _retention(registry) == dropped
    assert repository.tags() == images.keys() - gone
    for tag, one in images.items():
        assert repository.has(one) == (tag not in gone), tag
    assert beside.tags() == {"never"}
    assert beside.has(images["never"])
    assert _retention(registry) == set()
