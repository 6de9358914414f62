"""Storages at which clean-ups went wrong or came to no end, each by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import pytest

from tests.storage_oracle import documents, places, running
from tests.storage_oracle.generator import Made
from tests.storage_oracle.reading import OCI_INDEX, OCI_MANIFEST
from tests.storage_oracle.serving import Snapshot, taken
from tests.storage_oracle.verdict import judge, wrongs

pytestmark = pytest.mark.usefixtures("kind")


def _image(storage: Made, name: str, tag: str = "", wide: bool = False) -> str:
    """An image of a layer of its own."""
    rng = storage.rng
    config, layer = storage.layer(name, rng.randbytes(16)), storage.layer(name, rng.randbytes(16), wide=wide)
    digest = storage.manifest(name, documents.written(rng, documents.image(rng, config, [layer])))
    if tag:
        storage.tag(name, tag, digest)
    return digest


def _cleaned(storage: Made, root: Path, untagged: bool = True) -> tuple[Snapshot, Snapshot]:
    """Before and after, with all that the oracle asks for."""
    storage.write(root)
    before = taken(root)
    running.clean_up(running.opened(root), delete_untagged=untagged)
    after = taken(root)
    assert wrongs(before, after, judge(before, untagged)) == []
    return before, after


@pytest.fixture
def storage() -> Made:
    """One with a repository that is in order: an image with a tag, and one without that is to go."""
    made = Made(0, Random(0))
    _image(made, "plain", "v1")
    _image(made, "plain")
    return made


def _plain_is_clean(after: Snapshot) -> None:
    """Whatever is wrong elsewhere, this repository was cleaned."""
    kinds = [link.kind for link in after.links["plain"]]
    assert kinds.count("revision") == 1
    assert kinds.count("layer") == 2


def test_a_layer_that_its_pusher_named_by_sha512(storage: Made, tmp_path: Path) -> None:
    """Its content lies under sha256, and it is served by both links."""
    _image(storage, "app", "v1", wide=True)
    before, after = _cleaned(storage, tmp_path)
    assert after.pulled == before.pulled
    assert sum(link.kind == "layer" for link in after.links["app"]) == 3


@pytest.mark.parametrize("lost", ["link", "blob"])
@pytest.mark.parametrize("untagged", [True, False])
def test_a_lost_manifest_costs_no_layers(storage: Made, tmp_path: Path, lost: str, untagged: bool) -> None:
    """Of one platform of an index, or of a tag itself: once it is put back, all is whole again."""
    rng = storage.rng
    child, own = _image(storage, "app"), _image(storage, "app", "own")
    _image(storage, "app", "other")
    storage.tag("app", "multi", storage.manifest("app", documents.written(rng, documents.index(rng, [child]))))
    whole = Snapshot(dict(storage.files))
    paths = [places.blob(one) if lost == "blob" else places.revision("app", one) for one in (child, own)]
    kept = {path: storage.files.pop(path) for path in paths}
    _, after = _cleaned(storage, tmp_path, untagged)
    if untagged:
        _plain_is_clean(after)
    restored = Snapshot(after.files | kept)
    assert {tag: got for tag, got in restored.pulled.items() if tag[0] == "app"} == {
        tag: got for tag, got in whole.pulled.items() if tag[0] == "app"
    }


def test_a_referrer_whose_link_leads_to_nothing_stays(storage: Made, tmp_path: Path) -> None:
    """It says something about a tagged image, and somebody may put its link right."""
    rng = storage.rng
    subject = _image(storage, "app", "v1")
    config = storage.layer("app", rng.randbytes(16))
    said = json.loads(documents.written(rng, documents.image(rng, config, [])))
    said["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    digest = storage.manifest("app", json.dumps(said).encode())
    storage.files[places.revision("app", digest)] = f"sha256:{'0' * 64}".encode()
    before, after = _cleaned(storage, tmp_path)
    kept = {path for path in before.files if "/app/" in path} | {places.blob(digest), places.blob(config)}
    assert kept <= after.files.keys()
    _plain_is_clean(after)


@pytest.mark.parametrize("name", ["failed", "link", "data", "current", "tags", "blobs", "sha256", "trash"])
def test_repositories_with_names_that_mean_something_elsewhere(storage: Made, tmp_path: Path, name: str) -> None:
    """Each is a name like any other."""
    _image(storage, name, "link")
    _image(storage, f"{name}/{name}", "current")
    _image(storage, f"{name}/{name}")
    _plain_is_clean(_cleaned(storage, tmp_path)[1])


def test_an_index_without_children_in_a_fresh_repository(storage: Made, tmp_path: Path) -> None:
    """There is no directory of layers yet."""
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    storage.tag("fresh", "v1", storage.manifest("fresh", content))
    _, after = _cleaned(storage, tmp_path)
    _plain_is_clean(after)
    assert ("fresh", "v1") in after.pulled


def test_a_schema_1_manifest_of_registry_2(storage: Made, tmp_path: Path) -> None:
    """Tagged, with its layers and its signature; and one that nobody needs."""
    for tag in ("v1", ""):
        layer = storage.layer("old", storage.rng.randbytes(8))
        digest = storage.manifest("old", documents.written(storage.rng, documents.schema_1(storage.rng, [layer])))
        signed = storage.blob(storage.rng.randbytes(8))
        storage.files[places.signature("old", digest, signed)] = signed.encode()
        if tag:
            storage.tag("old", tag, digest)
    _, after = _cleaned(storage, tmp_path)
    _plain_is_clean(after)
    assert sorted(link.kind for link in after.links["old"]) == ["history", "layer", "revision", "signature", "tag"]


@pytest.mark.parametrize("gone", ["its only name", "sha256", "sha512"])
@pytest.mark.parametrize("tagged", [True, False])
def test_a_layer_that_was_deleted_through_the_api(storage: Made, tmp_path: Path, gone: str, tagged: bool) -> None:
    """As the conformance suite leaves it, by one of its names perhaps; the rest of the repository is cleaned."""
    rng = storage.rng
    config, layer = storage.layer("app", b"config"), storage.layer("app", b"layer", wide=gone != "its only name")
    digest = storage.manifest("app", documents.written(rng, documents.image(rng, config, [layer])))
    if tagged:
        storage.tag("app", "v1", digest)
    unneeded = _image(storage, "app")
    deleted = places.sha512(b"layer") if gone == "sha512" else places.sha256(b"layer")
    del storage.files[places.layer("app", deleted)]
    _, after = _cleaned(storage, tmp_path)
    _plain_is_clean(after)
    assert after.manifest("app", unneeded) is None
    assert after.blob("app", config) == (b"config" if tagged else None)
    assert not running.clean_up(running.opened(tmp_path)).plan


def test_a_manifest_at_which_a_collector_panics(storage: Made, tmp_path: Path) -> None:
    """Without a tag it goes like any other; with one its repository keeps all it has, and no other does."""
    content = f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":"x","manifests":null,"n":%d}}'
    storage.manifest("hostile", (content % 1).encode())
    storage.tag("tagged", "v1", storage.manifest("tagged", (content % 2).encode()))
    unneeded = _image(storage, "tagged")
    _, after = _cleaned(storage, tmp_path)
    _plain_is_clean(after)
    assert not after.links.get("hostile")
    assert after.manifest("tagged", unneeded) is not None


def test_a_thousand_nested_indexes(storage: Made, tmp_path: Path) -> None:
    """In seconds, and to the innermost image."""
    rng, inner = storage.rng, _image(storage, "deep")
    digest = inner
    for _ in range(1000):
        digest = storage.manifest("deep", documents.written(rng, documents.index(rng, [digest])))
    storage.tag("deep", "v1", digest)
    began = time.monotonic()
    _, after = _cleaned(storage, tmp_path)
    assert after.manifest("deep", inner) is not None
    assert time.monotonic() - began < 20


def test_many_layers_in_many_tags_take_no_square_of_time(storage: Made, tmp_path: Path) -> None:
    """Every manifest of a thousand names the same thousand layers, and an index names all."""
    layers = [documents.descriptor(storage.layer("wide", str(n).encode()), documents.LAYER) for n in range(300)]
    children = []
    for number in range(300):
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": layers[0], "layers": layers, "n": number}
        children.append(storage.manifest("wide", json.dumps(document).encode()))
    index = {"schemaVersion": 2, "manifests": [documents.descriptor(one, OCI_MANIFEST) for one in children]}
    storage.tag("wide", "v1", storage.manifest("wide", json.dumps(index).encode()))
    storage.write(tmp_path)
    began = time.monotonic()
    running.clean_up(running.opened(tmp_path))
    assert time.monotonic() - began < 10
    assert len([link for link in taken(tmp_path).links["wide"] if link.kind == "layer"]) == 300


def test_a_link_to_another_place_on_the_disk(storage: Made, tmp_path: Path) -> None:
    """A repository that is a symbolic link to another one: neither loses anything."""
    if running.is_bucket():
        pytest.skip("a bucket has no symbolic links")
    _image(storage, "real", "v1")
    _image(storage, "real")
    storage.write(tmp_path)
    (tmp_path / places.REPOSITORIES / "also").symlink_to("real")
    before = taken(tmp_path)
    running.clean_up(running.opened(tmp_path))
    after = taken(tmp_path)
    _plain_is_clean(after)
    assert {path for path in before.files if "/real/" in path} <= after.files.keys()


def test_a_storage_on_which_nothing_was_ever_pushed(tmp_path: Path) -> None:
    """There is nothing to do."""
    running.clean_up(running.opened(tmp_path))
    assert taken(tmp_path).files == {}
