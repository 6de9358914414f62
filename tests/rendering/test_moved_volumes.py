"""Images that have moved to another storage are in nobody's way."""

from __future__ import annotations

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
