"""What is taken out of a plan because it was written meanwhile, or is not what it was."""

from __future__ import annotations

import pytest

from registryctl.journals import Touched
from registryctl.plan import Fresh, Plan, RepositoryPlan
from registryctl.storage import Unreadable
from registryctl.verify import BrokenError, Verification, read_link
from tests.registryctl.faults import FaultyStorage
from tests.registryctl.world import World, digest_of

ONE, TWO, THREE = (digest_of(name) for name in (b"one", b"two", b"three"))
LONG = digest_of(b"one", "sha512")


def link(world: World, kind: str, digest: str, target: str = "") -> None:
    """A link of the repository `a`."""
    world.link(f"a/{kind}/{digest.replace(':', '/')}", target or digest)


def test_a_link_is_a_digest_or_broken(world: World) -> None:
    """And none where there is none."""
    for text, name in ((ONE.encode(), "good"), (b"x", "bad"), (b"\xff", "odd"), (b"x" * 2000, "large")):
        world.file(f"{name}/link", text)
    top = "docker/registry/v2"
    assert read_link(world.storage, f"{top}/good/link") == ONE
    assert read_link(world.storage, f"{top}/none/link") is None
    for name in ("bad", "odd", "large"):
        with pytest.raises(BrokenError, match=f"^{top}/{name}/link$"):
            read_link(world.storage, f"{top}/{name}/link")
    with pytest.raises(BrokenError):
        read_link(FaultyStorage(world.storage, 1, Unreadable("no")), f"{top}/good/link")


def test_a_tag_that_was_written_stays_with_all_it_needs(world: World) -> None:
    """And nothing else: not what tags once were that was to go, nor other layers, manifests and blobs."""
    image, other = world.image("a", "1.0", b"layer"), world.image("a", "", b"other")
    needed = world.pull("a", "1.0")
    layers = {digest: digest for digest in needed - {image}} | {digest_of(b"other"): digest_of(b"other")}
    its = RepositoryPlan(
        "a",
        tags={"1.0": image, "gone": THREE},
        entries={"1.0": [image], "gone": [image, ONE], "kept": [image, ONE], "only": [image], "hollow": [image, TWO]},
        hollow=["hollow"],
        revisions={image: image, other: other},
        signatures={image: {ONE: ONE}, other: {ONE: ONE}},
        layers=dict(layers),
        loose={TWO: TWO},
        empty=True,
    )
    plan = Plan({"a": its}, blobs=dict.fromkeys([*needed, other, TWO], 1), aside=dict.fromkeys([*needed, THREE], 1))
    verification = Verification(world.storage, plan)
    verification.written({"a": Touched({"1.0", "/"})})
    assert verification.changed == ["a:1.0", f"a@{image}"]
    assert its == RepositoryPlan(
        "a",
        tags={"gone": THREE},
        entries={"gone": [image, ONE], "kept": [ONE], "hollow": [image, TWO]},
        hollow=["hollow"],
        revisions={other: other},
        signatures={other: {ONE: ONE}},
        layers={digest_of(b"other"): digest_of(b"other")},
        loose={TWO: TWO},
    )
    assert (plan.blobs, plan.aside) == ({other: 1, TWO: 1}, {THREE: 1})


def test_a_hollow_tag_that_was_written_is_one_again(world: World) -> None:
    """Its directories stay, and so does what it was."""
    its = RepositoryPlan("a", entries={"1.0": [ONE], "x": [ONE]}, hollow=["1.0", "x"], loose={TWO: TWO})
    Verification(world.storage, Plan({"a": its})).written({"a": Touched({"1.0"})})
    assert (its.entries, its.hollow, its.loose) == ({"x": [ONE]}, ["x"], {TWO: TWO})


def test_a_layer_that_was_written_stays(world: World) -> None:
    """By both of its names, and its blob; its repository is not empty then."""
    link(world, "_layers", LONG, ONE)
    link(world, "_layers", ONE)
    its = RepositoryPlan("a", layers={LONG: ONE, TWO: TWO}, loose={ONE: ONE, THREE: THREE}, empty=True)
    plan = Plan({"a": its}, blobs={ONE: 1, TWO: 2}, aside={ONE: 1, THREE: 3})
    verification = Verification(world.storage, plan)
    verification.written({"a": Touched(digests={LONG})})
    assert (its.layers, its.loose, its.empty) == ({TWO: TWO}, {THREE: THREE}, False)
    assert (plan.blobs, plan.aside, verification.changed) == ({TWO: 2}, {THREE: 3}, [])


def test_what_was_named_and_is_not_there_keeps_no_repository(world: World) -> None:
    """Only its blob, which a push may be about to link."""
    its = RepositoryPlan("a", loose={TWO: TWO}, empty=True)
    plan = Plan({"a": its}, blobs={ONE: 1, TWO: 2})
    Verification(world.storage, plan).written({"a": Touched(digests={ONE}), "Upper": Touched({"x"}, {TWO})})
    assert (its.empty, its.loose, plan.blobs) == (True, {TWO: TWO}, {TWO: 2})


def test_where_not_all_is_known_a_repository_stays(world: World) -> None:
    """With the blobs of all its links, and of what its manifests name; others are as they were."""
    lost = world.image("a", "1.0", b"x")
    world.blob_file(lost).unlink()
    its = RepositoryPlan("a", signatures={ONE: {LONG: TWO}}, loose={THREE: THREE}, named={ONE})
    plan = Plan({"a": its, "b": RepositoryPlan("b")}, blobs=dict.fromkeys([ONE, TWO, THREE, lost], 1))
    plan.aside = dict(plan.blobs)
    verification = Verification(world.storage, plan)
    verification.written({"a": Touched({"1.0"})})
    assert (list(plan.repositories), plan.blobs, plan.aside, verification.changed) == (["b"], {}, {}, ["a"])


@pytest.mark.parametrize("digest", [ONE, LONG])
def test_a_broken_link_keeps_what_was_written(world: World, digest: str) -> None:
    """A name of another algorithm may be any blob's."""
    link(world, "_layers", digest, "x")
    plan = Plan({"a": RepositoryPlan("a", loose={TWO: TWO})}, blobs={ONE: 1, THREE: 3}, aside={ONE: 1, THREE: 3})
    verification = Verification(world.storage, plan)
    verification.written({"a": Touched(digests={digest})})
    left = {THREE: 3} if digest == ONE else {}
    assert (plan.repositories, plan.blobs, plan.aside, verification.changed) == ({}, left, left, ["a"])


def test_a_broken_link_where_nothing_was_to_go(world: World) -> None:
    """Keeps its blob too, and changes nothing else."""
    link(world, "_layers", ONE, "x")
    plan = Plan({"b": RepositoryPlan("b")}, blobs={ONE: 1, TWO: 2})
    verification = Verification(world.storage, plan)
    verification.written({"a": Touched(digests={ONE})})
    assert (list(plan.repositories), plan.blobs, verification.changed) == (["b"], {TWO: 2}, [])


@pytest.mark.parametrize(("seen", "stays"), [(ONE, False), (TWO, True), ("", True)])
def test_a_tag_whose_push_was_under_way_counts_once_it_is_another(world: World, seen: str, stays: bool) -> None:
    """Than it was at the look; so it is with one that came, and one that went is as none."""
    world.link("a/_manifests/tags/1.0/current", ONE)
    world.link("a/_manifests/tags/broken/current", "x")
    for names in (["1.0"], ["1.0", "none", "/"]):
        its = RepositoryPlan("a", tags={"1.0": ONE}, revisions={ONE: ONE})
        plan = Plan({"a": its}, seen={("a", "1.0"): seen} if seen else {})
        Verification(world.storage, plan).under_way(Fresh(tags={"a": frozenset(names), "Upper": frozenset(names)}))
        # Nothing is known of what the tag needs here: all of its repository stays.
        assert bool(plan.repositories) is not stays
    plan = Plan({"a": RepositoryPlan("a", loose={TWO: TWO})})
    Verification(world.storage, plan).under_way(Fresh(tags={"a": frozenset({"broken"})}))
    assert plan.repositories == {}


def test_what_a_push_waits_for_stays_unless_it_is_asked_for(world: World) -> None:
    """Somebody wants that gone, however lately it came."""
    for asked in (set[str](), {ONE}):
        link(world, "_layers", ONE)
        its = RepositoryPlan("a", loose={ONE: ONE}, asked=asked)
        Verification(world.storage, Plan({"a": its})).under_way(Fresh({"a": frozenset({ONE})}))
        assert its.loose == ({ONE: ONE} if asked else {})
    plan = Plan(blobs={TWO: 1})
    Verification(world.storage, plan).under_way(Fresh({"b": frozenset({TWO})}))
    assert plan.blobs == {}


def test_what_is_gone_already_needs_no_removal(world: World) -> None:
    """Each kind of link; a plan of which nothing is left goes."""
    links = {ONE: ONE}
    its = RepositoryPlan(
        "a",
        {"1.0": ONE, "broken": ""},
        revisions=dict(links),
        signatures={ONE: dict(links)},
        layers=dict(links),
        loose={TWO: TWO},
    )
    plan = Plan({"a": its, "b": RepositoryPlan("b", tags={"x": ONE})})
    verification = Verification(world.storage, plan)
    verification.preconditions()
    assert (its.tags, its.revisions, its.layers, its.loose, its.signatures) == ({}, {}, {}, {}, {ONE: {}})
    assert (list(plan.repositories), verification.changed) == (["a"], [])


@pytest.mark.parametrize("kind", ["tag", "broken", "revision", "layer", "loose", "signature"])
@pytest.mark.parametrize("now", ["same", "other", "broken"])
def test_each_link_is_what_it_was(world: World, kind: str, now: str) -> None:
    """Or all of its repository stays: nobody has looked at what else it needs. A broken tag may go as one."""
    text = {"same": ONE, "other": TWO, "broken": "x"}[now]
    its = RepositoryPlan("a")
    if kind in ("tag", "broken"):
        its.tags = {"1.0": ONE if kind == "tag" else ""}
        world.link("a/_manifests/tags/1.0/current", text)
    elif kind == "signature":
        its.signatures = {THREE: {ONE: ONE}}
        part = f"{THREE.replace(':', '/')}/signatures/{ONE.replace(':', '/')}"
        world.link(f"a/_manifests/revisions/{part}", text)
    else:
        setattr(its, {"revision": "revisions", "layer": "layers"}.get(kind, kind), {ONE: ONE})
        link(world, "_manifests/revisions" if kind == "revision" else "_layers", ONE, text)
    before = list(its.targets())
    plan = Plan({"a": its, "b": RepositoryPlan("b", hollow=["x"])}, blobs={ONE: 1, THREE: 3})
    verification = Verification(world.storage, plan)
    verification.preconditions()
    stays = now != ("broken" if kind == "broken" else "same")
    assert list(plan.repositories) == (["b"] if stays else ["a", "b"])
    assert verification.changed == (["a"] if stays else [])
    assert (ONE in plan.blobs) is not (stays and ONE in before)
