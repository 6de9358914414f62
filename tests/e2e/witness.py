"""Somebody who pushes small images without pause, and knows which of them a registry has acknowledged."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.content import CONFIG, LAYER, MANIFEST, Api, digest_of, manifest
from tests.e2e.support import Deployed

_DONE = {http.HTTPStatus.CREATED, http.HTTPStatus.ACCEPTED}


class NotPushedError(Exception):
    """The registry did not take it: its status and what it said."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(what)
        self.status = status


@dataclass
class Witness:
    """Pushes to one registry after the other, by one thread. After a refused push comes another image."""

    registries: tuple[Deployed, ...]
    repository: str
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Tag → digest of the manifest."""

    refused: list[str] = field(default_factory=list)
    """What was said instead."""

    size: int = 20_000
    """Bytes of a layer."""

    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def pushing(self) -> Iterator[None]:
        """Meanwhile, until the push that is under way has ended."""
        thread = threading.Thread(target=self._push_on)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def lost(self, registry: Deployed) -> list[str]:
        """The acknowledged tags that can't be pulled whole from there, each with why."""
        api, found = Api(registry), []
        for tag, digest in list(self.acknowledged.items()):
            try:
                seen = api.pull(self.repository, tag)
            except (Exception, AssertionError) as error:
                found.append(f"{tag}: {error}")
            else:
                found += [] if digest in seen else [f"{tag}: another image"]
        api.close()
        return found

    def _push_on(self) -> None:
        number = 0
        while not self._ended.is_set():
            api = Api(self.registries[number % len(self.registries)])
            number += 1
            try:
                digest = push(api, self.repository, f"{number}", self.size)
            except (NotPushedError, OSError, http.client.HTTPException) as error:
                self.refused.append(f"{type(error).__name__}: {error}")
                # Nothing is hammered while nobody listens.
                self._ended.wait(0.2)
            else:
                self.acknowledged[f"{number}"] = digest
            api.close()


def push(api: Api, repository: str, tag: str, size: int) -> str:
    """Pushes an image of one layer without trying anything twice; its digest. Raises NotPushedError."""

    def ask(method: str, path: str, body: bytes = b"", **headers: str) -> Any:  # noqa: ANN401
        status, found, said = api.request(method, path, body, headers)
        if status not in _DONE:
            what = f"{method} {path.partition('?')[0]}: {status} {said[:300].decode(errors='replace')}"
            raise NotPushedError(what, status)
        return found

    def blob(content: bytes, media_type: str) -> dict[str, Any]:
        where = urlsplit(ask("POST", f"/v2/{repository}/blobs/uploads/")["Location"])
        digest = digest_of(content)
        ask("PUT", f"{where.path}?{where.query}&digest={digest}", content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    layer = blob(os.urandom(size), LAYER)
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "id": os.urandom(8).hex()}).encode(), CONFIG)
    content = json.dumps(manifest(config, [layer])).encode()
    ask("PUT", f"/v2/{repository}/manifests/{tag}", content, **{"Content-Type": MANIFEST})
    return digest_of(content)
