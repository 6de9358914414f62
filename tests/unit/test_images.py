"""The images on the host."""

from __future__ import annotations

import pytest

from tests.unit.assembly import assembled
from tests.unit.config.stack import Stack
from tests.unit.recorder import Recording


def _images(preview: bool, changes: Stack | None = None) -> Recording:
    return assembled("images", preview, changes)


def test_the_defaults_are_pinned_by_tag(preview: bool) -> None:
    """Three images, each by the version that the settings' defaults name."""
    run = _images(preview)
    names = {image.name: image.inputs["name"] for image in run.of_type("docker:index/remoteImage:RemoteImage")}
    assert names == {
        "i-nginx": "nginx:1.28.0",
        "i-registry": "registry:3.1.2",
        "i-ui": "joxit/docker-registry-ui:2.6.0",
    }


@pytest.mark.parametrize("key", ["nginx", "registry", "ui"])
def test_another_reference_is_pulled_as_it_is_written(preview: bool, key: str) -> None:
    """With registry, port, tag and digest."""
    reference = f"images.example.net:5000/team/it:3.1.2@sha256:{'0f' * 32}"
    assert _images(preview, {"images": {key: reference}})[f"i-{key}"].inputs["name"] == reference


def test_an_image_is_never_removed(preview: bool) -> None:
    """Not under a container's feet, and not at destroy: it may be the way back."""
    for image in _images(preview).of_type("docker:index/remoteImage:RemoteImage"):
        assert image.inputs["keepLocally"] is True
        assert image.inputs.get("forceRemove") is None
