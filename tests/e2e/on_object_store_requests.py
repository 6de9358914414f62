"""How many requests to an object store each pull and push costs, as the document says.

Not of `make test`, as the store takes a quarter of an hour to build: `make test-objects`.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.docs.blocks import ROOT
from tests.e2e.content import ACCEPTED, CONFIG, LAYER, MANIFEST, Api, digest_of, manifest
from tests.e2e.faulty_store import World
from tests.e2e.store_front import is_look

pytest_plugins = ["tests.e2e.faulty_store"]
pytestmark = pytest.mark.e2e

KINDS = ("get", "head", "put", "part", "copy", "list", "delete")
ALSO = {"begin": "part", "complete": "part", "list-uploads": "list", "list-parts": "list", "delete-many": "delete"}
"""What the document counts with another kind."""

BETWEEN = 10
"""Seconds between two looks of each process."""


def documented() -> dict[str, tuple[int, ...]]:
    """The rows of the document's table."""
    text = (ROOT / "docs/scaling.md").read_text()
    table = text.partition("on_object_store_requests.py -->\n")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert [f"`{kind}`" for kind in KINDS] == [cell.strip() for cell in table.splitlines()[0].split("|")[2:-1]]
    return {name: tuple(map(int, numbers)) for name, *numbers in rows}


class Asked:
    """An image's parts, and what is asked for them, as docker does it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.api = Api(world.registry)
        self.layer, self.config = os.urandom(1_000_000), os.urandom(100)
        parts = [{"mediaType": kind, "digest": digest_of(content), "size": len(content)} for kind, content in self.both]
        self.manifest = json.dumps(manifest(parts[0], parts[1:])).encode()

    @property
    def both(self) -> list[tuple[str, bytes]]:
        return [(CONFIG, self.config), (LAYER, self.layer)]

    def layer_by(self, method: str) -> int:
        return self._ask(method, f"blobs/{digest_of(self.layer)}")

    def manifest_by(self, method: str, reference: str) -> int:
        return self._ask(method, f"manifests/{reference}", headers={"Accept": ACCEPTED})

    def push(self, content: bytes) -> int:
        """In three requests, as docker does."""
        _, headers = self.api.write("POST", "/v2/counted/blobs/uploads/")
        where = urlsplit(headers["Location"])
        _, headers = self.api.write("PATCH", f"{where.path}?{where.query}", content)
        where = urlsplit(headers["Location"])
        return self.api.write("PUT", f"{where.path}?{where.query}&digest={digest_of(content)}")[0]

    def tag(self) -> int:
        return self._ask("PUT", "manifests/1", self.manifest, {"Content-Type": MANIFEST})

    def page(self, path: str) -> int:
        return self.api.request("GET", path)[0]

    def _ask(self, method: str, path: str, body: bytes = b"", headers: Any = None) -> int:  # noqa: ANN401
        return self.api.request(method, f"/v2/counted/{path}", body, headers)[0]


def test_each_costs_what_the_document_says(world: World) -> None:
    """One after the other, and nothing else is asked meanwhile."""
    asked = Asked(world)
    digest = digest_of(asked.manifest)
    assert asked.push(asked.config) == 201
    steps: list[tuple[str, int, Callable[[], int]]] = [
        ("login", 200, lambda: asked.page("/v2/")),
        ("a layer that is not there, HEAD", 404, lambda: asked.layer_by("HEAD")),
        ("push of a layer", 201, lambda: asked.push(asked.layer)),
        ("push of a manifest with one layer, by a tag", 201, asked.tag),
        *(("manifest by tag, GET or HEAD", 200, lambda m=m: asked.manifest_by(m, "1")) for m in ("GET", "HEAD")),
        *(("manifest by digest, GET or HEAD", 200, lambda m=m: asked.manifest_by(m, digest)) for m in ("GET", "HEAD")),
        *((f"a layer, {m}", 200, lambda m=m: asked.layer_by(m)) for m in ("GET", "HEAD")),
        ("a page of the catalogue, or of tags", 200, lambda: asked.page("/v2/_catalog?n=100")),
        ("a page of the catalogue, or of tags", 200, lambda: asked.page("/v2/counted/tags/list")),
    ]
    found: dict[str, set[tuple[int, ...]]] = {}
    for name, wanted, step in steps:
        since = world.front.mark()
        assert step() == wanted, name
        counted: Counter[str] = Counter()
        for kind, number in world.front.counted(since).items():
            counted[ALSO.get(kind, kind)] += number
        assert set(counted) <= set(KINDS), (name, counted)
        found.setdefault(name, set()).add(tuple(counted[kind] for kind in KINDS))
    assert found == {name: {numbers} for name, numbers in documented().items()}


def test_an_image_costs_the_sum(world: World) -> None:
    """docker asks for nothing else than the document adds up."""
    since = world.front.mark()
    assert world.pull(60).code == 0
    # Configuration and one layer: see the row of ten layers.
    reads = sum(number for kind, number in world.front.counted(since).items() if kind in {"get", "head"})
    assert (reads, set(world.front.counted(since))) == (4 + 3 + 2 * 8, {"get", "head"})
    since = world.front.mark()
    assert world.client.host.run(["docker", "pull", "-q", f"{world.client.registry}/team/kept:1"]).returncode == 0
    assert sum(world.front.counted(since).values()) == 4


def test_an_idle_host_only_looks(world: World) -> None:
    """One request of each of two processes every ten seconds; the document has the sum of a day."""
    looks = [one for one in world.front.requests() if is_look(one)]
    assert len(looks) > 2
    took = looks[-1]["at"] - looks[0]["at"]
    assert len(looks) <= 2 * (took / BETWEEN + 2)
    text = (ROOT / "docs/scaling.md").read_text()
    assert re.search(rf"\| 2 . 8,640 = {2 * 86_400 // BETWEEN:,} `list` \|", text)
