"""What the tools that delete images do around it: writes are held off, and what is half there is not acted on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rendering.rootfs import TOOLS
from tests.rendering.deletion_host import DeletionHost

RMI = "docker-repository-rmi"
DIGEST = "sha256:" + "0f" * 32


@pytest.fixture
def host(tmp_path: Path) -> DeletionHost:
    """A host on which retention is on."""
    return DeletionHost(tmp_path)


@pytest.mark.parametrize("code", [0, 7])
def test_writes_are_held_off_while_images_are_deleted(host: DeletionHost, code: int) -> None:
    """A tag that gets a manifest as it is deleted would be lost; whatever happens, writes come back."""
    host.code = code
    assert host.run(RMI, "--yes", "team/app:a").code == code
    assert [re.sub(r"\d+", "N", reason) for reason in host.holds] == ["deletion of images, docker-registry-deletion-N"]
    assert not host.held


def test_nobody_waits_for_a_look(host: DeletionHost) -> None:
    """Nor when retention finds nothing to do."""
    host.run(RMI, "--dry-run", "team/app:a")
    host.run("registry-retention", "--dry-run")
    host.said = "0 tags and 0 manifests of 0 repositories\n"
    assert host.run("registry-retention").out == host.said
    assert host.holds == []
    host.said = "1 tag and 0 manifests of 1 repository\n"
    assert host.run("registry-retention").out == host.said
    assert len(host.holds) == 1
    assert not host.held


def test_the_hold_of_somebody_else_stays(host: DeletionHost) -> None:
    """A deletion whose turn did not come has not held writes off, and does not let them go on."""
    hold = host.path("/run/docker-registry/hold")
    hold.write_text("garbage collection\n")
    host.path(f"{TOOLS}/hold-writes").write_text("#!/bin/sh\nexit 4\n")
    assert host.run(RMI, "--yes", "team/app:a").code == 16
    assert hold.read_text() == "garbage collection\n"
    assert host.ran == []


def test_retention_of_what_can_t_be_read_fails(host: DeletionHost) -> None:
    """Also where nothing else is to go."""
    host.said, host.code = "0 tags and 0 manifests of 0 repositories\n", 14
    assert host.run("registry-retention").code == 14
    assert "failed" in host.path("/var/lib/docker-registry/retention").read_text()


def test_what_is_left_of_a_tag_goes_before_all_is_read(host: DeletionHost) -> None:
    """Its removal was cut off; one that still has a history, or leads somewhere, stays."""
    host.has_tag("team/app", "v1.0", 1700000000)
    tags = host.path("/srv/docker-registry/data/docker/registry/v2/repositories/team/app/_manifests/tags")
    (tags / "empty").mkdir()
    (tags / "half/current").mkdir(parents=True)
    (tags / "damaged/current").mkdir(parents=True)
    (tags / "damaged/index").mkdir()
    (tags / "damaged/index/link").write_text(DIGEST)
    host.run(RMI, "--dry-run", "team/app:a")
    assert len(list(tags.iterdir())) == 4
    host.run(RMI, "--yes", "team/app:a")
    assert sorted(tag.name for tag in tags.iterdir()) == ["damaged", "v1.0"]


@pytest.mark.parametrize("end", ["exit 1", "kill -9 $$"])
def test_a_deletion_of_which_a_part_is_lost_fails(host: DeletionHost, end: str) -> None:
    """Nothing of it is removed."""
    host.has_tag("a", "b", 5)
    link = next(host.path("/srv").rglob("current/link"))
    host.said = f"\ttag a b {link.read_text()}\n\tdone a\n\tend deleted\n"
    awk = host.path("/bin/awk")
    awk.write_text(f'#!/bin/sh\n/usr/bin/awk "$@"\n{end}\n')
    awk.chmod(0o755)
    assert host.run(RMI, "--yes", "a:b").code != 0
    assert link.exists()
    awk.unlink()
    assert host.run(RMI, "--yes", "a:b").code == 0
    assert not link.exists()
