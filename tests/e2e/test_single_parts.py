"""One container at a time: upgraded by itself, stopped, started and made anew, and what the next `up` makes of it."""

from collections.abc import Iterator

import pytest

from tests.e2e.support import Deployed, runs, wait_until_healthy

pytestmark = pytest.mark.e2e

OLD = "registry:2.8.3"
ONLY_THE_REGISTRY = ("--target", "**images-registry", "--target", "**registry-container")
"""The image and the container that runs it; the patterns match no other resource."""


@pytest.fixture
def another_image(deployed: Deployed) -> Iterator[None]:
    """The settings name another registry; in the end the first one runs again."""
    deployed.stack.configure({**deployed.settings, "images": {"registry": OLD}})
    yield
    deployed.stack.configure(deployed.settings)
    deployed.stack.up()


@pytest.mark.usefixtures("another_image")
def test_one_image_is_exchanged_alone(deployed: Deployed) -> None:
    """`up --target` replaces that one container, which the proxy finds; the next `up` only does what was left out."""
    before = runs(deployed.host)
    deployed.stack.up(*ONLY_THE_REGISTRY)
    after = runs(deployed.host)
    assert {name for name in before if before[name] != after[name]} == {"registry"}
    argv = ["docker", "exec", "registry", "registry", "--version"]
    assert "2.8.3" in deployed.host.run(argv).stdout
    wait_until_healthy(deployed.host)
    assert deployed.get("/v2/", password=deployed.password).status == 200
    deployed.stack.up()
    assert runs(deployed.host) == after
    deployed.stack.preview("--expect-no-changes")


def test_a_stopped_and_started_container_changes_nothing(deployed: Deployed) -> None:
    """`docker stop` and `docker start`, or `docker restart`: the next `up` finds nothing to do."""
    deployed.host.run("docker stop registry-ui && docker start registry-ui && docker restart registry")
    wait_until_healthy(deployed.host)
    before = runs(deployed.host)
    deployed.stack.refresh("--expect-no-changes")
    deployed.stack.preview("--expect-no-changes")
    assert runs(deployed.host) == before
