"""Images that have moved to another storage are in nobody's way."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost
from tests.rendering.test_host_tools import host, objects

__all__ = ["host"]


def test_images_that_were_moved_are_not_in_the_way(host: FakeHost) -> None:
    """Where a tool of the host says so; where it refuses, so does this, and where it says nothing all is as ever."""
    links = host.path("/srv/data/docker/registry/v2/repositories/r/_manifests/revisions/sha256/12")
    links.mkdir(parents=True)
    (links / "link").touch()
    tool = host.path("/usr/local/bin/registryctl")
    tool.parent.mkdir(parents=True, exist_ok=True)
    host.path("/var/lib/docker-registry").mkdir(parents=True, exist_ok=True)
    host.path("/var/lib/docker-registry/move.json").touch()
    for script, code in (('echo "$*" >&2; echo moved', 0), ("exit 16", 16), ("true", 1)):
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        done = objects(host, "acme/b", known="acme/a")
        assert done.code == code
        assert ("move ready --objects=acme/b" in done.err) == (code == 0)


def test_a_copy_beside_a_bucket_is_not_in_the_way(host: FakeHost) -> None:
    """The images were copied to files, the driver was turned, and it is turned back before the switch."""
    links = host.path("/srv/data/docker/registry/v2/repositories/r/_manifests/revisions/sha256/12")
    links.mkdir(parents=True)
    (links / "link").touch()
    assert objects(host, "acme/a", known="acme/a").code == 0
    assert objects(host, "acme/b", known="acme/a").code == 1


@pytest.mark.parametrize("changed", ["reader.yml", "config.yml"])
def test_no_container_goes_on_with_what_is_for_another(tmp_path: Path, changed: str) -> None:
    """It starts again by itself while the files of its successor come, one after the other."""
    script = Path("rootfs/var/opt/docker-registry/etc/registry-storage").read_text()
    script = script.replace("/etc/distribution", str(tmp_path)).replace("/tmp/config.yml", str(tmp_path / "its"))  # noqa: S108
    for name in ("reader.yml", "config.yml"):
        (tmp_path / name).write_text("storage:\n  filesystem:\n")
    words = ["/bin/sh", "-c", script]
    assert subprocess.run(words, check=False).returncode == 0
    assert (tmp_path / "its").read_text() == (tmp_path / "config.yml").read_text()
    (tmp_path / changed).write_text("storage:\n  s3:\n")
    assert subprocess.run(words, check=False).returncode == 1
