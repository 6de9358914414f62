"""What a backup brings back: a registry, cut off and gone on with."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from registryctl import restoring
from registryctl.endings import EndError
from registryctl.staging import Stage
from registryctl.storage import NoRoom
from registryctl.taking import DATA
from tests.registryctl.backed import PROGRAMS, Backed, brought, wipe

NAME = "team/app"


def test_odd_names_are_in_nobodys_way(fast: Backed) -> None:
    world = fast.world
    world.image(NAME, "1.0", b"layer")
    world.file("blobs/data", b"odd")
    world.file("blobs/sha256/ab/data", b"odd")
    world.file(f"blobs/sha256/ab/{'a' * 64}/further/data", b"odd")
    world.link("team/Odd/_manifests/tags/1.0/current", f"sha256:{'a' * 64}")
    fast.take()
    other, restored = fast.restored()
    assert (restored.placed.broken, restored.lost) == ({}, 0)
    other.pull(NAME, "1.0")
    wipe(fast)
    assert brought(fast, "team/*:*")[0].tags == [f"{NAME}:1.0"]


def test_no_container_sees_the_hosts_own_files_or_has_others_put_in_place(fast: Backed) -> None:
    fast.world.image(NAME, "1.0", b"layer")
    fast.take()
    root = fast.folder / "other"
    stage = fast.stage(root)
    (root / DATA).mkdir(parents=True)
    planted = fast.folder / "planted"
    planted.write_text("the host's")
    (root / DATA / "restoring").symlink_to(planted)
    staged: list[Path] = []
    fetch = Stage.fetch

    def watched(self: Stage, part: str, *rest: list[str]) -> None:
        fetch(self, part, *rest)
        staged.extend((root / DATA).glob("restore*/*"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Stage, "fetch", watched)
        restoring.restore(stage, restoring.nobody_is_there)
    assert (staged, planted.read_text()) == ([], "the host's")
    assert (root / "nginx/etc/auth/registry.htpasswd").read_text() == "alice:hash"
    assert sorted(path.name for path in (root / "docker-registry").iterdir()) == ["data", "etc"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_container_has_its_own_put_in_place_on_a_disk_that_it_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """What is staged on the storage's own disk: whoever exchanges the directory meanwhile exchanges nothing."""
    backed = Backed(tmp_path, program)
    backed.world.image(NAME, "1.0", b"layer")
    backed.take()
    root = backed.folder / "other"
    monkeypatch.setattr(Stage, "_is_apart", lambda _: True)
    planted = backed.folder / "planted"
    planted.mkdir()
    fetch, seen = Stage.fetch, set[tuple[int, int]]()

    def watched(self: Stage, part: str, *rest: list[str]) -> None:
        near = root / DATA / "restore"
        if near.is_dir() and not near.is_symlink():
            seen.add((near.stat().st_uid, near.stat().st_mode & 0o7777))
            near.rename(near.with_name("aside"))
            near.symlink_to(planted)
        fetch(self, part, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(Stage, "fetch", watched)
        world, restored = backed.restored()
    assert (restored.placed.broken, restored.lost) == ({}, 0)
    assert list(planted.iterdir()) == []
    assert seen == {(65534 if os.geteuid() == 0 else os.geteuid(), 0o700)}
    world.pull(NAME, "1.0")
    assert not os.path.lexists(root / DATA / "restore")


def test_damage_costs_only_what_needs_it(fast: Backed) -> None:
    broken = fast.world.image(NAME, "1.0", b"layer")
    fast.world.image(NAME, "2.0", b"another")
    fast.take()
    for file in (fast.folder / "repository").rglob(f"{broken.partition(':')[2]}/data"):
        file.write_bytes(b"damage")
    world, restored = fast.restored()
    assert (list(restored.placed.broken), restored.lost) == ([f"{NAME}:1.0"], 1)
    world.pull(NAME, "2.0")


@pytest.mark.parametrize("content", [b"LAYER", b"lay", b""])
def test_what_a_disk_damaged_comes_anew(fast: Backed, content: bytes) -> None:
    """Also content that has its size still."""
    layer = fast.world.layer(NAME, b"layer")
    fast.world.image(NAME, "1.0", b"layer")
    fast.take()
    fast.world.blob_file(layer).write_bytes(content)
    stage = fast.stage()
    restored = restoring.restore(stage, restoring.nobody_is_there, merge=True)
    assert (restored.placed.broken, restored.lost, restored.fetched) == ({}, 0, 5)
    assert fast.world.blob_file(layer).read_bytes() == b"layer"
    fast.world.pull(NAME, "1.0")


def test_a_registry_with_images_is_not_written_over(fast: Backed) -> None:
    fast.world.image(NAME, "1.0", b"old")
    fast.take()
    world, _ = fast.restored()
    world.image(NAME, "2.0", b"pushed since")
    with pytest.raises(EndError, match="--merge"):
        fast.restored()
    world.tag_file(NAME, "1.0").write_text(world.tags(NAME)["2.0"])
    fast.world.image(NAME, "3.0", b"newer")
    fast.take()
    _, restored = fast.restored(merge=True)
    assert restored.placed.kept == [f"{NAME}:1.0"]
    assert restoring.begun(fast.folder / "other") is None
    assert set(world.tags(NAME)) == {"1.0", "2.0", "3.0"}
    world.pull(NAME, "3.0")


def test_a_merge_that_fails_keeps_nobody_from_backing_up(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    fast.world.image(NAME, "1.0", b"old")
    fast.take()
    world, _ = fast.restored()
    fast.world.image(NAME, "2.0", b"new")
    fast.take()
    monkeypatch.setattr("registryctl.staging._SPARE", 1 << 60)
    with pytest.raises(NoRoom):
        fast.restored(merge=True)
    assert restoring.begun(fast.folder / "other") is None
    world.pull(NAME, "1.0")


@pytest.mark.parametrize("where", ["take", "fetch", "rename"])
def test_one_that_was_cut_off_goes_on(fast: Backed, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    fast.world.image(NAME, "1.0", b"layer")
    fast.world.image("other", "1.0", b"another")
    fast.take()

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if where == "rename":
            patched.setattr("registryctl.placing.Links._records", cut_off)
        else:
            patched.setattr(Stage, where, cut_off)
        with pytest.raises(KeyboardInterrupt):
            fast.restored()
    first = restoring.begun(fast.folder / "other")
    assert first is not None
    fast.take()
    world, restored = fast.restored(when=first)
    assert restored.placed.broken == {}
    world.pull(NAME, "1.0")
    assert restoring.begun(fast.folder / "other") is None


def test_the_hosts_own_files_stay_where_there_are_some(fast: Backed) -> None:
    fast.take()
    root = fast.folder / "other"
    (root / "letsencrypt/renewal").mkdir(parents=True)
    (root / "letsencrypt/renewal/dr.example.net.conf").write_text("newer")
    (root / "docker-registry/etc").mkdir(parents=True)
    (root / "docker-registry/etc/http.secret").write_text("newer")
    _, restored = fast.restored()
    assert restored.placed.stays == ["docker-registry/etc/http.secret", "letsencrypt"]
    assert not (root / "letsencrypt/live").exists()
    assert (root / "docker-registry/etc/http.secret").read_text() == "newer"
    assert (root / "nginx/etc/tls/self-signed/pair/fullchain.pem").read_text() == "a chain"


def _files(root: Path) -> dict[str, tuple[str, int, int]]:
    """The host's own, with content or the end of a link, mode and time."""
    found = {}
    for unit in ("docker-registry/etc", "nginx", "letsencrypt"):
        for path in (root / unit).rglob("*"):
            if path.is_symlink() or path.is_file():
                text = str(path.readlink()) if path.is_symlink() else path.read_text()
                found[str(path.relative_to(root))] = (text, path.lstat().st_mode, int(path.lstat().st_mtime))
    return found


@pytest.mark.parametrize("cut_off", range(8))
def test_the_hosts_own_files_may_have_disks_of_their_own(
    fast: Backed, monkeypatch: pytest.MonkeyPatch, cut_off: int
) -> None:
    """And wherever that is cut off, the next run brings the rest."""
    fast.world.image(NAME, "1.0", b"layer")
    fast.take()
    (fast.folder / "other/letsencrypt").mkdir(parents=True)
    copied = shutil.copy2

    def across(self: Path, target: Path) -> Path:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def copy(source: Path, target: Path, **options: bool) -> object:
        nonlocal cut_off
        cut_off -= 1
        if cut_off == 0:
            raise KeyboardInterrupt
        return copied(source, target, **options)

    monkeypatch.setattr(Path, "rename", across)
    monkeypatch.setattr(shutil, "copy2", copy)
    with suppress(KeyboardInterrupt):
        fast.restored()
    renewed = fast.folder / "other/letsencrypt/archive/dr.example.net/cert1.pem"
    expected = _files(fast.root)
    if restoring.begun(fast.folder / "other"):
        if renewed.exists():
            renewed.write_text("newer")
            expected.update({path: its for path, its in _files(fast.folder / "other").items() if its[0] == "newer"})
        fast.restored()
    assert _files(fast.folder / "other") == expected


def test_too_small_a_disk_is_found_before_anything_is_fetched(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    fast.world.image(NAME, "1.0", b"layer")
    fast.take()
    monkeypatch.setattr("registryctl.staging._SPARE", 1 << 60)
    with pytest.raises(NoRoom, match=f"^{1 << 40} MB are needed and"):
        fast.restored()


def test_blobs_may_have_a_disk_of_their_own(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    fast.world.image(NAME, "1.0", b"layer")
    fast.take()
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if "/restore/" in str(self):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    # What the container may have put in the way.
    planted = fast.folder / "planted"
    planted.write_text("the host's")
    for digest in fast.world.blobs():
        name = digest.partition(":")[2]
        new = fast.folder / "other" / DATA / f"docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data.tmp"
        new.parent.mkdir(parents=True)
        new.symlink_to(planted)
    world, _ = fast.restored()
    world.pull(NAME, "1.0")
    assert planted.read_text() == "the host's"
    modes = {path.stat().st_mode & 0o7777 for path in world.v2.glob("blobs/*/*/*/data")}
    assert modes == {path.stat().st_mode & 0o7777 for path in fast.world.v2.glob("blobs/*/*/*/data")}


def test_the_storage_may_be_a_mount_of_the_same_disk(fast: Backed, monkeypatch: pytest.MonkeyPatch) -> None:
    fast.world.image(NAME, "1.0", b"layer")
    fast.world.file("../../../trash/20261101T000000Z.json", b"{}")
    fast.take()
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if DATA in str(self):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    world, restored = fast.restored()
    assert (restored.placed.broken, restored.placed.kept) == ({}, [])
    world.pull(NAME, "1.0")
    assert (world.root / "trash/20261101T000000Z.json").read_text() == "{}"


def test_a_registry_that_runs_is_told_apart(fast: Backed) -> None:
    fast.take()
    with restoring.nobody_writes(fast.folder / "other"), pytest.raises(EndError, match="a registry runs"):
        fast.restored()
