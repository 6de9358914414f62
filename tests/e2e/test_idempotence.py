"""A deployed stack stays as it is, and what was changed by hand comes back."""

import pytest

from tests.e2e.support import Deployed, runs, wait_until_healthy

pytestmark = pytest.mark.e2e


def test_nothing_changes_after_up_nor_after_refresh(deployed: Deployed) -> None:
    """After `up` a preview is empty; after `refresh` it is so still, and the containers run on."""
    before = runs(deployed.host)
    deployed.stack.preview("--expect-no-changes")
    deployed.stack.refresh("--expect-no-changes")
    deployed.stack.preview("--expect-no-changes")
    assert runs(deployed.host) == before


def test_containers_stopped_and_removed_by_hand_come_back(deployed: Deployed) -> None:
    """`refresh` and `up` bring back a container removed on the host and one that was stopped; the rest runs on."""
    before = runs(deployed.host)
    deployed.host.run("docker rm --force nginx && docker stop registry")
    deployed.stack.refresh()
    deployed.stack.up()
    wait_until_healthy(deployed.host)
    assert deployed.get("/v2/", password=deployed.password).status == 200
    deployed.stack.preview("--expect-no-changes")
    assert runs(deployed.host)["registry-ui"] == before["registry-ui"]
