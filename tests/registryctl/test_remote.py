"""Deletion over the API when the registry refuses, is being used meanwhile, or can't be read: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.artifacts import image, index
from tests.registryctl.fake_registry import FakeRegistry, fake_registry

ONE = image("one")
TWO = image("two")


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker has no account here, and no proxy is between."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """With two tags of one image, and one of another."""
    with fake_registry() as found:
        found.push("team/app", ONE, "a", "b")
        found.push("team/app", TWO, "c")
        yield found


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(401, 10, "UNAUTHORIZED"), (403, 11, "DENIED"), (405, 9, "UNSUPPORTED"), (503, 12, "UNAVAILABLE"),
     (429, 12, "UNAVAILABLE")],
)  # fmt: skip
@pytest.mark.parametrize("images", [["team/app:a"], ["team/app:c"]], ids=["shared", "alone"])
def test_a_refused_deletion_has_its_own_exit_code_and_changes_nothing(
    registry: FakeRegistry, status: int, code: int, word: str, images: list[str]
) -> None:
    """Nothing is pushed over the tag. A dry run says the same."""
    before = {name: dict(tags) for name, tags in registry.tags.items()}
    registry.refuse["DELETE"] = status
    for dry in (True, False):
        done = registry.remove(*images, dry=dry)
        assert (done.code, done.word) == (code, word)
    assert registry.tags == before
    assert registry.writes() == []


@pytest.mark.parametrize(("status", "code"), [(401, 10), (403, 11), (503, 12)])
def test_a_registry_that_can_t_be_read_has_its_own_exit_code(registry: FakeRegistry, status: int, code: int) -> None:
    """The same as for a refused deletion."""
    registry.refuse.update(GET=status, HEAD=status)
    for request in ("team/app:a", "team/*:a"):
        assert registry.remove(request).code == code


def test_no_answer_has_its_own_exit_code() -> None:
    """Nobody listens there any more."""
    with fake_registry() as registry:
        pass
    done = registry.remove("team/app:a")
    assert (done.code, done.word) == (13, "UNREACHABLE")


def test_a_tag_goes_alone_while_its_image_has_another(registry: FakeRegistry) -> None:
    """With its last tag the image goes; what is said is what happens."""
    dry = registry.remove("team/app:a", dry=True)
    assert set(registry.tags["team/app"]) == {"a", "b", "c"}
    done = registry.remove("team/app:a")
    assert (done.code, done.out) == (0, dry.out + "deleted\n")
    assert f"keep   team/app@{ONE.digest} (used by team/app:b)" in done.out.splitlines()
    assert set(registry.tags["team/app"]) == {"b", "c"}
    assert registry.remove("team/app:b").code == 0
    assert set(registry.manifests["team/app"]) == {TWO.digest}
    assert registry.writes() == []


def test_an_index_takes_along_what_it_alone_contains(registry: FakeRegistry) -> None:
    """Itself before its parts, so that none is ever incomplete; an image that has a tag of its own stays."""
    part = image("part")
    multi = registry.push("team/app", index(part, ONE, index(image("inner"))), "multi", "latest")
    registry.push("team/app", image("signature"), multi.attached_tag(".sig"))
    assert registry.remove("team/app:multi", "team/app:latest").code == 0
    assert registry.tags["team/app"] == {"a": ONE.digest, "b": ONE.digest, "c": TWO.digest}
    assert set(registry.manifests["team/app"]) == {ONE.digest, TWO.digest}
    deleted = [request.rpartition("/")[2] for request in registry.requests if request.startswith("DELETE")]
    assert deleted.index(multi.digest) < deleted.index(part.digest)


def test_an_index_that_lacks_a_part_stops_all(registry: FakeRegistry) -> None:
    """Nobody knows what else it needs, whichever of its tags is read first; the tags alone can go."""
    whole = registry.push("team/app", index(image("x"), image("y")), "multi", "same")
    del registry.manifests["team/app"][image("y").digest]
    done = registry.remove("team/app:a", "team/app:multi")
    assert (done.code, done.word) == (14, "UNREADABLE")
    assert "team/app:same can't be read" in done.err
    assert registry.remove("team/app:multi", "team/app:same", "team/app:a").code == 0
    assert set(registry.tags["team/app"]) == {"b", "c"}
    assert whole.digest in registry.manifests["team/app"]


def test_a_manifest_that_is_not_what_its_digest_says_can_t_be_read(registry: FakeRegistry) -> None:
    """It may contain anything."""
    whole = registry.push("team/app", index(ONE), "multi")

    def lie(method: str, path: str, _: object) -> tuple[int, bytes, dict[str, str]] | None:
        if method == "GET" and path.endswith(whole.digest):
            return 200, index(TWO).content, {"Content-Type": whole.media_type}
        return None

    registry.guard = lie
    assert registry.remove("team/app:c").code == 14


def test_a_tag_alone_can_t_go_where_the_registry_can_t_do_that(registry: FakeRegistry) -> None:
    """Older ones can't. It is known before anything goes, and an image with all its tags goes all the same."""
    registry.deletes_tags = False
    done = registry.remove("team/app:a", "team/app:c")
    assert (done.code, done.word) == (9, "UNSUPPORTED")
    assert "can't delete a tag alone" in done.err
    registry.tags["team/app"]["lost"] = image("lost").digest
    assert registry.remove("team/app:lost").code == 9
    assert set(registry.tags["team/app"]) == {"a", "b", "c", "lost"}
    del registry.tags["team/app"]["lost"]
    assert registry.remove("team/app:c", "team/app:a", "team/app:b").code == 0
    assert registry.tags["team/app"] == {}
    assert registry.writes() == []


def test_a_tag_that_moves_meanwhile_is_kept(registry: FakeRegistry) -> None:
    """It was another image that was to go."""

    def move(request: str) -> None:
        if request.startswith("DELETE"):
            registry.tags["team/app"]["a"] = TWO.digest

    registry.before = move
    done = registry.remove("team/app:a")
    assert (done.code, done.word) == (15, "CHANGED")
    assert "it has moved to" in done.out
    assert registry.tags["team/app"] == {"a": TWO.digest, "b": ONE.digest, "c": TWO.digest}


def test_a_manifest_that_gets_a_tag_meanwhile_is_kept(registry: FakeRegistry) -> None:
    """Somebody promoted the image between the plan and its deletion."""

    def promote(request: str) -> None:
        if request.startswith("DELETE"):
            registry.tags["team/app"]["promoted"] = TWO.digest

    registry.before = promote
    done = registry.remove("team/app:c")
    assert done.code == 15
    assert registry.tags["team/app"]["promoted"] == TWO.digest
    assert TWO.digest in registry.manifests["team/app"]


def test_what_somebody_else_deletes_meanwhile_is_no_error(registry: FakeRegistry) -> None:
    """It is gone, as was asked for."""

    def forestall(request: str) -> None:
        if request == f"DELETE /v2/team/app/manifests/{TWO.digest}":
            registry.tags["team/app"].pop("c", None)
            registry.manifests["team/app"].pop(TWO.digest, None)

    registry.before = forestall
    assert registry.remove("team/app:c").code == 0


@pytest.mark.parametrize("links", [True, False], ids=["linked", "counted"])
def test_all_pages_are_read(registry: FakeRegistry, links: bool) -> None:
    """Of the catalogue and of tags, however the registry tells that there are more."""
    registry.links = links
    names = [f"many/of-{number:03}" for number in range(230)]
    for name in names:
        registry.push(name, ONE, "a", "b")
    for number in range(230):
        registry.push("tags", ONE, f"t{number:03}")
    assert len(registry.remove("many/*:a", dry=True).out.splitlines()) == 2 * 230
    assert len(registry.remove("tags:*", dry=True).out.splitlines()) == 230 + 1


def test_a_pattern_fits_nothing_that_is_mirrored(registry: FakeRegistry) -> None:
    """It can't be deleted there, and to look at it would fetch all its tags from the other registry."""
    registry.mirrored = "docker.io quay.io"
    for name in ("docker.io/library/alpine", "docker.io-own/app"):
        registry.push(name, ONE, "a")
    done = registry.remove("**:a")
    assert (done.code, "docker.io-own/app:a" in done.out, "alpine" in done.out) == (0, True, False)
    assert not [request for request in registry.requests if "alpine" in request]
    assert registry.remove("docker.io/**:*").code == 6


@pytest.mark.parametrize("image", ["docker.io/library/alpine:a", f"docker.io/library/alpine@{ONE.digest}"])
def test_what_is_mirrored_is_known_before_any_tag_is_looked_at(registry: FakeRegistry, image: str) -> None:
    """One that is named, too: there may be thousands, and each would be asked for at the other registry."""
    registry.mirrored = "quay.io docker.io"
    registry.push("docker.io/library/alpine", ONE, "a", "b")
    done = registry.remove(image, dry=True)
    assert (done.code, done.word) == (9, "UNSUPPORTED")
    assert "is mirrored there" in done.err
    assert not [request for request in registry.requests if "/manifests/" in request]


@pytest.mark.parametrize("number", range(1, 6))
def test_a_run_that_was_cut_off_is_finished_by_the_next(registry: FakeRegistry, number: int) -> None:
    """Wherever it was: what is there in between is whole, and nothing is attached to what is gone."""
    part, shared = image("part"), image("shared")
    multi = registry.push("team/app", index(part, shared), "multi")
    registry.push("team/app", image("signature"), multi.attached_tag(".sig"))
    registry.push("team/app", shared, "d")
    deletions = 0

    def cut_off(request: str) -> None:
        nonlocal deletions
        deletions += request.startswith("DELETE")
        if deletions > number:
            registry.refuse["DELETE"] = 503

    registry.before = cut_off
    wanted = ("team/app:a", "team/app:b", "team/app:c", "team/app:multi")
    assert registry.remove(*wanted).code == 12
    tags, manifests = registry.tags["team/app"], registry.manifests["team/app"]
    assert set(tags.values()) <= set(manifests)
    assert multi.digest not in manifests or {part.digest, shared.digest} <= set(manifests)
    assert multi.attached_tag(".sig") not in tags or multi.digest in manifests
    assert tags["d"] == shared.digest

    registry.before = lambda _: None
    registry.refuse.clear()
    left = [f"team/app:{tag}" for tag in tags if tag != "d"]
    assert not left or registry.remove(*left).code == 0
    assert tags == {"d": shared.digest}
