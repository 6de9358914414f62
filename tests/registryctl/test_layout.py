"""Where what lies, and what it may be called."""

from __future__ import annotations

import pytest

from registryctl.layout import (
    BadItemError,
    Blob,
    LayerLink,
    Record,
    Revision,
    Signature,
    TagEntry,
    TagLink,
    is_repository,
    is_tag,
    top_of,
)
from tests.registryctl.test_reading import LONG, ONE, TOP, TWO, directory


def test_names() -> None:
    """As Distribution has them, to the letter."""
    assert all(map(is_repository, ("a", "a/b", "a.b_c__d-e---f/0", "a" * 255)))
    assert not any(map(is_repository, ("", "/", "a/", "A", "a..b", "a___b", "-a", "a-", "a" * 256, "a\n")))
    assert all(map(is_tag, ("a", "_", "A.b-c", "a" * 128)))
    assert not any(map(is_tag, ("", ".a", "-a", "a" * 129, "a/b", "a\n")))


def test_each_item_lies_in_one_place() -> None:
    """And of its directories, those above its top stay."""
    revision = f"{TOP}/a/b/_manifests/revisions/{directory(ONE)}"
    for item, path, top in (
        (TagLink("a/b", "v1"), f"{TOP}/a/b/_manifests/tags/v1/current/link", f"{TOP}/a/b/_manifests"),
        (
            TagEntry("a/b", "v1", ONE),
            f"{TOP}/a/b/_manifests/tags/v1/index/{directory(ONE)}/link",
            f"{TOP}/a/b/_manifests",
        ),
        (Revision("a/b", ONE), f"{revision}/link", f"{TOP}/a/b/_manifests"),
        (Signature("a/b", ONE, TWO), f"{revision}/signatures/{directory(TWO)}/link", f"{TOP}/a/b/_manifests"),
        (LayerLink("a/b", LONG), f"{TOP}/a/b/_layers/{directory(LONG)}/link", f"{TOP}/a/b/_layers"),
        (Blob(ONE), f"docker/registry/v2/blobs/sha256/{ONE[7:9]}/{ONE[7:]}/data", "docker/registry/v2/blobs/sha256"),
        (Record("20270115T080000Z-1"), "trash/20270115T080000Z-1.json", "trash"),
    ):
        assert (item.path, top_of(item)) == (path, top)


@pytest.mark.parametrize(
    ("kind", "words", "text"),
    [
        (TagLink, ("A", "v1"), "no repository is called 'A'"),
        (TagLink, ("a", "/"), "no tag is called '/'"),
        (TagEntry, ("A", "v1", ONE), "no repository is called 'A'"),
        (TagEntry, ("a", "/", ONE), "no tag is called '/'"),
        (TagEntry, ("a", "v1", "x"), "no digest is called 'x'"),
        (Revision, ("A", ONE), "no repository is called 'A'"),
        (Revision, ("a", "x"), "no digest is called 'x'"),
        (Signature, ("A", ONE, ONE), "no repository is called 'A'"),
        (Signature, ("a", "x", ONE), "no digest is called 'x'"),
        (Signature, ("a", ONE, "x"), "no digest is called 'x'"),
        (LayerLink, ("A", ONE), "no repository is called 'A'"),
        (LayerLink, ("a", "x"), "no digest is called 'x'"),
        (Blob, ("x",), "no digest is called 'x'"),
        (Record, ("x",), "no run is called 'x'"),
    ],
)
def test_no_other_item_can_be_said(kind: type, words: tuple[str, ...], text: str) -> None:
    """What can't be expressed can't be removed."""
    with pytest.raises(BadItemError) as error:
        kind(*words)
    assert str(error.value) == text
