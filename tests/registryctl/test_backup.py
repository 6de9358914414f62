"""A backup that is taken beside pushes and deletions is whole, and comes back as it was."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from registryctl import backups
from registryctl.endings import EndError
from registryctl.restic import Answer, Restic, ResticError
from registryctl.taking import DATA, Taking
from tests.registryctl.backed import PASSWORD, PROGRAMS, STACK, Backed, during
from tests.registryctl.breaking import at_call, before

ORIGIN = 1_700_000_000 * 10**9 + 123_456_789
"""A push time with its nanoseconds."""


def test_all_comes_back(backed: Backed) -> None:
    world = backed.world
    image = world.image("team/app", "1.0", b"a layer", b"another")
    world.index("team/app", "multi", image, world.image("team/app", "", b"a layer"))
    world.image("team/app", "", b"signature", subject=image)
    world.image("team/app/inner", "_layers", b"a tag of an odd name")
    world.image("current/link.x.tmp", "_uploads", b"a repository of an odd name")
    world.file("repositories/team/app/_uploads/01234567-89ab-cdef-0123-456789abcdef/data", b"half of a layer")
    (world.root / "trash").mkdir()
    (world.root / "trash/20261101T000000Z.json").write_text("{}")
    os.utime(world.tag_file("team/app", "1.0"), ns=(ORIGIN, ORIGIN))
    taken = backed.take()
    assert (taken.made, taken.faults, taken.backup.whole) == (True, [], True)

    other, restored = backed.restored()
    assert (restored.placed.broken, restored.lost) == ({}, 0)
    without_uploads = {path: found for path, found in world.tree().items() if "/_uploads/0123" not in path}
    assert other.tree() == without_uploads
    assert other.tag_file("team/app", "1.0").stat().st_mtime_ns == ORIGIN
    assert other.pull("team/app", "multi") == world.pull("team/app", "multi")
    assert (other.root / "trash/20261101T000000Z.json").read_text() == "{}"
    root = other.root.parents[1]
    assert (root / "nginx/etc/auth/registry.htpasswd").read_text() == "alice:hash"
    assert (root / "nginx/etc/auth/registry.htpasswd").stat().st_mode & 0o777 == 0o600
    assert (root / "letsencrypt/live/dr.example.net/cert.pem").read_text() == "a certificate"
    assert (root / "nginx/etc/tls/self-signed/pair/fullchain.pem").read_text() == "a chain"
    assert (root / "docker-registry").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in other.root.iterdir()) == ["docker", "trash"]


def test_what_mirrors_have_is_left_out(backed: Backed) -> None:
    """It can be had again; and the accounts of other registries are no backup's."""
    backed.world.image("team/app", "1.0", b"layer")
    mirror = backed.root / "docker-registry-mirrors/docker.io"
    for path in ("etc/credentials.json", "data/registry-1.docker.io/docker/registry/v2/blobs/sha256/aa/aa/data"):
        (mirror / path).parent.mkdir(parents=True)
        (mirror / path).write_text("theirs")
    backup = backed.take().backup
    parts = [backed.restic.lines("ls", "--recursive", part, "/") for part in backup.parts.values()]
    paths = [one["path"] for listed in parts for one in listed if "path" in one]
    assert any(path.endswith("registry.htpasswd") for path in paths)
    assert not [path for path in paths if "mirrors" in path]


def test_an_empty_registry_can_be_backed_up(backed: Backed) -> None:
    backed.take()
    other, restored = backed.restored()
    assert (restored.placed.tags, other.blobs()) == (0, set())


def test_what_is_not_there_has_nothing_in_its_place(backed: Backed) -> None:
    """A part of which there is nothing yet is empty, and no copy of another one."""
    backed.world.image("team/app", "1.0", b"layer")
    for folder in ("docker-registry/etc", "nginx", "letsencrypt"):
        shutil.rmtree(backed.root / folder)
    host = backed.take().backup.parts[backups.HOST]
    listed = backed.restic.lines("ls", "--recursive", host, f"/{DATA}")
    assert [one["path"] for one in listed if one.get("type") == "file"] == []


@pytest.mark.parametrize("part", [backups.TAGS, backups.LINKS, backups.BLOBS])
def test_a_push_meanwhile_breaks_nothing(fast: Backed, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    old = fast.world.image("team/app", "latest", b"old")
    during(monkeypatch, part, lambda: fast.world.image("team/app", "latest", b"new"))
    fast.take()
    other, restored = fast.restored()
    assert restored.placed.broken == {}
    assert other.tags("team/app") == {"latest": old}
    other.pull("team/app", "latest")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_deletion_meanwhile_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    backed = Backed(tmp_path, program)
    image = backed.world.image("team/app", "1.0", b"a layer")
    layer = next(iter(backed.world.blobs() - {image}))

    def delete() -> None:
        for path in (
            backed.world.tag_file("team/app", "1.0"),
            backed.world.link_file("team/app", "_manifests/revisions", image),
            backed.world.link_file("team/app", "_layers", layer),
        ):
            path.unlink()

    during(monkeypatch, backups.TAGS, delete)
    assert backed.take().faults == []
    other, restored = backed.restored()
    assert (restored.placed.broken, restored.placed.mended) == ({}, 2)
    other.pull("team/app", "1.0")


def test_the_last_one_is_the_newest_also_where_a_clock_steps_back_a_little(fast: Backed) -> None:
    first = fast.take().backup.run
    fast.now -= 86400 + 30
    second = fast.take().backup.run
    assert [one.run for one in fast.backups()] == [first, second]
    fast.now -= 86400 + 3600
    assert fast.take().backup.run < first


def test_a_tag_that_was_being_deleted_is_not_listed(fast: Backed) -> None:
    fast.world.image("team/app", "1.0", b"a layer")
    fast.world.image("team/app", "2.0", b"another")
    fast.world.tag_file("team/app", "2.0").unlink()
    assert fast.world.tag_file("team/app", "2.0").parent.parent.is_dir()
    fast.take()
    other, restored = fast.restored()
    assert (restored.placed.broken, restored.placed.tags) == ({}, 1)
    assert [path.name for path in (other.v2 / "repositories/team/app/_manifests/tags").iterdir()] == ["1.0"]


def test_a_run_of_no_moment_is_nobodys(fast: Backed) -> None:
    fast.take()
    fast.restic.run(
        "backup",
        "--host",
        STACK,
        "--time",
        "2026-01-01 00:00:00",
        "--tag",
        "docker-registry,run=20261399T000000Z,part=tags",
        "--",
        "docker-registry",
        cwd=fast.root,
    )
    assert len(fast.backups()) == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ignoring error for /f: connection lost\nFatal: There were 2 errors", "UNREACHABLE"),
        ("ignoring error for /f: StreamPack: ReadFull: unexpected EOF\nFatal: There were 2 errors", "DAMAGED"),
        ("ciphertext verification failed\nconnection lost", "DAMAGED"),
        (f"open /r/data/fd/{'fd' * 32}: no such file or directory\nReadFull(<data/fdfdfdfdfd>)", "DAMAGED"),
        ("Fatal: unable to open config file: unexpected EOF", "UNREACHABLE"),
    ],
)
def test_a_lost_connection_is_no_damage(fast: Backed, monkeypatch: pytest.MonkeyPatch, said: str, kind: str) -> None:
    monkeypatch.setattr(fast.restic, "_run", lambda *_: Answer(1, "", said))
    with pytest.raises(ResticError) as error:
        fast.restic.run("restore", "x")
    assert error.value.kind == kind


def test_a_moment_means_the_last_backup_before_it(fast: Backed) -> None:
    runs = [fast.take().backup.run for _ in range(3)]
    found = fast.backups()
    assert backups.chosen(found, None, fast.now).run == runs[2]
    assert backups.chosen(found, runs[0]).run == runs[0]
    assert backups.chosen(found, found[1].said).run == runs[1]
    with pytest.raises(EndError, match="no whole backup of 2001-01-01"):
        backups.chosen(found, "2001-01-01")


def test_a_wrong_password_is_one_line(backed: Backed) -> None:
    backed.take()
    environment = {**backed.repository.environment, "RESTIC_PASSWORD": "another"}
    with pytest.raises(ResticError, match="the password does not open the repository") as error:
        backed.with_settings(environment=environment).run("snapshots")
    assert "\n" not in str(error.value)


def test_a_repository_that_is_gone_is_not_made_anew(backed: Backed) -> None:
    with pytest.raises(ResticError, match="it was there before"):
        Taking(backed.restic, backed.root, backed.barrier, known=True).go()
    assert not (backed.folder / "repository").exists()


@pytest.mark.parametrize("path", ["blobs", "blobs/sha256"])
def test_a_disk_of_content_that_is_not_mounted_is_no_backup(fast: Backed, path: str) -> None:
    for number in range(3):
        fast.world.image("team/app", f"{number}", b"layer")
    first = fast.take().backup.run
    (fast.world.v2 / path).rename(fast.folder / "elsewhere")
    (fast.world.v2 / path).mkdir()
    fast.world.image("team/app", "pushed since", b"another")
    with pytest.raises(ResticError, match=r"the content of 3 of 4 tags .* is its disk mounted"):
        fast.take()
    assert [one.run for one in fast.backups()] == [first]
    assert fast.take(before=None).backup.whole


@pytest.mark.parametrize("part", [backups.LINKS, backups.BLOBS])
def test_a_disk_of_content_that_goes_meanwhile(fast: Backed, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    fast.world.image("team/app", "1.0", b"layer")
    during(monkeypatch, part, lambda: (fast.world.v2 / "blobs").rename(fast.folder / "elsewhere"))
    with pytest.raises(ResticError, match="is its disk mounted"):
        fast.take()
    assert [one.whole for one in fast.backups()] == [False]


def test_one_tag_without_content_keeps_nobody_from_backing_up(fast: Backed) -> None:
    broken = fast.world.image("team/app", "1.0", b"layer")
    fast.world.image("team/app", "2.0", b"another")
    fast.world.blob_file(broken).unlink()
    assert fast.take().backup.whole


def test_a_registry_of_which_most_is_gone_is_no_newer_backup(fast: Backed) -> None:
    fast.world.image("team/app", "1.0", b"layer")
    with pytest.raises(ResticError, match="there were 100 files of tags in the last backup and there are 2"):
        fast.take(before=100)
    assert [one.whole for one in fast.backups()] == [False]
    taken = fast.take(before=20)
    assert (taken.tags, taken.backup.whole) == (2, True)


@pytest.mark.parametrize("path", ["blobs", "blobs/sha256", "repositories/team"])
def test_what_no_backup_follows_is_refused(fast: Backed, path: str) -> None:
    fast.world.image("team/app", "1.0", b"layer")
    there = fast.world.v2 / path
    there.rename(fast.folder / "elsewhere")
    there.symlink_to(fast.folder / "elsewhere")
    with pytest.raises(ResticError, match="mount it there"):
        fast.take()


def test_no_message_has_a_secret(fast: Backed) -> None:
    assert PASSWORD not in repr(fast.repository)
    assert fast.restic.masked(f"rest:https://x:{PASSWORD}@h/") == "rest:https://x:[secret]@h/"


@pytest.mark.parametrize(
    "item", ["{root}/{data}", "{data}/docker", "/{data}/docker", "{data}/docker/registry/v2/loop/x"]
)
def test_what_can_not_be_read_is_named(fast: Backed, monkeypatch: pytest.MonkeyPatch, item: str) -> None:
    """In whatever way restic names it; also where it can't be told whether it is there. What is gone is not."""
    fast.world.image("team/app", "1.0", b"layer")
    (fast.world.v2 / "loop").symlink_to("loop")
    broken = item.format(root=fast.root, data=DATA)
    gone = f"{DATA}/gone"
    told = [{"message_type": "error", "error": {"Op": "open", "Err": 5}, "item": path} for path in (broken, gone)]
    error = "\n".join(map(json.dumps, told))
    run = Restic.run

    def patched(self: Restic, *words: str, **options: Any) -> Answer:  # noqa: ANN401
        answer = run(self, *words, **options)
        return Answer(3, answer.out, error) if words[0] == "backup" else answer

    monkeypatch.setattr(Restic, "run", patched)
    # No client takes content away.
    assert [fault.path for fault in fast.take().faults] == [broken, broken, broken, gone, broken]


def test_a_disk_that_fails_meanwhile_is_no_empty_registry(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing is there has to be known."""
    fast.world.image("team/app", "1.0", b"layer")
    blobs, lstat = f"{DATA}/docker/registry/v2/blobs", os.lstat

    def fails(path: Any, **options: Any) -> os.stat_result:  # noqa: ANN401
        if os.fspath(path) == str(fast.root / blobs):
            raise OSError(errno.EIO, "Input/output error")
        return lstat(path, **options)

    during(monkeypatch, "links", lambda: monkeypatch.setattr(os, "lstat", fails))
    with at_call(-1, before) as seen:
        fast.take()
    assert [words for words in seen if "part=blobs" in words and words.endswith(f" -- {blobs}")]


def test_restic_does_not_more_than_it_has_to(fast: Backed) -> None:
    """It doesn't count beforehand, where it can be told so; links it reads anew, and else what has changed."""
    fast.take()
    with at_call(1, lambda *_: Answer(0, "      --no-scan    do not count", "")) as seen:
        fast.take(fast.with_settings())
    assert seen[1] == "help backup"
    parts = [words.split() for words in seen if words.startswith("backup ")]
    assert ["--no-scan" in words for words in parts] == [True] * 4
    assert ["--force" in words for words in parts] == [True, True, False, False]
    assert ["--parent" in words for words in parts] == [False, False, True, True]
    with at_call(-1, before) as seen:
        fast.take()
    assert not any("--no-scan" in words for words in seen)
