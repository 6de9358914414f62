"""Small images of every kind, pushed, pulled whole and deleted by the registry's API alone: fast, and many at once."""

import base64
import hashlib
import http.client
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.support import USER, Deployed
from tests.e2e.traffic import ANSWER_SECONDS, connect

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
SIGNATURE = "application/vnd.example.signature.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = f"{MANIFEST}, {INDEX}, {DOCKER_IMAGE}"

HELD_SECONDS = 120
"""How long a client tries again before it gives up: much longer than any clean-up of a test."""

Document = dict[str, Any]


class RefusedError(Exception):
    """The registry's answer is not the one that a client needs; its status and what it said."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        super().__init__(f"{what}: {status} {body[:300].decode(errors='replace')}")
        self.status = status


@dataclass
class Api:
    """A client of the registry, for one thread. It waits while writes are held off, as clients do."""

    registry: Deployed
    pauses: list[float] = field(default_factory=list)
    """Seconds from the first refusal of a write to its success, for each write that was told to come back."""

    longest: float = 0.0
    """Seconds that a write took at most, from the request to the answer."""

    patience: float = ANSWER_SECONDS
    """Seconds for which it waits for an answer."""

    _connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, bytes]:
        """Status, headers and body of one answer, over a connection that is kept."""
        token = base64.b64encode(f"{USER}:{self.registry.password}".encode()).decode()
        if self._connection is None:
            self._connection = connect(self.registry, self.patience)
        try:
            self._connection.request(method, path, body, {"Authorization": f"Basic {token}", **(headers or {})})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return answer.status, answer.headers, content

    def close(self) -> None:
        """Ends the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def write(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message]:
        """A write, again and again while it is held off. Raises `RefusedError` unless it succeeds."""
        began = time.monotonic()
        held = 0.0
        while True:
            status, found, content = self.request(method, path, body, headers)
            if status != http.HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() - began > HELD_SECONDS:
                break
            assert b'"UNAVAILABLE"' in content, content
            assert int(found["Retry-After"]) > 0
            held = held or time.monotonic()
            time.sleep(0.1)
        self.longest = max(self.longest, time.monotonic() - began)
        if held:
            self.pauses.append(time.monotonic() - held)
        if status not in {http.HTTPStatus.CREATED, http.HTTPStatus.ACCEPTED}:
            raise RefusedError(f"{method} {path}", status, content)
        return status, found

    def blob(self, repository: str, content: bytes, media_type: str = LAYER) -> Document:
        """Uploads a blob unless the registry says that it has it; its descriptor."""
        digest = digest_of(content)
        status, _, _ = self.request("HEAD", f"/v2/{repository}/blobs/{digest}")
        if status != http.HTTPStatus.OK:
            _, headers = self.write("POST", f"/v2/{repository}/blobs/uploads/")
            where = urlsplit(headers["Location"])
            self.write("PUT", f"{where.path}?{where.query}&digest={digest}", content)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def put(self, repository: str, reference: str, document: Document) -> Document:
        """Puts a manifest or an index under a tag or its digest (`""`); its descriptor."""
        content = json.dumps(document).encode()
        digest = digest_of(content)
        kind = document["mediaType"]
        self.write("PUT", f"/v2/{repository}/manifests/{reference or digest}", content, {"Content-Type": kind})
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    def delete(self, repository: str, reference: str) -> None:
        """Deletes a manifest by its digest, or a tag."""
        self.write("DELETE", f"/v2/{repository}/manifests/{reference}")

    def image(self, repository: str, reference: str, *layers: bytes) -> Document:
        """Pushes an image of its own with these layers; its descriptor."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "id": os.urandom(8).hex()}).encode()
        described = [self.blob(repository, layer) for layer in layers]
        document = manifest(self.blob(repository, config, CONFIG), described)
        return self.put(repository, reference, document)

    def index(self, repository: str, reference: str, children: Sequence[Document]) -> Document:
        """Pushes an index of these manifests or indexes; its descriptor."""
        return self.put(repository, reference, {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(children)})

    def signature(self, repository: str, subject: Document) -> str:
        """Attaches an artifact to a manifest as clients do without a referrers API, by an index; the index's tag."""
        config = self.blob(repository, b"{}", "application/vnd.oci.empty.v1+json")
        layer = self.blob(repository, os.urandom(64), SIGNATURE)
        artifact = manifest(config, [layer]) | {"artifactType": SIGNATURE, "subject": subject}
        tag = str(subject["digest"]).replace(":", "-")
        self.index(repository, tag, [self.put(repository, "", artifact)])
        return tag

    def pull(self, repository: str, reference: str) -> set[str]:
        """Pulls all that a tag or digest leads to, and checks every digest; the digests. Raises `RefusedError`."""
        seen: set[str] = set()
        self._pull(repository, reference, seen)
        return seen

    def _pull(self, repository: str, reference: str, seen: set[str]) -> None:
        content = self._get(f"/v2/{repository}/manifests/{reference}", reference, {"Accept": ACCEPTED})
        seen.add(digest_of(content))
        document = json.loads(content)
        for child in document.get("manifests", []):
            self._pull(repository, child["digest"], seen)
        for part in references(document):
            if part not in seen:
                self._get(f"/v2/{repository}/blobs/{part}", part)
                seen.add(part)

    def _get(self, path: str, reference: str, headers: Mapping[str, str] | None = None) -> bytes:
        status, _, content = self.request("GET", path, headers=headers)
        if status != http.HTTPStatus.OK:
            raise RefusedError(f"GET {path}", status, content)
        assert ":" not in reference or digest_of(content) == reference, path
        return content

    def serves(self, repository: str, digest: str) -> bool:
        """Whether the registry has content by this digest there, as a manifest or as a layer."""
        answers = {
            self.request("GET", f"/v2/{repository}/{kind}/{digest}", headers={"Accept": ACCEPTED})[0]
            for kind in ("manifests", "blobs")
        }
        assert answers <= {http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND}, answers
        return http.HTTPStatus.OK in answers

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository."""
        status, _, content = self.request("GET", f"/v2/{repository}/tags/list")
        assert status in {http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND}
        return list(json.loads(content).get("tags") or [])

    def repositories(self) -> list[str]:
        """The names in the catalogue."""
        status, _, content = self.request("GET", "/v2/_catalog?n=1000")
        assert status == http.HTTPStatus.OK
        found: list[str] = json.loads(content)["repositories"]
        return found


def manifest(config: Document, layers: list[Document]) -> Document:
    """An OCI manifest."""
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}


def references(document: Document) -> Iterator[str]:
    """The digests of a manifest's config and layers."""
    for part in [document.get("config"), *document.get("layers", [])]:
        if part:
            yield part["digest"]


def digest_of(content: bytes) -> str:
    """The digest by which a registry knows content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def forget(registry: Deployed, *repositories: str) -> None:
    """Deletes all images of these repositories, so that a clean-up takes them out of the catalogue."""
    api = Api(registry)
    for repository in repositories:
        for tag in api.tags(repository):
            status, headers, _ = api.request("HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPTED})
            # Two tags of one digest go together.
            if status == http.HTTPStatus.OK:
                with suppress(RefusedError):
                    api.delete(repository, headers["Docker-Content-Digest"])
    api.close()
