"""What journals say: what was touched, what a push may still name, and what is not known."""

from __future__ import annotations

import pytest

from registryctl.journals import FRESH_SECONDS, Journal, Line, Touched, Written, line_of
from registryctl.plan import Fresh
from tests.registryctl.world import NOW, World, digest_of

ONE, TWO = digest_of(b"one"), digest_of(b"two", "sha512")


def journal(*lines: str, name: str = "1", lives: bool = True, whole: bool = True, until: int | None = None) -> Journal:
    """One generation's."""
    return Journal(name, lives, whole, [line.encode() for line in lines], until)


@pytest.mark.parametrize("kind", ["manifest", "blob", "upload"])
def test_a_line_has_five_words(kind: str) -> None:
    """The time as a number."""
    assert line_of(f"17 PUT a/b {kind} 1.0".encode()) == Line(17, "PUT", "a/b", kind, "1.0")


def test_what_was_touched_is_known_by_repository() -> None:
    """Digests of whatever kind, and the tags of manifests; an upload's name is neither."""
    written = Written().read(
        [
            journal(f"1 PUT a manifest {ONE}", f"2 PUT a blob {TWO}", "3 PUT a manifest 1.0", "3 PATCH a upload x-y"),
            journal("1 DELETE b manifest 2.0", name="2"),
        ]
    )
    assert written.touched == {"a": Touched({"1.0"}, {ONE, TWO}), "b": Touched({"2.0"})}
    assert (written.counts, written.whole, written.goes_on_blind) == ({"1": 4, "2": 1}, True, False)
    assert (written.waiting, written.under_way) == ({}, {})


def test_known_lines_are_skipped() -> None:
    """A journal that has fewer than were known is another."""
    lines = ["1 PUT a manifest 1.0", "2 PUT a manifest 2.0", "3 PUT a manifest 3.0"]
    written = Written({"1": 2}).read([journal(*lines)])
    assert (written.touched["a"].tags, written.whole) == ({"3.0"}, True)
    assert (Written({"1": 3}).read([journal(*lines)]).touched, Written({"1": 3}).read([journal(*lines)]).whole) == (
        {},
        True,
    )
    assert not Written({"1": 4}).read([journal(*lines)]).whole
    assert Written({"2": 3}).read([journal(*lines)]).touched["a"].tags == {"1.0", "2.0", "3.0"}


@pytest.mark.parametrize("lives", [True, False])
def test_one_that_misses_lines_is_blind(lives: bool) -> None:
    """While it lives, nobody knows what is written; others are read all the same."""
    for one in (journal("what is this", lives=lives), journal(whole=False, lives=lives)):
        written = Written().read([one, journal("1 PUT a manifest 1.0", name="2")])
        assert (written.whole, written.goes_on_blind) == (False, lives)
        assert written.touched["a"].tags == {"1.0"}


def test_what_is_fresh(world: World) -> None:
    """What waits for a manifest, of the last day; each by when it was named last."""
    layer = world.layer("a", b"layer")
    lines = [
        f"{NOW - FRESH_SECONDS} PUT a blob {ONE}",
        f"{NOW - FRESH_SECONDS + 1} HEAD a blob {TWO}",
        f"{NOW - 2 * FRESH_SECONDS} PUT a blob {layer}",
        f"{NOW - 9} PUT a blob {layer}",
        f"{NOW - 2 * FRESH_SECONDS} PUT b blob {ONE}",
        f"{NOW} DELETE a blob {digest_of(b'three')}",
        f"{NOW} DONE a manifest {digest_of(b'not there')}",
        "5 PUT a manifest 1.0",
        "5 PUT a manifest 2.0",
        "5 PATCH a upload 1-2",
        "5 PUT c manifest 3.0",
    ]
    ended = journal("5 PUT d manifest 4.0", name="2", lives=False)
    written = Written().read([journal(*lines), ended], world.storage)
    assert written.fresh(NOW) == Fresh(
        {"a": frozenset({TWO, layer})}, {"a": frozenset({"1.0", "2.0"}), "c": frozenset({"3.0"})}
    )
    assert written.touched == {}


def test_a_manifest_takes_up_what_it_names(world: World) -> None:
    """In its own repository: layers and children; what comes later waits again, and so does the manifest itself."""
    child = world.image("a", "", b"layer")
    parent = world.index("a", "", child)
    layer = digest_of(b"layer")
    lines = [
        f"{NOW} PUT a blob {layer}",
        f"{NOW} PUT b blob {layer}",
        f"{NOW} PUT a manifest {child}",
        f"{NOW} DONE a manifest {child}",
    ]
    assert Written().read([journal(*lines)], world.storage).fresh(NOW).digests == {"a": {child}, "b": {layer}}
    lines += [f"{NOW} PUT a manifest {parent}", f"{NOW} DONE a manifest {parent}", f"{NOW} HEAD a blob {layer}"]
    assert Written().read([journal(*lines)], world.storage).fresh(NOW).digests == {"a": {parent, layer}, "b": {layer}}


def test_for_how_long_what_is_not_known_matters(world: World) -> None:
    """Until a day after it had ended; where that is not known, for ever. What was known ends with its last line."""
    for until, now, unknown in (
        (None, NOW + 9 * FRESH_SECONDS, True),
        (NOW, NOW + FRESH_SECONDS - 1, True),
        (NOW, NOW + FRESH_SECONDS, False),
    ):
        written = Written().read([journal("5 PUT a manifest x", whole=False, lives=False, until=until)], world.storage)
        assert written.fresh(now).unknown is unknown
        assert written.is_old("1", now) is not unknown
    written = Written().read([journal("9 PUT a manifest x", "5 PUT a manifest y", "7 PUT a manifest z")])
    assert not written.fresh(9).unknown
    assert [written.is_old("1", FRESH_SECONDS + when) for when in (5, 8, 9)] == [False, False, True]
    # One without a line was asked for nothing.
    assert Written().read([journal()]).is_old("1", FRESH_SECONDS)
    assert not Written().read([journal()]).is_old("1", FRESH_SECONDS - 1)
