"""A registry with an account of each kind, for a while: what the settings say, and what each may do."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.support import USER, Answer, Deployed
from tests.lab.stack import Secret

PASSWORD = "of a role: 100 % 'safe'"
"""The password of every account but alice's own."""

ACCOUNTS: dict[str, dict[str, Any]] = {
    "pusher": {"role": "push", "scheme": "bcrypt"},
    "puller": {"role": "pull", "scheme": "sha512"},
    "team": {"role": "push", "repositories": ["team-a/*"], "pullOnly": ["base/*"]},
    "lead": {"role": "admin", "repositories": ["team-a/*"]},
}

REPOSITORIES_ON_HOST = "/var/opt/docker-registry/data/docker/registry/v2/repositories"

OWN, BASE, OTHER = "team-a/app", "base/os", "team-b/app"
REPOSITORIES = (OWN, BASE, OTHER)

ALL = frozenset({"pull", "push", "delete"})
PUSH = frozenset({"pull", "push"})
PULL = frozenset({"pull"})
NONE: frozenset[str] = frozenset()

MATRIX = {
    USER: {OWN: ALL, BASE: ALL, OTHER: ALL},
    "pusher": {OWN: PUSH, BASE: PUSH, OTHER: PUSH},
    "puller": {OWN: PULL, BASE: PULL, OTHER: PULL},
    "team": {OWN: PUSH, BASE: PULL, OTHER: NONE},
    "lead": {OWN: ALL, BASE: NONE, OTHER: NONE},
}
"""Account → repository → what it may do there. To list tags is to pull."""


def settings(registry: Deployed, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """The registry's settings with all accounts, and further changes."""
    users = [
        *registry.settings["users"],
        *({"name": name, "password": Secret(PASSWORD), **rights} for name, rights in ACCOUNTS.items()),
    ]
    return {**registry.settings, "users": users, **changes}


@contextmanager
def restored(registry: Deployed) -> Iterator[Deployed]:
    """The registry, with its own settings again at the end."""
    try:
        yield registry
    finally:
        registry.stack.configure(registry.settings)
        registry.stack.up()


def forget(registry: Deployed, *names: str) -> None:
    """Take repositories, or all below the first part of their names, out of the catalogue."""
    registry.host.run(["rm", "-rf", *(f"{REPOSITORIES_ON_HOST}/{name}" for name in names)])


@dataclass
class Api:
    """The registry's API over one connection, as one account; None is nobody."""

    registry: Deployed
    user: str | None
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = self.registry.connect("https")

    def ask(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> Answer:
        """One request; words of a header's name are joined by `_`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.user is not None:
            named["Authorization"] = basic(self.user, self.password)
        self.connection.request(method, path, body=body, headers=named)
        answer = self.connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.will_close:
            # nginx ends a connection after a thousand requests; left alone, the next would dial by a name unknown here.
            self.connection.close()
            self.connection = self.registry.connect("https")
        return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, text)

    @property
    def password(self) -> str:
        """The account's password."""
        return self.registry.password if self.user == USER else PASSWORD

    def code(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> str:
        """The code of the registry's error, or the status where there is none."""
        answer = self.ask(method, path, body, **headers)
        return str(json.loads(answer.body)["errors"][0]["code"]) if '"errors"' in answer.body else str(answer.status)

    def push_blob(self, repository: str, content: bytes) -> str:
        """Push a blob; its digest."""
        digest = digest_of(content)
        started = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert started.status == http.HTTPStatus.ACCEPTED, started
        location = urlsplit(started.headers["location"])
        target = f"{location.path}?{location.query}&digest={digest}"
        done = self.ask("PUT", target, content, Content_Type="application/octet-stream")
        assert done.status == http.HTTPStatus.CREATED, done
        return digest

    def push_manifest(self, repository: str, tag: str, **annotations: str) -> str:
        """Push the manifest of an image with an empty layer, made unique by annotations; its digest."""
        kind = "application/vnd.oci.image.manifest.v1+json"
        config, layer = b"{}", b""
        manifest = {
            "schemaVersion": 2,
            "mediaType": kind,
            "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
            "annotations": annotations,
        }
        text = json.dumps(manifest)
        done = self.ask("PUT", f"/v2/{repository}/manifests/{tag}", text, Content_Type=kind)
        assert done.status == http.HTTPStatus.CREATED, done
        return digest_of(text.encode())


def digest_of(content: bytes) -> str:
    """A blob's name."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def basic(user: str, password: str) -> str:
    """The header's value."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "size": len(content), "digest": digest_of(content)}
