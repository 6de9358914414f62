"""What lies in a storage and is no part of an image: it is left alone, and keeps what it may lead to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.registryctl.world import World, clean_up, digest_of


def damage(how: str) -> Callable[[Path], None]:
    """Something that befalls a file."""

    def act(path: Path) -> None:
        if how == "empty":
            path.write_bytes(b"")
        elif how == "half":
            path.write_bytes(path.read_bytes()[:20])
        elif how == "directory":
            path.unlink()
            path.mkdir()
        elif how == "pipe":
            path.unlink()
            os.mkfifo(path)
        elif how == "line":
            path.write_bytes(path.read_bytes() + b"\n")

    return act


@pytest.mark.parametrize("how", ["empty", "half", "directory", "pipe", "line"])
@pytest.mark.parametrize("kind", ["tag", "revision", "layer", "long layer"])
def test_a_damaged_link_keeps_what_it_may_lead_to(world: World, how: str, kind: str) -> None:
    """Put right again, the image is whole; other repositories are cleaned."""
    digest = world.image("a", "1.0", b"layer", algorithm="sha512" if kind == "long layer" else "sha256")
    before = world.pull("a", "1.0")
    file = {
        "tag": world.tag_file("a", "1.0"),
        "revision": world.link_file("a", "_manifests/revisions", digest),
        "layer": world.link_file("a", "_layers", digest_of(b"layer")),
        "long layer": world.link_file("a", "_layers", digest_of(b"layer", "sha512")),
    }[kind]
    content = file.read_bytes()
    damage(how)(file)
    gone = world.image("b", "", b"gone")
    outcome = clean_up(world)
    assert outcome.skipped
    assert not world.link_file("b", "_manifests/revisions", gone).exists()
    assert not world.has(gone)
    if file.is_dir():
        file.rmdir()
    else:
        file.unlink()
    file.write_bytes(content)
    assert world.pull("a", "1.0") == before


@pytest.mark.parametrize("name", ["failed", "revisions/tags", "index", "a__b/current", "link", "blobs/sha256"])
def test_names_are_only_names(world: World, name: str) -> None:
    """A repository may be called as some part of the storage is."""
    world.image(name, "link", b"kept")
    world.image(name, "", b"gone")
    before = world.pull(name, "link")
    outcome = clean_up(world)
    assert not outcome.skipped
    assert world.pull(name, "link") == before == world.blobs()


def test_what_is_no_blob_is_left_alone(world: World) -> None:
    """And named."""
    world.file("blobs/sha256/ab/abc/data", b"x")
    world.file(f"blobs/sha256/00/{'1' * 64}/data", b"x")
    world.file(f"blobs/md5/11/{'1' * 32}/data", b"x")
    world.file("blobs/note", b"x")
    tree = world.tree()
    outcome = clean_up(world)
    assert len(outcome.skipped) == 4
    assert world.tree() == tree


def test_a_name_that_no_repository_has(world: World) -> None:
    """All that it links stays."""
    world.image("UPPER", "", b"x")
    world.image("_odd", "", b"y")
    tree = world.tree()
    outcome = clean_up(world)
    assert len(outcome.skipped) == 2
    assert world.tree() == tree


def test_without_repositories_nothing_is_known(world: World) -> None:
    """A disk that is not there is no empty registry."""
    world.image("a", "1.0", b"x")
    (world.v2 / "repositories").rename(world.v2 / "moved")
    with pytest.raises(Exception, match="there are blobs, but"):
        clean_up(world)


def test_a_symbolic_link_keeps_both_ends(world: World) -> None:
    """What seems unneeded under one name may be needed under the other."""
    world.image("a", "", b"layer")
    digest = world.image("a", "", b"other")
    world.file("repositories/b/_manifests/tags/1.0/current/link", digest.encode())
    for part in ("_layers", "_manifests/revisions"):
        (world.v2 / "repositories/b" / part).symlink_to(world.v2 / "repositories/a" / part)
    before = world.pull("b", "1.0")
    gone = world.image("c", "", b"c")
    outcome = clean_up(world)
    assert outcome.skipped
    assert world.pull("b", "1.0") == before
    assert not world.has(gone)


def test_a_circle_of_symbolic_links_ends(world: World) -> None:
    """No blob goes, as nobody can say what it leads to."""
    world.image("a", "1.0", b"x")
    (world.v2 / "repositories/loop").symlink_to(world.v2 / "repositories")
    (world.v2 / "repositories/a/up").symlink_to("..")
    blob = world.blob(b"unknown")
    assert clean_up(world).skipped
    assert world.has(blob)
    world.pull("a", "1.0")


def test_a_directory_on_another_disk_counts(world: World) -> None:
    """The registry follows a symbolic link out of the storage."""
    world.image("far", "1.0", b"far")
    elsewhere = world.root.parent / "elsewhere"
    (world.v2 / "repositories/far").rename(elsewhere)
    (world.v2 / "repositories/far").symlink_to(elsewhere)
    before = world.pull("far", "1.0")
    gone = world.image("b", "", b"b")
    clean_up(world)
    assert world.pull("far", "1.0") == before
    assert not world.has(gone)
