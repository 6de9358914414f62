"""The volumes over the directories of images and logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.assembly import assembled
from tests.unit.config.stack import Stack
from tests.unit.recorder import STACK_NAME, Recording

PLACES = {
    "registry-data": "docker-registry/data",
    "registry-logs": "docker-registry/logs",
    "registry-ui-logs": "docker-registry-ui/logs",
}


def _volumes(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("volumes", preview, changes)


@pytest.mark.parametrize("root", ["/var/opt", "/srv/registry"])
def test_each_is_bound_to_its_directory(preview: bool, root: str) -> None:
    """The images lie where an administrator finds them, below the storage root."""
    run = _volumes(preview, {"storage": {"root": root}})
    for name, place in PLACES.items():
        assert run[f"v-{name}"].inputs == {
            "name": name,
            "driver": "local",
            "driverOpts": {"type": "none", "o": "bind", "device": f"{root}/{place}"},
            "labels": [{"label": "docker-registry.stack", "value": STACK_NAME}],
        }


@pytest.mark.parametrize("root", ["/var/opt", "/srv/registry"])
def test_the_directories_are_root_s_alone(preview: bool, root: str) -> None:
    """Made before the volumes, parents first."""
    run = _volumes(preview, {"storage": {"root": root}})
    places = ["docker-registry", "docker-registry-ui", *PLACES.values()]
    own = [f"0700 root:root {root}/{place}" for place in places]
    # What is in there is closed by what it lies in, and the proxy is let in from below.
    files = f"0755 root:root {root}/docker-registry/data/docker"
    lines = run["v-prepare"].inputs["stdin"].splitlines()
    assert {*own, files} <= set(lines)
    paths = [line.split()[2] for line in lines]
    for index, path in enumerate(paths):
        assert str(Path(path).parent) in [root, "/run", *paths[:index]], path
    for name in PLACES:
        assert "v-prepare" in run[f"v-{name}"].depends_on


def test_a_volume_that_lies_elsewhere_is_refused(preview: bool) -> None:
    """Docker would take it silently, and the images would seem lost: each pair is checked first."""
    inputs = _volumes(preview)["v-prepare"].inputs
    words, lines = inputs["create"].split(), inputs["stdin"].count("\n")
    assert words[0].endswith("/prepare-volumes")
    assert words[1:] == [str(lines), *(f"{name}=/var/opt/{place}" for name, place in PLACES.items())]


def test_they_are_retained(preview: bool) -> None:
    """By a destroy and by a replacement."""
    assert all(volume.retain_on_delete for volume in _volumes(preview).of_type("docker:index/volume:Volume"))
