"""Everything slow at once: the engine, the clients, the images. The second time it takes no time."""

from concurrent.futures import ThreadPoolExecutor

from tests.lab import gotools, images
from tests.lab.engine import engine
from tests.lab.hub import hub_image


def prepare(suite: str) -> None:
    """Build or fetch what hosts of Debian `suite` and their stacks need, the engine while the images are made."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        for job in [pool.submit(_programs), pool.submit(_images, suite)]:
            job.result()


def _programs() -> None:
    gotools.build("registry")
    engine()
    gotools.build("crane")
    gotools.build("regctl")


def _images(suite: str) -> None:
    images.build_all([f"host-blank-{suite}", f"host-ready-{suite}"])
    hub_image()
