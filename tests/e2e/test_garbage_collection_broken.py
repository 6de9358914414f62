"""Whatever breaks a clean-up, writes are back without help, all images are whole, and the next run completes it."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.breaking import (
    Act,
    Point,
    can_write,
    kill_registry,
    kill_run,
    litter,
    power_cycle,
    reboot,
    restart_docker,
    stop_service,
)
from tests.e2e.clean_up import Kept, clean_up, held, journal, stored, within
from tests.e2e.content import digest_of, forget
from tests.e2e.support import Deployed, wait_until_healthy

pytestmark = pytest.mark.e2e

PLAN, DRAIN, SWEEP = Point("plan"), Point("drain"), Point("sweep")

BREAKS: tuple[tuple[Point, Act], ...] = (
    (PLAN, kill_run),
    (PLAN, kill_registry),
    (DRAIN, kill_run),
    (DRAIN, kill_registry),
    (DRAIN, restart_docker),
    (DRAIN, power_cycle),
    (SWEEP, kill_run),
    (SWEEP, stop_service),
    (SWEEP, kill_registry),
    (SWEEP, restart_docker),
    (SWEEP, reboot),
    (SWEEP, power_cycle),
)

WRITES_SECONDS = 90
"""A run that survives goes on to its end, which lets writes go on."""


@pytest.fixture(scope="module")
def kept(deployed: Deployed) -> Iterator[Kept]:
    """Images that must survive all of this module."""
    # What other tests left may be the larger part, and `gc.maxShare` would hold.
    assert clean_up(deployed.host, "--force").code == 0
    yield Kept.push(deployed, "broken/kept", size=5_000_000)
    forget(deployed, "broken/kept/inner", "broken/kept")
    assert clean_up(deployed.host, "--force").code == 0


@pytest.mark.parametrize(("point", "act"), BREAKS, ids=[f"{act.__name__} in the {point.name}" for point, act in BREAKS])
def test_writes_are_back_and_images_whole_after(
    point: Point, act: Act, deployed: Deployed, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody does anything on the host but to break it."""
    litter(deployed.host)
    with point.reached(deployed):
        act(deployed.host)
        broken = time.monotonic()
    assert within(WRITES_SECONDS, lambda: can_write(deployed)), journal(deployed.host)
    with capsys.disabled():
        print(f" writes back {time.monotonic() - broken:.1f} s later", end="")
    assert not held(deployed.host)
    wait_until_healthy(deployed.host)
    kept.check()
    # What was left behind is no burden for the next run, or was done by the one that went on.
    done = clean_up(deployed.host)
    assert done.code == 0, done.said
    assert not stored(deployed.host, digest_of(b"0 of no image\n"))
    assert not stored(deployed.host, digest_of(b"2999 of no image\n"))
    kept.check()
