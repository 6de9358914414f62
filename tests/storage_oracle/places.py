"""Where Distribution keeps things below its data directory, as paths relative to that."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

V2 = "docker/registry/v2"
BLOBS = f"{V2}/blobs"
REPOSITORIES = f"{V2}/repositories"

HEX = {"sha256": 64, "sha384": 96, "sha512": 128}

_DIGEST = re.compile(r"(sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?P<name>{_COMPONENT}(?:/{_COMPONENT})*)"
_TAG = r"(?P<tag>\w[\w.-]{0,127})"
_DIGEST_PATH = r"(?P<alg>sha256|sha384|sha512)/(?P<hex>[a-f0-9]+)"

_LINKS = {
    "tag": rf"{_NAME}/_manifests/tags/{_TAG}/current/link",
    "history": rf"{_NAME}/_manifests/tags/{_TAG}/index/{_DIGEST_PATH}/link",
    "revision": rf"{_NAME}/_manifests/revisions/{_DIGEST_PATH}/link",
    "signature": rf"{_NAME}/_manifests/revisions/(?P<of>sha256/[a-f0-9]+)/signatures/{_DIGEST_PATH}/link",
    "layer": rf"{_NAME}/_layers/{_DIGEST_PATH}/link",
}
_PLACES = {kind: re.compile(rf"{REPOSITORIES}/{pattern}", re.ASCII) for kind, pattern in _LINKS.items()}
_BLOB = re.compile(rf"{BLOBS}/(?P<alg>sha256|sha384|sha512)/(?P<first>[a-f0-9]{{2}})/(?P<hex>[a-f0-9]+)/data", re.ASCII)
_HALF_TAG = re.compile(rf"{REPOSITORIES}/{_NAME}/_manifests/tags/{_TAG}/", re.ASCII)
_INSIDE = re.compile(rf"{REPOSITORIES}/{_NAME}/_(?:layers|manifests|uploads)(?:/|$)", re.ASCII)


@dataclass(frozen=True)
class Place:
    """What a path is: `kind` is one of the links' kinds or `blob`."""

    kind: str
    path: str
    name: str = ""
    tag: str = ""
    digest: str = ""
    of: str = ""
    """The manifest that a signature is of."""


@lru_cache(100_000)
def place(path: str) -> Place | None:
    """What the registry keeps at this path; None if it is nothing that the registry would make there."""
    found = _BLOB.fullmatch(path)
    if found and len(found["hex"]) == HEX[found["alg"]] and found["hex"].startswith(found["first"]):
        return Place("blob", path, digest=f"{found['alg']}:{found['hex']}")
    for kind, pattern in _PLACES.items():
        match = pattern.fullmatch(path)
        if not match:
            continue
        parts = match.groupdict()
        if "hex" in parts and len(parts["hex"]) != HEX[parts["alg"]]:
            return None
        digest = f"{parts['alg']}:{parts['hex']}" if "hex" in parts else ""
        return Place(kind, path, parts["name"], parts.get("tag", ""), digest, parts.get("of", "").replace("/", ":"))
    return None


def repository_of(path: str) -> str | None:
    """The repository that a path is inside of."""
    found = _INSIDE.match(path)
    return found["name"] if found else None


def tag_of(path: str) -> tuple[str, str] | None:
    """Repository and tag whose folder a path is inside of."""
    found = _HALF_TAG.match(path)
    return (found["name"], found["tag"]) if found else None


def parse_digest(text: bytes) -> str | None:
    """A link's target as Distribution reads it; None where it fails."""
    try:
        found = _DIGEST.fullmatch(text.decode("ascii"))
    except UnicodeDecodeError:
        return None
    return found[1] if found else None


def mentions(content: bytes) -> set[str]:
    """Everything in a text that looks like a digest, however it is written down."""
    text = content.decode("utf-8", "replace")
    unescaped = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return set(_DIGEST.findall(text)) | set(_DIGEST.findall(unescaped))


def sha256(content: bytes) -> str:
    """The digest that Distribution names content by."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def sha512(content: bytes) -> str:
    """The other digest that a client may name content by."""
    return f"sha512:{hashlib.sha512(content).hexdigest()}"


def matches(digest: str, content: bytes) -> bool:
    """Whether a digest is that of the content."""
    algorithm, _, value = digest.partition(":")
    return hashlib.new(algorithm, content).hexdigest() == value


def digests_of(path: str) -> set[str]:
    """The digests whose folder a path is inside of."""
    return {f"{algorithm}:{value}" for algorithm, value in re.findall(r"(sha256|sha384|sha512)/([a-f0-9]{64,})/", path)}


def _split(digest: str) -> str:
    return digest.replace(":", "/", 1)


def blob(digest: str) -> str:
    """Where content is."""
    algorithm, _, value = digest.partition(":")
    return f"{BLOBS}/{algorithm}/{value[:2]}/{value}/data"


def layer(name: str, digest: str) -> str:
    """The link by which a repository has a layer or a configuration."""
    return f"{REPOSITORIES}/{name}/_layers/{_split(digest)}/link"


def revision(name: str, digest: str) -> str:
    """The link by which a repository has a manifest."""
    return f"{REPOSITORIES}/{name}/_manifests/revisions/{_split(digest)}/link"


def signature(name: str, digest: str, signed: str) -> str:
    """The link to a signature of a schema 1 manifest, as registry 2.0 to 2.4 wrote it."""
    return f"{REPOSITORIES}/{name}/_manifests/revisions/{_split(digest)}/signatures/{_split(signed)}/link"


def current(name: str, tag: str) -> str:
    """The link that says what a tag is."""
    return f"{REPOSITORIES}/{name}/_manifests/tags/{tag}/current/link"


def history(name: str, tag: str, digest: str) -> str:
    """The link that says that a tag was once this manifest."""
    return f"{REPOSITORIES}/{name}/_manifests/tags/{tag}/index/{_split(digest)}/link"


def upload(name: str, identity: str, file: str) -> str:
    """A file of an upload under way."""
    return f"{REPOSITORIES}/{name}/_uploads/{identity}/{file}"
