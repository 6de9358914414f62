"""Thousands of small images in a registry, fast: a few clients at once, each over a connection that it keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tests.e2e.content import CONFIG, Api, Document, digest_of, manifest
from tests.e2e.support import Deployed

CLIENTS = 8
LAYER = b"the layer that all images share"

TENTH, HALF, REST = "tenth", "half", "rest"
"""What the tags of a tenth, of half and of the rest of the images begin with."""


def tag_of(number: int) -> str:
    """The tag of an image: of each ten images one is of the tenth, and five of the half, evenly spread."""
    kind = TENTH if number % 10 == 0 else HALF if number % 2 == 1 else REST
    return f"{kind}-{number}"


def fill(registry: Deployed, repository: str, numbers: Iterable[int]) -> None:
    """Pushes an image of its own, by its own configuration, for each number. Raises what a client runs into."""
    api = Api(registry)
    shared = api.blob(repository, LAYER)
    api.close()
    wanted = list(numbers)
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda first: _push(registry, repository, shared, wanted[first::CLIENTS]), range(CLIENTS)))


def _push(registry: Deployed, repository: str, layer: Document, numbers: Sequence[int]) -> None:
    api = Api(registry)
    try:
        for number in numbers:
            config = _upload(
                api, repository, json.dumps({"architecture": "amd64", "os": "linux", "id": number}).encode()
            )
            api.put(repository, tag_of(number), manifest(config, [layer]))
    finally:
        api.close()


def _upload(api: Api, repository: str, content: bytes) -> Document:
    """A blob that the registry can't have yet: nobody asks first."""
    digest = digest_of(content)
    _, headers = api.write("POST", f"/v2/{repository}/blobs/uploads/")
    where = urlsplit(headers["Location"])
    api.write("PUT", f"{where.path}?{where.query}&digest={digest}", content)
    return {"mediaType": CONFIG, "digest": digest, "size": len(content)}
