"""The host's tool that removes tags and manifests from the registry's storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost, Ran
from tests.rendering.storage import Storage

OTHER = "sha256:" + "5" * 64
CHANGED = "CHANGED: what changed meanwhile was kept; the rest was deleted\n"


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with the tools and nothing else."""
    return FakeHost(tmp_path / "host")


def _remove(host: FakeHost, storage: Storage, *lines: str) -> Ran:
    notes = host.root / "notes"
    notes.mkdir(exist_ok=True)
    return host.run("remove-images", str(storage.root), str(notes), stdin="".join(f"{line}\n" for line in lines))


def _left(storage: Storage) -> list[str]:
    """The links that are left, without their ends."""
    top = storage.root / "repositories"
    return sorted(str(link.parent.relative_to(top)).removesuffix("/current") for link in top.rglob("link"))


def _revision(repository: str, digest: str) -> str:
    return f"{repository}/_manifests/revisions/{digest.replace(':', '/')}"


def test_tags_and_manifests_go(host: FakeHost, storage: Storage) -> None:
    """The others stay, also those of another repository; at the end it says that it is done."""
    one, two = storage.manifest("a/b", {"n": 1}, "one"), storage.manifest("a/b", {"n": 2}, "two")
    storage.link("a/b/_manifests/tags/also/current", two)
    storage.manifest("a/c", {"n": 1}, "one")
    lines = [f"keep a/b two {two}", f"tag a/b one {one}", f"manifest a/b {one}", f"tag a/b also {two}", "done a/b"]
    assert _remove(host, storage, *lines, "end all done") == Ran(0, "all done\n", "")
    assert _left(storage) == [
        "a/b/_manifests/" + rest for rest in (f"revisions/{two.replace(':', '/')}", "tags/two")
    ] + [
        _revision("a/c", one),
        "a/c/_manifests/tags/one",
    ]
    assert _remove(host, storage, f"keep a/b two {two}", f"tag a/b one {one}", "done a/b") == Ran(0, "", "")


@pytest.mark.parametrize("change", ["moved", "kept moved", "pushed"])
def test_what_changed_is_left_alone(host: FakeHost, storage: Storage, change: str) -> None:
    """With all of its repository; the others are done. What the manifest is needed for now, nobody has looked at."""
    one, two = storage.manifest("a", {"n": 1}, "one"), storage.manifest("a", {"n": 2}, "two")
    three = storage.manifest("b", {"n": 3}, "three")
    tag = {"moved": "one", "kept moved": "two", "pushed": "new"}[change]
    storage.link(f"a/_manifests/tags/{tag}/current", OTHER)
    before = [path for path in _left(storage) if path.startswith("a/")]
    lines = [f"keep a two {two}", f"tag a one {one}", f"manifest a {one}", "done a"]
    done = _remove(host, storage, *lines, f"tag b three {three}", f"manifest b {three}", "done b", "end deleted")
    assert (done.code, done.out) == (15, "")
    assert done.err.startswith(f"keep   a ({tag} ")
    assert done.err.endswith(CHANGED)
    assert _left(storage) == before


def test_a_tag_that_can_t_be_read_goes_whatever_it_leads_to(host: FakeHost, storage: Storage) -> None:
    """Its link may be empty too."""
    for tag, digest in (("dangling", OTHER), ("empty", "")):
        storage.link(f"a/_manifests/tags/{tag}/current", digest)
    assert _remove(host, storage, "tag a dangling -", "tag a empty -", "done a", "end deleted").out == "deleted\n"
    assert _left(storage) == []


def test_half_a_description_is_none(host: FakeHost, storage: Storage) -> None:
    """The run that wrote it was killed."""
    one = storage.manifest("a", {"n": 1}, "one")
    assert _remove(host, storage, f"tag a one {one}", f"manifest a {one}") == Ran(0, "", "")
    assert len(_left(storage)) == 2


@pytest.mark.parametrize("link", ["directory", "nowhere"])
def test_a_tag_that_can_t_be_looked_at_ends_it(host: FakeHost, storage: Storage, link: str) -> None:
    """It may have been pushed meanwhile, and lead to what is to go."""
    one = storage.manifest("a", {"n": 1}, "one")
    new = storage.root / "repositories/a/_manifests/tags/new/current"
    new.mkdir(parents=True)
    if link == "directory":
        (new / "link").mkdir()
    else:
        (new / "link").symlink_to("nowhere")
    assert _remove(host, storage, f"tag a one {one}", f"manifest a {one}", "done a", "end deleted").code != 0
    assert _left(storage)[0] == _revision("a", one)


@pytest.mark.parametrize("name", ["awk", "cat", "find", "rm", "sed", "sort", "xargs"])
def test_a_step_that_is_killed_removes_nothing_else(host: FakeHost, storage: Storage, name: str) -> None:
    """At each of its calls. A tag that was pushed meanwhile is noticed all the same, and the next run does the rest."""
    call = 0
    while True:
        call += 1
        repositories = [f"{name}{call}{end}" for end in ("a", "b", "c")]
        lines = []
        for repository in repositories:
            one = storage.manifest(repository, {"n": 1}, "one")
            storage.manifest(repository, {"n": 2}, "two")
            lines += [f"tag {repository} one {one}", f"manifest {repository} {one}", f"done {repository}"]
            lines[-1:-1] = [f"keep {repository} two {storage.manifest(repository, {'n': 2})}"]
        storage.link(f"{repositories[0]}/_manifests/tags/pushed/current", one)
        stays = {
            path
            for path in _left(storage)
            if path.split("/")[0].endswith("a") or not path.endswith((one.split(":")[1], "/one"))
        }
        host.fails_at(name, call)
        done = _remove(host, storage, *lines, "end deleted")
        assert stays <= set(_left(storage))
        if host.called(name) < call:
            break
        assert "deleted" not in done.out
        assert _remove(host, storage, *lines, "end deleted").code == 15
        assert stays == set(_left(storage))
    assert call > 1


def test_of_a_tag_its_history_goes_first(host: FakeHost, storage: Storage) -> None:
    """So that a run that is cut off leaves a whole tag, or empty directories, which mean nothing."""
    one = storage.manifest("a", {"n": 1}, "one")
    storage.link(f"a/_manifests/tags/one/index/{one.replace(':', '/')}", one)
    host.command("rm", 'case "$*" in *index*) exec /bin/rm "$@" ;; esac; exit 1')
    assert _remove(host, storage, f"tag a one {one}", f"manifest a {one}", "done a").code == 1
    assert _left(storage) == [_revision("a", one), "a/_manifests/tags/one"]


@pytest.mark.parametrize(
    "lines",
    [
        [f"tag ../x one {OTHER}", "done ../x"],
        [f"tag a/../x one {OTHER}", "done a/../x"],
        [f"tag /x one {OTHER}", "done /x"],
        [f"tag a/_manifests one {OTHER}", "done a/_manifests"],
        [f"tag a .. {OTHER}", "done a"],
        [f"tag a ../.. {OTHER}", "done a"],
        ["manifest a sha256:../..", "done a"],
        ["manifest a ..", "done a"],
    ],
)
def test_what_is_no_name_leads_nowhere(host: FakeHost, storage: Storage, lines: list[str]) -> None:
    """Not out of the repository, and not out of the storage."""
    storage.manifest("x", {"n": 1}, "one")
    (storage.root / "repositories/a/_manifests/tags").mkdir(parents=True)
    before = sorted(storage.root.rglob("*"))
    _remove(host, storage, *lines)
    assert sorted(storage.root.rglob("*")) == before
