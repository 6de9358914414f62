"""Every link between the documents leads somewhere, and no page is forgotten."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.blocks import DOCUMENTS, ROOT

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
README_LINES = 200


def _links(path: Path) -> list[str]:
    found = _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8")))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@cache
def _anchors(path: Path) -> frozenset[str]:
    """As GitHub and GitLab make them of headings: small letters, spaces as hyphens, no other signs."""
    headings = _HEADING.findall(_FENCE.sub("", path.read_text(encoding="utf-8")))
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


LINKS = [(path, link) for path in DOCUMENTS for link in _links(path)]


def test_there_are_links() -> None:
    assert len(LINKS) > 40


@pytest.mark.parametrize(("path", "link"), LINKS, ids=[f"{path.relative_to(ROOT)}:{link}" for path, link in LINKS])
def test_it_leads_somewhere(path: Path, link: str) -> None:
    """To a file or folder that there is, and to a heading in it where it names one."""
    name, _, anchor = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    assert target.exists(), target
    assert target.is_relative_to(ROOT)
    if anchor:
        assert anchor in _anchors(target), sorted(_anchors(target))


def test_every_page_is_found_from_the_readme() -> None:
    """Within two clicks."""
    seen, waiting = set[Path](), [ROOT / "README.md"]
    for _ in range(3):
        for path in waiting:
            seen.add(path)
        waiting = [
            (path.parent / link.partition("#")[0]).resolve()
            for path in waiting
            for link in _links(path)
            if link.partition("#")[0].endswith(".md")
        ]
    assert set(DOCUMENTS) <= seen, sorted(set(DOCUMENTS) - seen)


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES
