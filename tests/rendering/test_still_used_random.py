"""What tags need, in random storages, against a plain reading of the same storages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost, Ran
from tests.rendering.random_storage import RandomStorage

_STORAGES = 16


def _run(made: RandomStorage, host: FakeHost) -> Ran:
    notes = host.root / "notes"
    notes.mkdir(exist_ok=True)
    wanted = sorted({*made.layers, *made.manifests})
    return host.run("still-used", str(made.storage.root), str(notes), stdin="".join(f"{d}\n" for d in wanted))


@pytest.mark.parametrize("seed", range(_STORAGES))
def test_exactly_what_tags_need_is_used(tmp_path: Path, seed: int) -> None:
    """No less, however the JSON is written; more only where a subject's end can't be told without reading JSON."""
    made = RandomStorage(tmp_path / "v2", seed)
    done = _run(made, FakeHost(tmp_path / "host"))
    assert (done.code, done.err) == (0, "")
    sure, all_ = made.needed()
    there = {*made.layers, *made.manifests}
    used = set(done.out.splitlines())
    assert sure & there <= used <= all_ & there


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("damage", ["half a link", "half a manifest", "zeros", "broken symbolic link"])
def test_what_is_damaged_ends_it(tmp_path: Path, seed: int, damage: str) -> None:
    """Its image may be whole, but nobody knows which it was."""
    made = RandomStorage(tmp_path / "v2", seed + 1000)
    if not made.links:
        pytest.skip("nothing has a tag")
    link = made.chance.choice(made.links)
    manifest = made.path(link.read_text())
    if damage == "half a link":
        link.write_text(link.read_text()[: made.chance.randrange(64)])
    elif damage == "half a manifest":
        manifest.write_bytes(manifest.read_bytes()[: made.chance.randrange(20)])
    elif damage == "zeros":
        link.write_bytes(bytes(71))
    else:
        link.unlink()
        link.symlink_to("nowhere")
    done = _run(made, FakeHost(tmp_path / "host"))
    assert (done.code, done.out) == (1, "")


def test_symbolic_links_are_followed(tmp_path: Path) -> None:
    """Somebody moved a part to another disk."""
    made = RandomStorage(tmp_path / "v2", 7)
    for part in ("repositories/a", "blobs/sha256"):
        (made.storage.root / part).rename(tmp_path / part.replace("/", "-"))
        (made.storage.root / part).symlink_to(tmp_path / part.replace("/", "-"))
    used = set(_run(made, FakeHost(tmp_path / "host")).out.splitlines())
    assert made.needed()[0] & {*made.layers, *made.manifests} <= used


@pytest.mark.parametrize(
    "name", ["awk", "comm", "cp", "cut", "find", "grep", "sed", "sha256sum", "sort", "tr", "xargs"]
)
def test_a_step_that_is_killed_ends_it(tmp_path: Path, name: str) -> None:
    """At each of its calls: what the next step would read is cut off, and would pass for what nothing needs."""
    host = FakeHost(tmp_path / "host")
    made = RandomStorage(tmp_path / "v2", 23)
    call = 0
    while True:
        call += 1
        host.fails_at(name, call)
        done = _run(made, host)
        if host.called(name) < call:
            break
        assert done.code != 0
    assert done.code == 0
    assert call > 1
