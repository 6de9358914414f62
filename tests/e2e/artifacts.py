"""Small images, indexes and attached artifacts, made and pushed without a client: fast, and byte by byte ours."""

import base64
import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.support import HTTP_SECONDS, USER, Deployed
from tests.lab.host import LabHost

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = ", ".join((IMAGE, INDEX, DOCKER_IMAGE, DOCKER_LIST))

_CONFIG = {
    IMAGE: "application/vnd.oci.image.config.v1+json",
    DOCKER_IMAGE: "application/vnd.docker.container.image.v1+json",
}
_LAYER = {
    IMAGE: "application/vnd.oci.image.layer.v1.tar",
    DOCKER_IMAGE: "application/vnd.docker.image.rootfs.diff.tar.gzip",
}


def digest_of(content: bytes) -> str:
    """Its SHA-256, as registries write it."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Artifact:
    """A manifest, and what it needs in the registry: blobs, and the manifests that an index contains."""

    media_type: str
    content: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple["Artifact", ...] = ()

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digest_of(self.content)

    def descriptor(self) -> dict[str, Any]:
        """How another manifest names this one."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}

    def attached_tag(self, suffix: str = "") -> str:
        """The tag by which artifacts are attached to this manifest."""
        return self.digest.replace(":", "-") + suffix


def image(text: str, media_type: str = IMAGE, subject: Artifact | None = None) -> Artifact:
    """An image whose one layer holds `text`: the same text gives the same digest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"text": text}}}).encode()
    layer = f"layer of {text}".encode()
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _blob(config, _CONFIG[media_type]),
        "layers": [_blob(layer, _LAYER[media_type])],
    }
    if subject is not None:
        document["subject"] = subject.descriptor()
    return Artifact(media_type, json.dumps(document).encode(), (config, layer))


def index(*children: Artifact, media_type: str = INDEX) -> Artifact:
    """An index of images or of other indexes."""
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [child.descriptor() for child in children],
    }
    return Artifact(media_type, json.dumps(document).encode(), children=children)


def _blob(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


@dataclass
class Repository:
    """A repository of a deployed registry, seen through its proxy as alice."""

    deployed: Deployed
    name: str
    _connection: http.client.HTTPSConnection | None = field(default=None, repr=False)

    def push(self, artifact: Artifact, *tags: str) -> Artifact:
        """Push it with all it needs; without a tag it has its digest only."""
        for child in artifact.children:
            self.push(child)
        for blob in artifact.blobs:
            self._push_blob(blob)
        for reference in tags or (artifact.digest,):
            headers = {"Content-Type": artifact.media_type}
            self._expect(201, "PUT", f"manifests/{reference}", artifact.content, headers)
        return artifact

    def tagged(self, artifact: Artifact, tag: str) -> bool:
        """Give a tag to what is there already; False when the registry wants it pushed anew."""
        status, answer, _ = self._ask(
            "PUT", f"manifests/{tag}", artifact.content, {"Content-Type": artifact.media_type}
        )
        assert status in {201, 400}, answer
        return status == 201

    def tags(self) -> set[str]:
        """Its tags; none when the registry doesn't know it."""
        status, body, _ = self._ask("GET", "tags/list")
        assert status in {200, 404}, body
        return set(json.loads(body).get("tags") or ())

    def has(self, artifact: Artifact) -> bool:
        """Whether the manifest can be pulled by its digest, whole."""
        status, body, _ = self._ask("GET", f"manifests/{artifact.digest}", headers={"Accept": ACCEPTED})
        assert status in {200, 404}, body
        assert status == 404 or body == artifact.content
        return status == 200

    def digest(self, tag: str) -> str:
        """What the tag leads to."""
        _, _, headers = self._ask("HEAD", f"manifests/{tag}", headers={"Accept": ACCEPTED})
        return headers["Docker-Content-Digest"]

    def age(self, tag: str, days: float) -> None:
        """Let the tag look as if it had been pushed `days` ago."""
        pushed(self.deployed.host, {f"{self.name}:{tag}": days})

    def _push_blob(self, blob: bytes) -> None:
        location = self._expect(202, "POST", "blobs/uploads/")["Location"]
        path = location.partition(self.deployed.fqdn)[2] or location
        joint = "&" if "?" in path else "?"
        self._expect(201, "PUT", f"{path}{joint}digest={digest_of(blob)}", blob, {"Content-Length": str(len(blob))})

    def _expect(
        self, expected: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Mapping[str, str]:
        status, answer, found = self._ask(method, path, body, headers)
        assert status == expected, answer
        return found

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        account = base64.b64encode(f"{USER}:{self.deployed.password}".encode()).decode()
        whole = path if path.startswith("/") else f"/v2/{self.name}/{path}"
        named = {"Authorization": f"Basic {account}", "Host": self.deployed.fqdn, **(headers or {})}
        kept = self._connection is not None
        self._connection = self._connection or self._connect()
        try:
            self._connection.request(method, whole, body=body or None, headers=named)
            answer = self._connection.getresponse()
        except http.client.RemoteDisconnected:
            # nginx ends a connection that was idle for long; on a new one that is a fault.
            self._connection = None
            if not kept:
                raise
            return self._ask(method, path, body, headers)
        return answer.status, answer.read(), dict(answer.getheaders())

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.deployed.ca))
        context.check_hostname = False
        return http.client.HTTPSConnection(self.deployed.host.address, timeout=HTTP_SECONDS, context=context)


def pushed(host: LabHost, days: Mapping[str, float]) -> None:
    """Let tags, by `repository:tag`, look as if they had been pushed so many days ago."""
    store = "/var/opt/docker-registry/data/docker/registry/v2/repositories"
    lines = []
    for name, ago in days.items():
        repository, _, tag = name.rpartition(":")
        lines.append(
            f"touch -d @{time.time() - ago * 86400:.3f} {store}/{repository}/_manifests/tags/{tag}/current/link"
        )
    host.run("set -e\n" + "\n".join(lines))
