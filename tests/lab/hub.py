"""The hub: a registry on the lab's network that serves images as Docker Hub does, without accounts or TLS.

Its content is part of its own image, which is made once. Hosts have it as their daemon's registry mirror.
"""

import tempfile
import time
import urllib.error
import urllib.request

from tests.lab import gotools, images
from tests.lab.docker import docker, environment, inspect
from tests.lab.lab import IP_LABEL, Lab
from tests.lab.locks import locked
from tests.lab.log import step
from tests.lab.run import LabError, stream

PORT = 5000
STORE = "/var/lib/hub"
ENVIRONMENT = (
    "-e", "OTEL_TRACES_EXPORTER=none",
    "-e", f"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY={STORE}",
    "-e", "REGISTRY_STORAGE_DELETE_ENABLED=true",
)  # fmt: skip


def start_hub(lab: Lab) -> str:
    """Start (or find) the hub of `lab`, named `LAB-hub` and reached as `hub:5000` there; returns its address."""
    image = hub_image()
    name = f"{lab.name}-hub"
    address = str(lab.subnet[2])
    with locked(f"lab-{lab.name}-addresses"):
        found = inspect("container", name)
        if found is None:
            argv = [
                "--network",
                lab.name,
                "--ip",
                address,
                "--network-alias",
                "hub",
                "--label",
                f"{IP_LABEL}={address}",
            ]
            docker("run", "-d", "--name", name, *argv, *lab.labels(), *ENVIRONMENT, image)
        elif not found["State"]["Running"]:
            docker("start", name)
    _wait(f"{address}:{PORT}")
    return address


def push(lab: Lab, image: str, reference: str) -> None:
    """Make the hub of `lab` serve the local `image` as `reference` (`nginx:TAG` or `someone/name:TAG`)."""
    _push(image, f"{lab.subnet[2]}:{PORT}", reference)


def hub_image() -> str:
    """The reference of the hub's image, made if it isn't there."""
    reference = f"{images.PREFIX}/hub:{images.hub_key()}"
    if inspect("image", reference) is not None:
        return reference
    with locked("image-hub"):
        if inspect("image", reference) is None:
            images.build_all(["registry-3"] if images.docker_hub_answers() else images.HUB_IMAGES.values())
            _make(reference)
    return reference


def _make(reference: str) -> None:
    """Fill a registry with the images and keep it, content and all, as an image."""
    sources = {wanted: images.source_image(wanted) for wanted in images.HUB_IMAGES}
    maker = f"{images.PREFIX}-hub-maker"
    docker("rm", "--force", "--volumes", maker, check=False)
    with step("images: hub"):
        publish = ["-p", f"127.0.0.1::{PORT}"]
        docker("run", "-d", "--name", maker, *publish, *ENVIRONMENT, images.build("registry-3"))
        try:
            address = docker("port", maker, str(PORT)).stdout.split()[0]
            _wait(address)
            for wanted, image in sources.items():
                _push(image, address, wanted)
            docker("stop", maker)
            docker("commit", maker, reference)
        finally:
            docker("rm", "--force", "--volumes", maker)


def _push(image: str, address: str, reference: str) -> None:
    path = reference if "/" in reference else f"library/{reference}"
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as folder:
        archive = f"{folder}/image.tar"
        docker("save", "--output", archive, image)
        crane = str(gotools.build("crane"))
        stream([crane, "push", "--insecure", archive, f"{address}/{path}"], log="hub", env=environment())


def _wait(address: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=2):
                return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > deadline:
                raise LabError(f"the hub does not answer on {address}") from None
            time.sleep(0.1)
