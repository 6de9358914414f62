"""The host's tools that look into the registry's storage: what is empty, what is still used, and whose turn it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rendering.host_tools import FakeHost, Ran
from tests.rendering.storage import Storage


def _image(*layers: str, config: str = "sha256:" + "0" * 64, **more: object) -> dict[str, object]:
    return {"config": {"digest": config}, "layers": [{"digest": layer, "size": 1} for layer in layers], **more}


def _index(*children: str) -> dict[str, object]:
    return {
        "manifests": [
            {"digest": child, "annotations": {"vnd.reference.digest": "sha256:" + "1" * 64}} for child in children
        ]
    }


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with the tools and nothing else."""
    return FakeHost(tmp_path / "host")


def _empty(host: FakeHost, storage: Storage, act: str = "list") -> list[str]:
    done = host.run("empty-repositories", act, str(storage.root))
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def _still_used(host: FakeHost, storage: Storage, *digests: str) -> list[str]:
    notes = host.root / "notes"
    notes.mkdir(exist_ok=True)
    done = host.run("still-used", str(storage.root), str(notes), stdin="".join(f"{d}\n" for d in sorted(digests)))
    assert (done.code, done.err) == (0, "")
    return done.out.splitlines()


def test_a_repository_with_something_left_is_not_empty(host: FakeHost, storage: Storage) -> None:
    """A tag, a manifest that could be pulled by its digest, an upload under way."""
    storage.manifest("tagged", _image(), "1.0")
    storage.manifest("untagged", _image())
    storage.upload("begun")
    (storage.root / "repositories/begun/_layers").mkdir()
    assert _empty(host, storage) == []
    assert _empty(host, storage, "remove") == []
    assert storage.repositories() == ["begun", "tagged", "untagged"]


def test_a_repository_with_nothing_left_goes(host: FakeHost, storage: Storage) -> None:
    """Links to what was collected, and directories, are nothing; those around it go when they are empty too."""
    digest = storage.manifest("a/b/gone", {"of": "a/b/gone"})
    storage.remove(digest)
    storage.link("a/b/gone/_layers/sha256/" + "2" * 64, "sha256:" + "2" * 64)
    (storage.root / "repositories/layers/_layers").mkdir(parents=True)
    storage.manifest("a/kept", _image(), "1.0")
    assert _empty(host, storage) == ["a/b/gone", "layers"]
    assert len(storage.repositories()) == 5
    assert _empty(host, storage, "remove") == ["a/b/gone", "layers"]
    assert storage.repositories() == ["a", "a/kept"]
    assert _empty(host, storage) == []


@pytest.mark.parametrize(("gone", "left"), [("team", "team/app"), ("team/app", "team")])
def test_a_repository_inside_another_is_its_own(host: FakeHost, storage: Storage, gone: str, left: str) -> None:
    """Whichever is empty."""
    storage.remove(storage.manifest(gone, {"of": gone}))
    storage.manifest(left, {"of": left}, "1.0")
    assert _empty(host, storage, "remove") == [gone]
    assert (storage.root / "repositories" / left / "_manifests").is_dir()
    assert not (storage.root / "repositories" / gone / "_manifests").exists()


def test_strange_names_harm_nothing(host: FakeHost, storage: Storage) -> None:
    """Of directories that somebody made by hand."""
    for name in ("-rf", "a b", "$(touch x)", "*"):
        (storage.root / "repositories" / name / "_layers").mkdir(parents=True)
    storage.manifest("kept", _image(), "1.0")
    assert sorted(_empty(host, storage, "remove")) == sorted(["-rf", "a b", "$(touch x)", "*"])
    assert storage.repositories() == ["kept"]


def test_before_the_first_push_nothing_is_empty(host: FakeHost, tmp_path: Path) -> None:
    """There is no directory to look into."""
    done = host.run("empty-repositories", "list", str(tmp_path / "none"))
    assert done == Ran(0, "", "")


@pytest.mark.parametrize("pretty", [False, True], ids=["compact", "pretty"])
def test_what_a_tag_leads_to_is_used(host: FakeHost, storage: Storage, pretty: bool) -> None:
    """However deep, and however the JSON is written."""
    layers = [storage.blob({"layer": number}) for number in range(3)]
    config = storage.blob({"config": 1})
    child = storage.manifest("one", _image(layers[0], config=config), pretty=pretty)
    inner = storage.manifest("one", _index(child), pretty=pretty)
    outer = storage.manifest("one", _index(inner), "1.0", pretty=pretty)
    untagged = storage.manifest("one", _image(layers[1]))
    assert _still_used(host, storage, *layers, config, child, inner, outer, untagged) == sorted(
        [layers[0], config, child, inner, outer]
    )


def test_a_child_deleted_in_one_repository_keeps_its_layers_for_another(host: FakeHost, storage: Storage) -> None:
    """The case in which the registry's collector goes wrong."""
    layer = storage.blob({"layer": 1})
    child = storage.manifest("b", _image(layer))
    for repository in ("a", "b"):
        storage.manifest(repository, _index(child), "1.0")
    assert _still_used(host, storage, layer) == [layer]


def test_what_is_only_mentioned_is_not_used(host: FakeHost, storage: Storage) -> None:
    """The subject of a signature whose image is gone, an annotation, a layer that looks like a manifest."""
    gone = storage.manifest("one", _image())
    subject = {"mediaType": "x", "digest": gone, "annotations": {"a": "b"}, "size": 1}
    layer = storage.blob({"digest": gone})
    for pretty in (False, True):
        storage.manifest("one", _image(layer, subject=subject, annotations={"base.digest": gone}), "sig", pretty=pretty)
    assert _still_used(host, storage, gone, layer) == [layer]


@pytest.mark.parametrize("brace", ["{", "}", "} {", "{}"])
def test_a_brace_in_a_text_hides_no_reference(host: FakeHost, storage: Storage, brace: str) -> None:
    """Neither before nor behind a subject, whose end is where it says."""
    subject = {"note": brace, "annotations": {"a": brace}, "digest": "sha256:" + "4" * 64}
    layers = [storage.blob({"layer": number}) for number in range(2)]
    child = storage.manifest("one", _image(layers[0], Subject=subject))
    index = {"subject": subject, **_index(child), "layers": [{"Digest": layers[1]}]}
    storage.manifest("one", index, "1.0")
    assert _still_used(host, storage, child, *layers) == sorted([child, *layers])


@pytest.mark.parametrize("space", [" ", "\n", "\t\r"], ids=["spaces", "lines", "mixed"])
def test_megabytes_of_space_take_no_time(host: FakeHost, storage: Storage, space: str) -> None:
    """As much as the registry takes in one manifest."""
    layer = storage.blob({"layer": 1})
    digest = storage.blob_of(f'{{"digest"{space * 1_500_000}: 1, "layers": [{{"digest": "{layer}"}}]}}')
    storage.link(f"one/_manifests/revisions/{digest.replace(':', '/')}", digest)
    storage.link("one/_manifests/tags/1.0/current", digest)
    assert _still_used(host, storage, layer) == [layer]


def test_what_can_t_be_read_fails(host: FakeHost, storage: Storage) -> None:
    """Nobody knows what it needs."""
    storage.manifest("one", _image(), "1.0")
    (storage.root / "repositories/one/_manifests/tags/1.0/current/link").write_text("")
    (host.root / "notes").mkdir()
    done = host.run("still-used", str(storage.root), str(host.root / "notes"))
    assert done.code == 1
    assert "one/_manifests/tags/1.0/current/link can't be read" in done.err


def test_a_manifest_that_is_missing_is_passed_over(host: FakeHost, storage: Storage) -> None:
    """A platform of an index that was never pushed."""
    storage.manifest("one", _index("sha256:" + "3" * 64), "1.0")
    missing = storage.manifest("one", {"gone": 1}, "2.0")
    storage.remove(missing)
    assert _still_used(host, storage, missing) == [missing]
    assert _still_used(host, storage) == []


def test_a_turn_ends_with_the_command(host: FakeHost) -> None:
    """Its exit code is the command's."""
    assert host.run("with-lock", "1", "sh", "-c", "echo done; exit 7") == Ran(7, "done\n", "")
    assert host.run("with-lock", "1", "echo", "$(touch x) *") == Ran(0, "$(touch x) *\n", "")


def test_without_a_turn_nothing_runs(host: FakeHost) -> None:
    """It says so, and why."""
    tool = host.path("/usr/local/lib/docker-registry/with-lock")
    busy = host.run("with-lock", "1", "sh", "-c", f"{tool} 0 echo x; exit $?")
    assert (busy.code, busy.out) == (75, "")
    assert "another tool has been at the registry's storage for 0 s; nothing was done" in busy.err
