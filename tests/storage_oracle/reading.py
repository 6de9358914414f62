"""What is written in a manifest: strictly, and as a client in Go would read it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
MANIFEST_TYPES = (SCHEMA_2, LIST, OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT)

_TOP = {"schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "fsLayers", "blobs"}
_INNER = {"digest", "mediaType", "blobSum"}


class Sense(Enum):
    """How sure one can be of what a manifest says."""

    CLEAR = "clear"
    OPEN = "one may read it this way or that"
    NONE = "not understood"


@dataclass
class Said:
    """What a manifest refers to."""

    sense: Sense
    children: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    subject: str = ""
    odd_children: list[str] = field(default_factory=list)
    """Entries of an index that are no manifests by their type, as build caches have them."""


class _OddError(Exception):
    pass


class _Pairs(list[tuple[str, Any]]):
    pass


def _no_constant(text: str) -> None:
    raise _OddError(text)


def strictly(content: bytes) -> Said:
    """What there can be no doubt about; a text with twofold or oddly written keys is not understood."""
    try:
        top = json.loads(content.decode("utf-8"), object_pairs_hook=_Pairs, parse_constant=_no_constant)
        if not isinstance(top, _Pairs):
            return Said(Sense.NONE)
        return _sorted_out(_known(top, _TOP))
    except (ValueError, RecursionError, _OddError):
        return Said(Sense.NONE)


def _known(pairs: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(pairs, _Pairs):
        raise _OddError
    folded = {name.casefold() for name in names}
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key.casefold() not in folded:
            continue
        if key not in names or key in found:
            raise _OddError
        found[key] = value
    return found


def _digest(value: object, key: str = "digest") -> tuple[str, str]:
    found = _known(value, _INNER)
    media = found.get("mediaType", "")
    if not isinstance(found.get(key), str) or not isinstance(media, str):
        raise _OddError
    return found[key], media


def _listed(value: object, key: str = "digest") -> list[tuple[str, str]]:
    if not isinstance(value, list) or isinstance(value, _Pairs):
        raise _OddError
    return [_digest(item, key) for item in value]


def _sorted_out(top: dict[str, Any]) -> Said:
    version, media = top.get("schemaVersion"), top.get("mediaType", "")
    subject = _digest(top["subject"])[0] if "subject" in top else ""
    if media == OCI_ARTIFACT:
        return Said(Sense.CLEAR, [], [name for name, _ in _listed(top.get("blobs", []))], subject)
    if type(version) is not int and version in (1, 2):
        return Said(Sense.OPEN)
    if version == 1 and "fsLayers" in top and not {"config", "layers", "manifests"} & set(top):
        return Said(Sense.CLEAR, [], [name for name, _ in _listed(top["fsLayers"], "blobSum")])
    if version != 2 or not isinstance(media, str):
        return Said(Sense.NONE)
    if media in (LIST, OCI_INDEX) or (media == "" and "manifests" in top):
        return _index(top, subject)
    return _image(top, subject) if media in (SCHEMA_2, OCI_MANIFEST, "") else Said(Sense.NONE)


def _index(top: dict[str, Any], subject: str) -> Said:
    sense = (
        Sense.OPEN if {"config", "layers", "fsLayers", "blobs"} & set(top) or "manifests" not in top else Sense.CLEAR
    )
    entries = _listed(top.get("manifests", []))
    return Said(
        sense,
        [name for name, media in entries if media in (*MANIFEST_TYPES, "")],
        [],
        subject,
        [name for name, media in entries if media not in (*MANIFEST_TYPES, "")],
    )


def _image(top: dict[str, Any], subject: str) -> Said:
    sense = (
        Sense.OPEN
        if {"manifests", "fsLayers", "blobs"} & set(top) or not {"config", "layers"} <= set(top)
        else Sense.CLEAR
    )
    blobs = _listed([top["config"]]) if "config" in top else []
    blobs += _listed(top.get("layers", []))
    return Said(sense, [], [name for name, _ in blobs], subject)


def as_go_does(content: bytes) -> Said | None:
    """What a client that is written in Go reads: keys in any case, the last of equal ones; None if it fails."""
    try:
        top = json.loads(content.decode("utf-8", "replace"), object_pairs_hook=_Folded, parse_constant=_no_constant)
    except (ValueError, RecursionError, _OddError):
        return None
    if not isinstance(top, _Folded):
        return None
    try:
        subject = _lax(top.get("subject"))
        children = [name for item in top.get("manifests") or [] if (name := _lax(item))]
        blobs = [name for item in [top.get("config"), *(top.get("layers") or [])] if (name := _lax(item))]
        blobs += [name for item in top.get("fslayers") or [] if (name := _lax(item, "blobsum"))]
    except TypeError:
        return None
    return Said(Sense.CLEAR, children, blobs, subject)


class _Folded(dict[str, Any]):
    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__((key.casefold(), value) for key, value in pairs)


def _lax(item: object, key: str = "digest") -> str:
    value = item.get(key, "") if isinstance(item, _Folded) else ""
    return value if isinstance(value, str) else ""
