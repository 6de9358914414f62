"""What people may call images, and which names a pattern fits."""

from __future__ import annotations

import time

import pytest

from registryctl.endings import UsageError
from registryctl.selection import Request, fits

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    ("text", "repository", "tag", "digest", "pattern"),
    [
        ("a:b", "a", "b", "", False),
        ("a/b:c", "a/b", "c", "", False),
        (f"a@{DIGEST}", "a", "", DIGEST, False),
        (f"a/*@{DIGEST}", "a/*", "", DIGEST, True),
        ("**:*", "**", "*", "", True),
        ("team/*:pr-?", "team/*", "pr-?", "", True),
        ("a.b_c-d/e:V1.0_x-y", "a.b_c-d/e", "V1.0_x-y", "", False),
    ],
)
def test_an_image_may_be_called(text: str, repository: str, tag: str, digest: str, pattern: bool) -> None:
    """By tag, by digest, by pattern."""
    found = Request.parse(text)
    assert (found.repository, found.tag, found.digest, found.is_pattern) == (repository, tag, digest, pattern)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a", "which tag of a?"),
        ("a/b", "which tag of a/b?"),
        ("", "neither NAME:TAG nor"),
        (":", "neither NAME:TAG nor"),
        (":b", "neither NAME:TAG nor"),
        ("a:", "neither NAME:TAG nor"),
        ("a:b:c", "neither NAME:TAG nor"),
        ("host:5000/a:b", "neither NAME:TAG nor"),
        ("a@", "neither NAME:TAG nor"),
        (f"@{DIGEST}", "neither NAME:TAG nor"),
        ("a@sha256:0f", "64 hexadecimal digits"),
        (f"a@{DIGEST[:-1]}x", "64 hexadecimal digits"),
        (f"a@{DIGEST}/b:c", "64 hexadecimal digits"),
        (f"a:b@{DIGEST}", "a tag and a digest"),
        *((text, "no image is called") for text in ('a:b"', "a:]]", "a:$(id)", "a:`id`", "a: b", "a:b\nc:d")),
        *((text, "no image is called") for text in ("a:b\\", "a:ä")),
    ],
)  # fmt: skip
def test_no_image_may_be_called(text: str, why: str) -> None:
    """And it is said what is wrong."""
    with pytest.raises(UsageError) as found:
        Request.parse(text)
    assert why in str(found.value)


@pytest.mark.parametrize(
    ("pattern", "name", "does"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a", "xa", False),
        ("a.b", "a.b", True),
        ("a.b", "axb", False),
        ("*", "abc", True),
        ("*", "", True),
        ("*", "a/b", False),
        ("**", "a/b/c", True),
        ("team/*", "team/a", True),
        ("team/*", "team/a/b", False),
        ("team/**", "team/a/b", True),
        ("team/**", "team", False),
        ("**/x", "a/b/x", True),
        ("v?", "v1", True),
        ("v?", "v12", False),
        ("v?", "v/", False),
        ("a***b", "a/x/b", True),
        ("pr-[1]", "pr-1", False),
    ],
)
def test_a_pattern_fits(pattern: str, name: str, does: bool) -> None:
    """`*` and `?` within one part of a path, `**` across; all other signs are themselves."""
    assert fits(pattern, name) is does


def test_many_stars_in_a_row_take_no_time() -> None:
    """However many."""
    start = time.monotonic()
    assert not fits("*" * 100 + "x", "a" * 250)
    assert time.monotonic() - start < 1
