"""Deletion when the registry refuses, is being used meanwhile, or can't be read: nothing is lost, and it is said."""

from collections.abc import Iterator

import pytest

from tests.e2e.artifacts import image, index
from tests.e2e.fake_registry import FakeRegistry, fake_registry

pytestmark = pytest.mark.e2e

ONE = image("one")
TWO = image("two")
DROP_ALL = '{ repositories = { "**" }, keep = {}, drop = { "*" } }'
KEEP_ONE = '{ repositories = { "**" }, keepLast = 1, keep = {}, drop = {} }'


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    """With two tags of one image, and one of another."""
    with fake_registry() as found:
        found.push("team/app", ONE, "a", "b")
        found.push("team/app", TWO, "c")
        yield found


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [(401, 10, "UNAUTHORIZED"), (403, 11, "DENIED"), (405, 9, "UNSUPPORTED"), (503, 12, "UNAVAILABLE")],
)
@pytest.mark.parametrize("images", [["team/app:a"], ["team/app:c"]], ids=["shared", "alone"])
def test_a_refused_deletion_has_its_own_exit_code_and_changes_nothing(
    registry: FakeRegistry, status: int, code: int, word: str, images: list[str]
) -> None:
    """No placeholder is pushed over the tag. A dry run says the same."""
    before = {name: dict(tags) for name, tags in registry.tags.items()}
    registry.refuse["DELETE"] = status
    for dry in (True, False):
        done = registry.remove(*images, dry=dry)
        assert (done.returncode, done.stderr.split(":")[0]) == (code, word)
    assert registry.tags == before
    assert registry.writes() == []


@pytest.mark.parametrize(("status", "code"), [(401, 10), (403, 11), (503, 12)])
def test_a_registry_that_can_t_be_read_has_its_own_exit_code(registry: FakeRegistry, status: int, code: int) -> None:
    """The same as for a refused deletion."""
    registry.refuse.update(GET=status, HEAD=status)
    assert registry.remove("team/app:a").returncode == code
    assert registry.drop(DROP_ALL, ["1 team/app a"]).returncode == code


def test_no_answer_has_its_own_exit_code() -> None:
    """Nobody listens there any more."""
    with fake_registry() as registry:
        pass
    done = registry.remove("team/app:a")
    assert (done.returncode, done.stderr.split(":")[0]) == (13, "UNREACHABLE")


def test_an_index_that_lacks_a_part_stops_all(registry: FakeRegistry) -> None:
    """Nobody knows what else it needs; the tag alone can go."""
    whole = registry.push("team/app", index(image("x"), image("y")), "multi")
    del registry.manifests["team/app"][image("y").digest]
    done = registry.remove("team/app:a")
    assert done.returncode == 14
    assert done.stderr.startswith("UNREADABLE: team/app:multi can't be read")
    assert registry.remove("team/app:multi", "team/app:a").returncode == 0
    assert set(registry.tags["team/app"]) == {"b", "c"}
    assert whole.digest in registry.manifests["team/app"]


def test_a_refused_deletion_of_a_tag_that_can_t_be_read_changes_nothing(registry: FakeRegistry) -> None:
    """No placeholder is pushed over it either, also where there is nothing else to ask by."""
    whole = registry.push("broken", index(image("x"), image("y")), "multi")
    del registry.manifests["broken"][image("y").digest]
    registry.refuse["DELETE"] = 405
    assert registry.remove("broken:multi").returncode == 9
    assert registry.tags["broken"] == {"multi": whole.digest}
    assert registry.writes() == []


def test_a_tag_that_the_registry_can_t_delete_is_told(registry: FakeRegistry) -> None:
    """Its manifest is missing, and so is the way by which older registries delete a tag."""
    registry.tags["team/app"]["lost"] = image("lost").digest
    done = registry.remove("team/app:lost")
    assert (done.returncode, "deleted" in done.stdout.split()) == (1, False)
    assert done.stderr.startswith("FAILED: team/app:lost is still there")


def test_a_tag_that_moves_meanwhile_is_kept(registry: FakeRegistry) -> None:
    """It was another image that was to go."""

    def move(request: str) -> None:
        if request.startswith("DELETE"):
            registry.tags["team/app"]["a"] = TWO.digest

    registry.before = move
    done = registry.remove("team/app:a")
    assert done.returncode == 15
    assert registry.tags["team/app"] == {"a": TWO.digest, "b": ONE.digest, "c": TWO.digest}


def test_a_manifest_that_gets_a_tag_meanwhile_is_kept(registry: FakeRegistry) -> None:
    """Somebody promoted the image between the plan and its deletion."""

    def promote(request: str) -> None:
        if request.startswith("DELETE"):
            registry.tags["team/app"]["promoted"] = TWO.digest

    registry.before = promote
    done = registry.remove("team/app:c")
    assert done.returncode == 15
    assert registry.tags["team/app"]["promoted"] == TWO.digest
    assert TWO.digest in registry.manifests["team/app"]


def test_on_the_host_what_goes_is_told_in_a_safe_order(registry: FakeRegistry) -> None:
    """A tag before its manifest, an index before its parts; the registry deletes nothing itself."""
    part = image("part")
    multi = registry.push("team/app", index(part, ONE), "multi", "latest")
    done = registry.remove("team/app:*", store=True)
    assert done.returncode == 0, done.stderr
    told = [line[1:].split() for line in done.stdout.splitlines() if line.startswith("\t")]
    assert [words[0] for words in told[-2:]] == ["done", "end"]
    place = {tuple(words[:1] + words[2:3]): number for number, words in enumerate(told)}
    assert place["manifest", multi.digest] < place["manifest", part.digest]
    for tag, digest in registry.tags["team/app"].items():
        assert place["tag", tag] < place["manifest", digest]
    assert set(registry.tags["team/app"]) == {"a", "b", "c", "multi", "latest"}

    registry.requests.clear()
    done = registry.remove("team/app:a", "team/app:c", store=True)
    told = [line[1:].split() for line in done.stdout.splitlines() if line.startswith("\t")]
    assert [words for words in told if words[0] not in {"keep", "tag"}] == [
        ["manifest", "team/app", TWO.digest],
        ["done", "team/app"],
        ["end", "deleted"],
    ]
    assert {words[2] for words in told if words[0] == "keep"} == {"b", "multi", "latest"}


def test_on_the_host_each_tag_costs_the_same_number_of_requests(registry: FakeRegistry) -> None:
    """However many there are."""
    asked = {}
    for many in (20, 200):
        for number in range(many):
            registry.push(f"of-{many}", image(f"number {number}"), f"t{number}")
        registry.requests.clear()
        assert registry.remove(f"of-{many}:*", store=True).returncode == 0
        asked[many] = len(registry.requests)
    assert asked[200] - asked[20] == 180, asked


def test_retention_keeps_a_tag_without_a_time(registry: FakeRegistry) -> None:
    """It was pushed after the times were read."""
    assert registry.drop(KEEP_ONE, ["5 team/app a", "6 team/app c"]).returncode == 0
    assert set(registry.tags["team/app"]) == {"b", "c"}


def test_retention_leaves_alone_what_it_can_t_read_and_goes_on(registry: FakeRegistry) -> None:
    """A repository with an incomplete index, and one of which no time is known; the last is done."""
    registry.push("broken", index(image("x"), image("y")), "multi", "old")
    del registry.manifests["broken"][image("y").digest]
    registry.push("unknown", ONE, "a")
    times = ["5 team/app a", "6 team/app b", "7 team/app c", "5 broken multi", "4 broken old"]
    done = registry.drop(DROP_ALL, times)
    assert done.returncode == 14
    left_alone = [line.split(" is not done: ")[0] for line in done.stderr.splitlines()[:-1]]
    assert left_alone == ["UNREADABLE: broken", "UNREADABLE: unknown"]
    assert {name: set(tags) for name, tags in registry.tags.items()} == {
        "broken": {"multi", "old"},
        "unknown": {"a"},
        "team/app": set(),
    }


def test_retention_finds_the_repositories_of_all_pages(registry: FakeRegistry) -> None:
    """The catalogue comes in pages."""
    names = [f"many/of-{number:03}" for number in range(230)]
    for name in names:
        registry.push(name, ONE, "a", "b")
    done = registry.drop(KEEP_ONE, [f"{n} {name} {tag}" for name in names for n, tag in ((1, "a"), (2, "b"))], dry=True)
    assert done.stdout.splitlines()[-1] == "230 tags and 0 manifests of 230 repositories"


@pytest.mark.parametrize("number", range(1, 6))
def test_a_run_that_was_cut_off_is_finished_by_the_next(registry: FakeRegistry, number: int) -> None:
    """Wherever it was: what is there in between is whole, and nothing is attached to what is gone."""
    part, shared = image("part"), image("shared")
    multi = registry.push("team/app", index(part, shared), "multi")
    registry.push("team/app", image("signature"), multi.attached_tag(".sig"))
    registry.push("team/app", shared, "d")
    times = [f"{n} team/app {tag}" for n, tag in enumerate(("a", "multi", "b", "c", "d"))]
    deletions = 0

    def cut_off(request: str) -> None:
        nonlocal deletions
        deletions += request.startswith("DELETE")
        if deletions > number:
            registry.refuse["DELETE"] = 503

    registry.before = cut_off
    assert registry.drop(KEEP_ONE, times).returncode == 12
    tags, manifests = registry.tags["team/app"], registry.manifests["team/app"]
    assert set(tags.values()) <= set(manifests)
    assert multi.digest not in manifests or {part.digest, shared.digest} <= set(manifests)
    assert multi.attached_tag(".sig") not in tags or multi.digest in manifests
    assert tags["d"] == shared.digest

    registry.before = lambda _: None
    registry.refuse.clear()
    done = registry.drop(KEEP_ONE, times)
    assert done.returncode == 0, done.stderr
    assert tags == {"d": shared.digest}
