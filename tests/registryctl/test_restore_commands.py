"""`registryctl restore`: what it says, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registryctl.taking import DATA
from tests.registryctl.backed import PASSWORD, STACK
from tests.registryctl.backed_host import NAME, BackedHost, host
from tests.registryctl.running import run

__all__ = ["host"]


def test_a_registry_comes_back(host: BackedHost) -> None:
    host.run("backup")
    assert host.run("restore").word == "NOT EMPTY"
    host.world.v2.rename(host.root / "gone")
    done = host.run("restore", "--json")
    assert (done.code, json.loads(done.out)["tags"]) == (0, 1)
    assert "closed" in host.barrier.taken
    host.world.pull(NAME, "1.0")
    assert host.run("restore", "--merge").code == 0


def test_one_image_comes_back_under_another_name(host: BackedHost) -> None:
    host.run("backup")
    assert host.run("restore", f"{NAME}:1.0", "--as", f"{NAME}:old").out.startswith(f"back   {NAME}:old\n")
    assert host.run("restore", NAME, "--json").code == 0
    assert host.run("restore", "team/none").word == "UNMATCHED"
    assert host.run("restore", f"{NAME}:1.0", "--from", "2001-01-01").word == "MANIFEST_UNKNOWN"
    assert host.run("backup", "list", "Team/app:1.0").code == 2
    for words in (
        ("--as", "x:1"),
        (f"{NAME}:*", "--as", "x:1"),
        (f"{NAME}:1.0", "--as", "X:1"),
        (f"{NAME}:1.0", "--into", "/x"),
    ):
        assert host.run("restore", *words).code == 2
    # The stack was renamed.
    host.settings["stack"] = "organization/docker-registry/renamed"
    assert host.run("restore", NAME).word == "MANIFEST_UNKNOWN"
    assert host.run("restore", NAME, "--stack", STACK).code == 0


def test_what_is_still_there_is_said(host: BackedHost) -> None:
    host.world.image(NAME, "2.0", b"another layer")
    host.run("backup")
    said = host.run("restore", NAME)
    assert (said.code, said.out) == (0, "2 tags are there already\n")
    host.world.tag_file(NAME, "2.0").unlink()
    found = json.loads(host.run("restore", NAME, "--json").out)
    assert (found["back"], found["there"]) == ([f"{NAME}:2.0"], [f"{NAME}:1.0"])
    host.world.tag_file(NAME, "2.0").unlink()
    back, last = host.run("restore", NAME).out.splitlines()
    assert back == f"back   {NAME}:2.0"
    assert last.startswith("1 tag and 0 manifests are back as they were at ")
    assert last.endswith("; 1 tag is there already")
    digest = host.world.tags(NAME)["1.0"]
    assert host.run("restore", f"{NAME}@{digest}").out == "1 manifest is there already\n"
    assert host.run("restore", f"{NAME}@{digest}", NAME).out == "2 tags and 1 manifest are there already\n"


def test_what_could_not_be_put_back_is_not_called_there(host: BackedHost) -> None:
    host.run("backup")
    digest = host.world.tags(NAME)["1.0"]
    link = host.world.link_file(NAME, "_manifests/revisions", digest)
    link.unlink()
    link.mkdir()
    done = host.run("restore", f"{NAME}@{digest}")
    assert done.word == "DAMAGED"
    assert "stays " in done.out
    assert "there already" not in done.out


def test_writers_that_can_not_be_kept_out(host: BackedHost) -> None:
    host.run("backup")
    host.barrier.refuses = True
    assert host.run("restore", f"{NAME}:1.0", "--as", f"{NAME}:old").word == "BUSY"
    assert set(host.world.tags(NAME)) == {"1.0"}


def test_a_host_that_no_up_has_seen(host: BackedHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    host.run("backup")
    for name in ("RESTIC_REPOSITORY", "RESTIC_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert "set RESTIC_REPOSITORY" in run("restore", "--into", str(tmp_path / "new")).err
    monkeypatch.setenv("RESTIC_REPOSITORY", host.settings["repository"])
    monkeypatch.setenv("RESTIC_PASSWORD", PASSWORD)
    done = run("restore", "--into", str(tmp_path / "new"))
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "new" / DATA / "docker/registry/v2/repositories" / NAME).is_dir()
