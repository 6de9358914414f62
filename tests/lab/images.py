"""The images of the lab: hosts, and what a host pulls from its hub.

Names and tags of the pulled images are those that the program asks for by default. Where Docker Hub answers, the
official images are used; else stand-ins are built from distribution packages and Go modules.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.lab import gotools, wheels
from tests.lab.debian import UBUNTU_SUITES, base_image, base_key
from tests.lab.docker import docker, environment, inspect
from tests.lab.locks import locked
from tests.lab.log import say, step
from tests.lab.paths import LAB_SOURCES
from tests.lab.run import CommandError, stream

RECIPES = LAB_SOURCES / "images"
PREFIX = "docker-registry-lab"
HUB_PROBE_SECONDS = 20

SUITES = ("bookworm", "trixie")
"""The Debian releases that hosts have: 12 and 13. The last is what a host has unless another is asked for."""


@dataclass(frozen=True)
class Recipe:
    """How one image is made: a folder under `images/`, the image it starts from, Go tools it contains.

    The folder has the recipe's name, or that of `folder`, where several are made alike.
    With `python` (its version in the image), the packages of the folder's requirements.txt are put into `wheels/`.
    """

    name: str
    base_argument: str
    suite: str = ""
    parent: str = ""
    tools: tuple[str, ...] = ()
    python: str = ""
    folder: str = ""

    @property
    def path(self) -> Path:
        """Where its files are."""
        return RECIPES / (self.folder or self.name)


def _hosts(suite: str) -> tuple[Recipe, ...]:
    """Three kinds of host of one release, each made from the one before."""
    return (
        Recipe(f"host-blank-{suite}", "BASE", suite=suite, folder="host-blank"),
        Recipe(f"host-ready-{suite}", "BLANK", parent=f"host-blank-{suite}", folder="host-ready"),
        Recipe(f"host-client-{suite}", "READY", parent=f"host-ready-{suite}", folder="host-client"),
    )


RECIPE_LIST = (
    Recipe("nginx", "BASE", suite="trixie"),
    Recipe("registry-3", "BASE", suite="trixie", tools=("registry",)),
    Recipe("registry-2", "BASE", suite="trixie"),
    Recipe("busybox", "BASE", suite="trixie"),
    Recipe("ui", "NGINX", parent="nginx"),
    Recipe("certbot", "BASE", suite="trixie", python="3.13"),
    Recipe("prometheus", "BASE", suite="trixie"),
    Recipe("pebble", "BASE", suite="trixie", tools=("pebble", "pebble-challtestsrv")),
    *(recipe for suite in (*SUITES, *UBUNTU_SUITES) for recipe in _hosts(suite)),
)
RECIPES_BY_NAME = {recipe.name: recipe for recipe in RECIPE_LIST}

HUB_IMAGES = {
    "nginx:1.28.0": "nginx",
    "registry:3.1.2": "registry-3",
    "registry:2.8.3": "registry-2",
    "joxit/docker-registry-ui:2.6.0": "ui",
    "busybox:1.37.0": "busybox",
    "certbot/certbot:v5.1.0": "certbot",
}
"""What the hub serves: the reference as a user writes it → the recipe of the stand-in."""


def build(name: str) -> str:
    """The reference of the image made by recipe `name`; built if it isn't there."""
    recipe = RECIPES_BY_NAME[name]
    reference = f"{PREFIX}/{name}:{key(name)}"
    if inspect("image", reference) is not None:
        return reference
    base = build(recipe.parent) if recipe.parent else base_image(recipe.suite)
    tools = [gotools.build(tool) for tool in recipe.tools]
    with locked(f"image-{name}"):
        if inspect("image", reference) is None:
            with step(f"images: {name}"):
                _build(recipe, base, tools, reference)
    return reference


def key(name: str) -> str:
    """A short text that changes with everything that goes into the image."""
    recipe = RECIPES_BY_NAME[name]
    digest = hashlib.sha256()
    digest.update((key(recipe.parent) if recipe.parent else base_key(recipe.suite)).encode())
    for tool in recipe.tools:
        digest.update(gotools.key(tool).encode())
    for path in sorted(recipe.path.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(RECIPES)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def hub_key() -> str:
    """A short text that changes with any image that the hub serves."""
    text = " ".join(f"{reference}={key(recipe)}" for reference, recipe in sorted(HUB_IMAGES.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def source_image(reference: str) -> str:
    """A local image to serve as `reference`: pulled from Docker Hub where that answers, else the stand-in."""
    if docker_hub_answers():
        try:
            with step(f"images: pulling {reference}"):
                docker("pull", "--quiet", reference, timeout=900, log="images")
        except CommandError:
            say(f"images: Docker Hub did not give {reference}; a stand-in is built")
        else:
            return reference
    return build(HUB_IMAGES[reference])


@cache
def docker_hub_answers() -> bool:
    """Whether the daemon reaches Docker Hub; asked once, for at most HUB_PROBE_SECONDS."""
    argv = ["docker", "pull", "--quiet", "busybox:1.37.0"]
    try:
        stream(argv, log="images", env=environment(), timeout=HUB_PROBE_SECONDS)
    except CommandError:
        return False
    return True


def build_all(names: Iterable[str]) -> dict[str, str]:
    """Build several images, the bases at the same time; recipe name → reference."""
    wanted = list(names)
    missing = [name for name in wanted if inspect("image", f"{PREFIX}/{name}:{key(name)}") is None]
    suites = {_suite(name) for name in missing}
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(base_image, sorted(suites)))
        return dict(zip(wanted, pool.map(build, wanted), strict=True))


def _suite(name: str) -> str:
    recipe = RECIPES_BY_NAME[name]
    return _suite(recipe.parent) if recipe.parent else recipe.suite


def _build(recipe: Recipe, base: str, tools: list[Path], reference: str) -> None:
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as context:
        shutil.copytree(recipe.path, context, dirs_exist_ok=True)
        for tool in tools:
            shutil.copy2(tool, Path(context) / tool.name)
        if recipe.python:
            wheels.download(recipe.path / "requirements.txt", recipe.python, Path(context) / "wheels")
        stream(
            [
                "docker",
                "build",
                "--force-rm",
                "--tag",
                reference,
                "--build-arg",
                f"{recipe.base_argument}={base}",
                context,
            ],
            log=f"image-{recipe.name}",
            env=environment(),
        )
