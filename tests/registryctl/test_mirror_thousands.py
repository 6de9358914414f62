"""Keeping a mirror within its bounds, where strangers publish thousands of things that have to do with each other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from registryctl.mirrors import choice, images, parts, trim
from registryctl.mirrors.images import looked
from tests.registryctl.mirrored import Mirrored
from tests.registryctl.world import IMAGE, index, manifest

FEW, MANY = 25, 100
_WORKING = {module.__file__ for module in (choice, images, parts, trim)}
Shape = Callable[[Mirrored, int], None]


def _about_one(mirror: Mirrored, number: int) -> None:
    """Signatures of one image."""
    subject = mirror.image("a", "subject", b"layer")
    for place in range(number):
        mirror.image("a", f"t{place}", b"%d" % place, subject=subject)


def _about_their_own(mirror: Mirrored, number: int) -> None:
    """Indexes that say something about the platform which all of them have: each leads to all."""
    platform = mirror.image("a", "", b"layer")
    about = {"mediaType": IMAGE, "digest": platform, "size": 1}
    for place in range(number):
        mirror.put("a", {**index([platform]), "subject": about, "annotations": {"n": str(place)}}, f"t{place}")


def _a_chain(mirror: Mirrored, number: int) -> None:
    """Each says something about the one before."""
    config, before = mirror.layer("a", b"config"), ""
    for place in range(number):
        before = mirror.put("a", {**manifest(config, [], before), "annotations": {"n": str(place)}}, f"t{place}")


def _nested(mirror: Mirrored, number: int) -> None:
    """Each contains the one before."""
    inner = mirror.image("a", "", b"layer")
    for place in range(number):
        inner = mirror.index("a", f"t{place}", inner)


def _indexes_of_one(mirror: Mirrored, number: int) -> None:
    """Each contains an image that has many signatures."""
    subject = mirror.image("a", "", b"layer")
    for place in range(number):
        mirror.image("a", "", b"%d" % place, subject=subject)
        mirror.put("a", {**index([subject]), "annotations": {"n": str(place)}}, f"t{place}")


def _work(mirror: Mirrored, bounds: tuple[int | None, int | None]) -> int:
    """How many lines of the program a run takes."""
    lines = 0

    def count(_: FrameType, event: str, __: Any) -> Any:  # noqa: ANN401
        nonlocal lines
        lines += event == "line"
        return count

    def look(frame: FrameType, _: str, __: Any) -> Any:  # noqa: ANN401
        return count if frame.f_code.co_filename in _WORKING else None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        result = mirror.trim(*bounds)
    finally:
        sys.settrace(before)
    assert result.why
    return lines


def _known(mirror: Mirrored) -> int:
    """How many things it knows of each other."""
    seen = looked(mirror.files, lambda *_: 0, mirror.now, 0)
    found = {image.part for image in seen.images}
    new = list(found)
    while new:
        below = set(new.pop().below) - found
        found |= below
        new += below
    return sum(len(part.names) + len(part.content) + len(part.below) for part in found)


@pytest.mark.parametrize("bounds", [(None, 30), (1, None)], ids=["days", "size"])
@pytest.mark.parametrize("shape", [_about_one, _about_their_own, _a_chain, _nested, _indexes_of_one])
def test_four_times_as_many_are_four_times_the_work(
    shape: Shape, bounds: tuple[int | None, int | None], memory: Path
) -> None:
    """Not sixteen times: a run over thousands would never end, and needs more memory than it may have."""
    work, known = [], []
    for number in (FEW, MANY):
        mirror = Mirrored(memory / str(number))
        shape(mirror, number)
        mirror.aged([path for path in mirror.root.rglob("*") if path.is_file()], 40)
        known.append(_known(mirror))
        work.append(_work(mirror, bounds))
    print(f"\n{work} {known}")
    assert work[1] < 5 * work[0]
    assert known[1] < 5 * known[0]


@pytest.mark.parametrize("shape", [_about_one, _about_their_own, _a_chain, _nested, _indexes_of_one])
def test_all_of_it_goes(shape: Shape, memory: Path) -> None:
    """In a day, though each waits for the one that leads to it."""
    mirror = Mirrored(memory / "data")
    shape(mirror, 10)
    mirror.aged([path for path in mirror.root.rglob("*") if path.is_file()], 40)
    mirror.trim_wholly(days=30, times=24)
    assert (mirror.blobs(), mirror.repositories()) == (set(), set())
