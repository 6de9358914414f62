"""Manifests of all kinds, whole ones and hostile ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.storage_oracle.reading import LIST, OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST, SCHEMA_2

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

Document = dict[str, Any]


def descriptor(digest: str, media: str, size: int = 1, **more: object) -> Document:
    """How a manifest refers to something."""
    return {"mediaType": media, "digest": digest, "size": size, **more}


def written(rng: Random, document: Document) -> bytes:
    """A document as JSON, in one of the forms that clients write."""
    if rng.random() < 0.5:
        return json.dumps(document, separators=(",", ":")).encode()
    return json.dumps(document, indent=rng.choice([None, 2, 3]), sort_keys=rng.random() < 0.5).encode()


def image(rng: Random, config: str, layers: Sequence[str], subject: str = "") -> Document:
    """An image for one platform; each is another, so that nobody has to make an effort for that."""
    if rng.random() < 0.4 and not subject:
        return {
            "schemaVersion": 2,
            "mediaType": SCHEMA_2,
            "config": descriptor(config, DOCKER_CONFIG),
            "layers": [descriptor(layer, DOCKER_LAYER) for layer in layers],
            "note": rng.getrandbits(40),
        }
    found: Document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if rng.random() < 0.2:
        del found["mediaType"]
    found["config"] = descriptor(config, CONFIG)
    found["layers"] = [descriptor(layer, LAYER) for layer in layers]
    if subject:
        found["subject"] = descriptor(subject, OCI_MANIFEST)
        found["artifactType"] = "application/vnd.example.signature"
    found["annotations"] = {"note": str(rng.getrandbits(40)), "layers": "sha256:" + "0" * 64}
    return found


def index(rng: Random, children: Sequence[str], subject: str = "") -> Document:
    """An index or a manifest list over children of any kind."""
    media = rng.choice([OCI_INDEX, LIST, ""])
    found: Document = {"schemaVersion": 2, "mediaType": media}
    if not media:
        del found["mediaType"]
    found["manifests"] = [
        descriptor(
            child, rng.choice([OCI_MANIFEST, SCHEMA_2, OCI_INDEX]), platform={"architecture": f"a{n}", "os": "linux"}
        )
        for n, child in enumerate(children)
    ]
    if media != LIST:
        found["annotations"] = {"note": str(rng.getrandbits(40))}
        if subject:
            found["subject"] = descriptor(subject, OCI_INDEX)
    else:
        found["note"] = rng.getrandbits(40)
    return found


def schema_1(rng: Random, layers: Sequence[str]) -> Document:
    """An image as registries knew it first."""
    return {
        "schemaVersion": 1,
        "name": "old",
        "tag": "latest",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": layer} for layer in layers],
        "history": [{"v1Compatibility": json.dumps({"id": rng.getrandbits(40)})} for _ in layers],
        "signatures": [{"protected": "e30"}],
    }


def artifact(rng: Random, blobs: Sequence[str], subject: str = "") -> Document:
    """An artifact manifest of the OCI's draft."""
    found: Document = {"mediaType": OCI_ARTIFACT, "artifactType": "application/vnd.example"}
    found["blobs"] = [descriptor(one, "application/octet-stream") for one in blobs]
    found["annotations"] = {"note": str(rng.getrandbits(40))}
    if subject:
        found["subject"] = descriptor(subject, OCI_MANIFEST)
    return found


def hostile(rng: Random, digests: Sequence[str]) -> bytes:
    """A text that is no plain manifest, though a lax reader may find `digests` in it."""
    first, last = digests[0], digests[-1]
    item, other = json.dumps(descriptor(first, LAYER)), json.dumps(descriptor(last, LAYER))
    head = f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",'
    config = f'"config":{item}'
    note = f'"note":{rng.getrandbits(40)}'
    listed = f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}",'
    texts = [
        f'{listed}{note},"manifests":"x","manifests":null}}',
        f'{head}{config},"layers":[{item}],"layers":[{other}],{note}}}',
        f'{head}{config},"Layers":[{other}],{note}}}',
        f'{head}{config},"layers":[],"LAYERS":[{other}],{note}}}',
        f'{head}{config},"layer\u017f":[{other}],{note}}}',
        f'{head}{config},"layers":[],"l\\u0061yers":[{other}],{note}}}',
        f'{head}{config},"layers":[{{"digest":"{first}","Digest":"{last}"}}],{note}}}',
        f'{head}{config},"layers":[{{"d\\u0069gest":"{last}","digest":"{first}"}}],{note}}}',
        f'{head}{config},"layers":{{"0":{other}}},{note}}}',
        f'{head}{config},"layers":[{item},"{last}"],{note}}}',
        f'{head}{config},"layers":[[{other}]],{note}}}',
        f'{head}{config},"layers":[{other}],{note}'.rstrip("}"),
        f'{head}{config},"layers":[{other}],{note}}} trailing',
        f'\ufeff{head}{config},"layers":[{other}],{note}}}',
        f'{head}{config},"layers":[{other}],"annotations":{{"x":NaN}},{note}}}',
        f'{head}{config},"layers":[{other}],"deep":{"[" * 20000}{"]" * 20000},{note}}}',
        f'{{"schemaVersion":3,"mediaType":"{OCI_MANIFEST}",{config},"layers":[{other}],{note}}}',
        f'{{"schemaVersion":2,"mediaType":"application/x-unknown","things":[{item},{other}],{note}}}',
        f'{{"schemaVersion":2,"mediaType":["{OCI_INDEX}"],"manifests":[{item},{other}],{note}}}',
        f'{listed}"manifests":[{{"digest":{{"is":"{first}"}}}}],{note}}}',
        f"[{item},{other},{rng.getrandbits(40)}]",
        f'"{first} {last} {rng.getrandbits(40)}"',
        f"{rng.getrandbits(40)}",
        "null",
        "",
    ]
    text = rng.choice(texts)
    return text.encode("utf-16") if rng.random() < 0.03 else text.encode()
