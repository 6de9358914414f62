"""What metrics and last pulls say of mirrors: as of the registry's own, and what the other registry was spared."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.mirrors import Mirror
from config.nginx import Nginx
from registryctl.machine import RESULTS
from registryctl.metrics import reader, store
from registryctl.metrics.store import Named
from tests.registryctl.fake_machine import FakeMachine
from tests.rendering.mirror_world import MANIFEST, await_true, digest_of, mirroring, upstream
from tests.rendering.real_proxy import proxied
from tests.rendering.sites import user

pytestmark = pytest.mark.e2e

PREFIX = "hub.example.org"
NAME = f"{PREFIX}/library/app"
LAYER = b"counted" * 10_000
PULLS = 3


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "slow"])
def test_a_mirror_s_pulls_are_counted(fast: bool, tmp_path: Path) -> None:
    """By whole names, each once; a layer that is here already is a hit, and its bytes are those that were saved."""
    users = [user("alice")]
    with upstream(tmp_path / "other") as other, proxied(users) as proxy:
        mirror = Mirror(prefix=PREFIX, insecure=True, upstream=other.url)
        proxy.configure(users, nginx=Nginx(mirror_fast_path=fast), mirrors=[mirror])
        proxy.reload()
        image, layer = other.push("library/app", "1", LAYER), f"/v2/{NAME}/blobs/{digest_of(LAYER)}"
        place = proxy.home / "mirrors" / PREFIX
        (place / "data").mkdir(parents=True)
        (place / "data" / mirror.place).symlink_to(".")
        hashed = digest_of(LAYER).removeprefix("sha256:")
        link = place / f"data/docker/registry/v2/repositories/library/app/_layers/sha256/{hashed}/link"
        with mirroring(mirror, proxy.home / "run", place):
            alice = proxy.connection("alice")
            for _ in range(PULLS):
                assert alice.ask("GET", f"/v2/{NAME}/manifests/1", Accept=MANIFEST).status == 200
                assert alice.ask("HEAD", f"/v2/{NAME}/manifests/{image}", Accept=MANIFEST).status == 200
                assert alice.ask("GET", layer).body == LAYER
                await_true(link.exists)
        machine = FakeMachine(tmp_path)
        machine.real("fallocate")
        machine.path(RESULTS).mkdir(parents=True)
        machine.time = datetime.now(UTC)

        def counted() -> dict[str, list[int]]:
            found = reader.read(machine, proxy.home / "logs", Named()).sums.requests
            return {key[3]: numbers[:2] for key, numbers in found.items() if key[:3] == ("blob", PREFIX, "200")}

        # The proxy writes what it has after a second.
        await_true(lambda: sum(number for number, _ in counted().values()) == PULLS)
        assert counted() == {"miss": [1, len(LAYER)], "hit": [PULLS - 1, (PULLS - 1) * len(LAYER)]}
        with store.opened(machine.path(store.of_host())) as kept:
            pulls = kept.known(NAME).pulls
        assert {reference: its.times for reference, its in pulls.items()} == {"1": PULLS, image: PULLS}
        assert all(abs(its.last - time.time()) < 60 for its in pulls.values())
