"""Random pushes and deletions through a real registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tests.storage_oracle import documents, places
from tests.storage_oracle.generator import TAGS
from tests.storage_oracle.reading import OCI_INDEX, OCI_MANIFEST
from tests.storage_oracle.registries import Client

REPOSITORIES = ("app", "app/web", "failed", "data/link", "team/app/api")


@dataclass
class Pusher:
    """A user of a registry, who does what `rng` says."""

    client: Client
    rng: Random
    manifests: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Repository → digests and types of what was pushed."""
    layers: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)

    def act(self) -> None:
        """One act of many."""
        name = self.rng.choice(REPOSITORIES)
        acts = [self.image, self.image, self.image, self.index, self.index, self.retag, self.delete, self.leave]
        self.rng.choice(acts)(name)

    def layer(self, name: str) -> str:
        """A layer: a new one, one that is there, or one of another repository; how the manifest names it."""
        other = self.rng.choice(REPOSITORIES)
        known = self.layers.get(other, [])
        if known and self.rng.random() < 0.4:
            digest, content = self.rng.choice(known)
            asked = self.client.ask("HEAD", f"/v2/{name}/blobs/{digest}").status == 200
            if not asked and not (other != name and self.client.mount(name, digest, other)):
                self.client.push_blob(name, content, digest)
        else:
            content = self.rng.randbytes(self.rng.choice([1, 30, 3000]))
            digest = places.sha512(content) if self.rng.random() < 0.25 else places.sha256(content)
            self.client.push_blob(name, content, digest)
        self.layers.setdefault(name, []).append((digest, content))
        return digest

    def image(self, name: str) -> tuple[str, str]:
        """An image for one platform, with or without a tag, and sometimes of another one."""
        content = self.rng.randbytes(20)
        self.client.push_blob(name, content, places.sha256(content))
        subject = ""
        if self.manifests.get(name) and self.rng.random() < 0.2:
            subject = self.rng.choice(self.manifests[name])[0]
        document = documents.image(
            self.rng, places.sha256(content), [self.layer(name) for _ in range(self.rng.randrange(4))], subject
        )
        return self._put(name, document, document.get("mediaType", OCI_MANIFEST))

    def index(self, name: str) -> None:
        """An index over new and old manifests."""
        there = [one for one in self.manifests.get(name, []) if self.client.manifest(name, one[0]) is not None]
        children = self.rng.sample(there, min(len(there), self.rng.randrange(3)))
        children += [self.image(name) for _ in range(self.rng.randrange(1, 3))]
        document = documents.index(self.rng, [digest for digest, _ in children])
        for entry, (_, media) in zip(document["manifests"], children, strict=True):
            entry["mediaType"] = media
        self._put(name, document, document.get("mediaType", OCI_INDEX))

    def retag(self, name: str) -> None:
        """An old manifest under another tag."""
        if not self.manifests.get(name):
            return
        digest, media = self.rng.choice(self.manifests[name])
        content = self.client.manifest(name, digest)
        if content is not None:
            self.client.push_manifest(name, self.rng.choice(TAGS), content, media)

    def delete(self, name: str) -> None:
        """A deletion through the API: of a manifest, a tag, a layer."""
        kind = self.rng.choice(["manifest", "tag", "tag", "blob"])
        if kind == "manifest" and self.manifests.get(name):
            digest, _ = self.rng.choice(self.manifests[name])
            self.client.ask("DELETE", f"/v2/{name}/manifests/{digest}")
        elif kind == "tag":
            self.client.ask("DELETE", f"/v2/{name}/manifests/{self.rng.choice(TAGS)}")
        elif self.layers.get(name) and self.rng.random() < 0.3:
            digest, _ = self.rng.choice(self.layers[name])
            self.client.ask("DELETE", f"/v2/{name}/blobs/{digest}")

    def leave(self, name: str) -> None:
        """A push that comes to no end."""
        if self.rng.random() < 0.5:
            self.client.begin_upload(name, self.rng.randbytes(50))
        else:
            self.layer(name)

    def _put(self, name: str, document: documents.Document, media: str) -> tuple[str, str]:
        content = documents.written(self.rng, document)
        digest = places.sha256(content)
        reference = self.rng.choice(TAGS) if self.rng.random() < 0.5 else digest
        answer = self.client.push_manifest(name, reference, content, media)
        # A layer that is shared may have been deleted meanwhile: such a push is refused.
        if answer.status == 201:
            self.manifests.setdefault(name, []).append((digest, media))
        elif answer.status != 400:
            raise AssertionError(f"{name}: {answer}")
        return digest, media
