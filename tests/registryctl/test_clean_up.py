"""What no tag needs goes; nothing else does."""

from __future__ import annotations

import json

import pytest

from registryctl.gc import Limits, plan_clean_up
from registryctl.plan import Fresh
from tests.registryctl.world import NOW, Gate, World, clean_up, digest_of


def test_an_untagged_image_goes_with_its_layers(world: World) -> None:
    """What a tagged one shares with it stays."""
    kept = world.image("a/b", "1.0", b"shared", b"own")
    gone = world.image("a/b", "", b"shared", b"lost")
    before = world.pull("a/b", "1.0")
    outcome = clean_up(world)
    assert not outcome.skipped
    assert world.pull("a/b", "1.0") == before == world.blobs()
    assert kept in before
    assert not world.has(gone)
    assert outcome.freed > 0


def test_nothing_to_remove_closes_nothing(world: World) -> None:
    """A second run changes nothing and keeps nobody waiting."""
    world.image("a", "1.0", b"x")
    world.image("a", "", b"y")
    clean_up(world)
    gate, tree = Gate(), world.tree()
    assert not clean_up(world, gate).plan
    assert gate.closed_times == 0
    assert world.tree() == tree


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_layers_by_another_name_stay(world: World, algorithm: str) -> None:
    """A link says where they lie."""
    world.image("a", "1.0", b"layer", algorithm=algorithm)
    world.image("b", "", b"other", algorithm=algorithm)
    before = world.pull("a", "1.0")
    clean_up(world)
    assert world.pull("a", "1.0") == before
    assert world.has(digest_of(b"layer"))
    assert not world.has(digest_of(b"other"))
    assert world.repositories() == {"a"}


def test_an_index_a_thousand_deep(world: World) -> None:
    """All of it stays, and all of it goes."""
    for repository, tag in (("kept", "1.0"), ("gone", "")):
        digest = world.image(repository, "", repository.encode())
        for _ in range(1000):
            digest = world.index(repository, "", digest)
        world.index(repository, tag, digest)
    before = world.pull("kept", "1.0")
    clean_up(world)
    assert world.pull("kept", "1.0") == before == world.blobs()
    assert world.repositories() == {"kept"}


def test_what_has_a_needed_subject_stays(world: World) -> None:
    """In chains, and in circles, which no digest can make but a broken storage may claim to."""
    image = world.image("a", "1.0", b"x")
    signature = world.image("a", "", b"signature", subject=image)
    note = world.image("a", "", b"note", subject=signature)
    other = world.image("a", "", b"y")
    lost = world.image("a", "", b"about y", subject=other)
    tagged = world.image("a", "about", b"tagged", subject=other)
    clean_up(world)
    assert [world.has(digest) for digest in (image, signature, note, tagged, other, lost)] == [True] * 4 + [False] * 2


def test_a_lost_child_keeps_its_repository(world: World) -> None:
    """Its layers are still there when it is put back; other repositories are cleaned all the same."""
    child = world.image("a", "", b"layer of the child")
    world.index("a", "1.0", child)
    before = world.pull("a", "1.0")
    file = world.blob_file(child)
    content = file.read_bytes()
    file.unlink()
    extra = world.image("a", "", b"extra")
    gone = world.image("b", "", b"b")
    outcome = clean_up(world)
    assert [f"a {child}: it is missing"] == outcome.skipped
    assert world.has(extra)
    assert not world.has(gone)
    file.write_bytes(content)
    assert world.pull("a", "1.0") == before


def test_a_child_that_another_repository_has_is_no_fault(world: World) -> None:
    """What it would need is known."""
    for repository in ("a", "b"):
        child = world.image(repository, "", b"layer")
        world.index(repository, "1.0", child)
    world.link_file("a", "_manifests/revisions", child).unlink()
    world.image("c", "", b"c")
    whole = world.pull("b", "1.0")
    outcome = clean_up(world)
    assert not outcome.skipped
    assert world.pull("b", "1.0") == whole
    assert world.link_file("a", "_layers", digest_of(b"layer")).exists()


@pytest.mark.parametrize(
    "content",
    [
        b'{"schemaVersion":2,"manifests":"x","manifests":null}',
        b"[" * 100_000,
        b'{"schemaVersion":NaN}',
        b"\xef\xbb\xbf{}",
        b"",
        b'{"schemaVersion":2,"mediaType":"text/html"}',
    ],
)
def test_a_hostile_manifest_stops_its_own_repository_only(world: World, content: bytes) -> None:
    """Tagged, it keeps all there; untagged, it goes."""
    world.put("evil", content, "1.0")
    extra = world.image("evil", "", b"extra")
    untagged = world.put("b", content + b" ")
    gone = world.image("b", "", b"gone")
    world.image("b", "1.0", b"kept")
    outcome = clean_up(world)
    assert len(outcome.skipped) == 1
    assert "evil:1.0 sha256:" in outcome.skipped[0]
    assert world.has(extra)
    assert not world.has(gone)
    assert not world.has(untagged)


def test_what_is_not_understood_keeps_all_it_may_name(world: World) -> None:
    """Whatever letters it is written with."""
    layer, escaped = world.blob(b"layer"), world.blob(b"escaped")
    text = "".join(f"\\u{ord(letter):04x}" for letter in escaped)
    world.put("a", f'{{"schemaVersion":2,"Layers":[{{"digest":"{layer}"}},{{"digest":"{text}"}}]}}'.encode(), "1.0")
    world.blob(b"other")
    clean_up(world)
    assert world.has(layer)
    assert world.has(escaped)
    assert not world.has(digest_of(b"other"))


def test_schema_1_is_understood(world: World) -> None:
    """With its signatures, which go with it."""
    for repository, tag in (("a", "1.0"), ("b", "")):
        layers = [world.layer(repository, repository.encode())]
        signature = world.blob(b"signature " + repository.encode())
        document = {"schemaVersion": 1, "name": repository, "fsLayers": [{"blobSum": layers[0]}], "signatures": []}
        digest = world.put(repository, document, tag)
        part = f"{repository}/_manifests/revisions/{digest.replace(':', '/')}"
        world.link(f"{part}/signatures/{signature.replace(':', '/')}", signature)
    outcome = clean_up(world)
    assert not outcome.skipped
    assert world.has(digest_of(b"a"))
    assert world.has(digest_of(b"signature a"))
    assert not world.has(digest_of(b"b"))
    assert not world.has(digest_of(b"signature b"))
    assert world.repositories() == {"a"}


def test_a_manifest_that_only_a_layer_link_leads_to(world: World) -> None:
    """Registry 2 finds it."""
    digest = world.image("a", "1.0", b"layer")
    world.link_file("a", "_manifests/revisions", digest).unlink()
    world.link(f"a/_layers/{digest.replace(':', '/')}", digest)
    tree = world.tree()
    outcome = clean_up(world)
    assert not outcome.skipped
    assert world.tree() == tree


def test_old_tags_leave_nothing(world: World) -> None:
    """What a moved tag was goes, and so does a tag of which a cut-off run left a part."""
    old = world.image("a", "latest", b"old")
    new = world.image("a", "latest", b"new")
    (world.v2 / "repositories/a/_manifests/tags/cut/current").mkdir(parents=True)
    world.link(f"a/_manifests/tags/half/index/{old.replace(':', '/')}", old)
    clean_up(world)
    assert sorted(path.name for path in (world.v2 / "repositories/a/_manifests/tags").iterdir()) == ["latest"]
    assert [path.parent.name for path in world.v2.rglob("index/*/*/link")] == [new.partition(":")[2]]


def test_empty_repositories_go_only_where_nothing_is_in_them(world: World) -> None:
    """An upload under way, or something that nobody knows, keeps them."""
    for name in ("gone", "gone/inner", "uploads", "odd", "kept"):
        world.image(name, "1.0" if name == "kept" else "", name.encode())
    world.file("repositories/uploads/_uploads/1-2-3/startedat", b"now")
    world.file("repositories/odd/_manifests/note", b"mine")
    outcome = clean_up(world)
    assert outcome.plan.empty == ["gone", "gone/inner"]
    assert {"uploads", "kept", "odd"} >= world.repositories() >= {"kept", "odd"}
    assert (world.v2 / "repositories/uploads/_uploads/1-2-3/startedat").exists()
    assert (world.v2 / "repositories/odd/_manifests/note").exists()
    gate = Gate()
    clean_up(world, gate)
    assert gate.closed_times == 0


def test_untagged_manifests_may_be_wanted(world: World) -> None:
    """Then they stay with all they need, and what nothing names goes."""
    digest = world.image("a", "", b"x")
    before = world.pull("a", digest)
    blob = world.blob(b"nothing")
    clean_up(world, untagged=False)
    assert world.pull("a", digest) == before
    assert not world.has(blob)


def test_a_plan_is_bounded_by_what_leaves(world: World) -> None:
    """Bytes of what images held; what only an old record held left before."""
    world.image("a", "1.0", b"x" * 1000)
    world.image("b", "", b"y" * 3000)
    limits = Limits(NOW, trash_days=7)
    plan = plan_clean_up(world.storage, Fresh(), limits)
    assert 3000 < plan.leaving < 4000
    assert plan.total > 4000
    assert not plan.blobs
    clean_up(world, days=7)
    assert plan_clean_up(world.storage, Fresh(), limits).leaving == 0


def test_a_plan_can_be_printed(world: World) -> None:
    """By line and as JSON."""
    digest = world.image("a", "", b"x")
    plan = plan_clean_up(world.storage, Fresh(), Limits(NOW, trash_days=0))
    lines = list(plan.lines())
    assert f"manifest a@{digest}" in lines
    assert f"blob {digest}" in lines
    assert "empty repository a" in lines
    assert json.loads(json.dumps(plan.document()))["blobs"][digest] > 0
