"""Everything slow at once: the engine, the clients, the images. The second time it takes no time."""

from concurrent.futures import ThreadPoolExecutor

from tests.lab import gotools, images
from tests.lab.engine import engine
from tests.lab.hub import hub_image


def prepare() -> None:
    """Build or fetch what hosts and stacks need, the engine while the images are made."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        for job in [pool.submit(_programs), pool.submit(_images)]:
            job.result()


def _programs() -> None:
    gotools.build("registry")
    engine()
    gotools.build("crane")
    gotools.build("regctl")


def _images() -> None:
    images.build_all(["host-blank", "host-ready", "host-client", "pebble"])
    hub_image()
