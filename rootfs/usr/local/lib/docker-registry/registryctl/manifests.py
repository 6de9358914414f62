"""What a manifest refers to: all that Distribution takes from one, and everything where that can't be known.

Distribution reads with Go's rules: the letters of a name count in either case, and of a name that is there twice the
last or both count. A document in which that matters is not understood here, nor is one of another form than it knows.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from registryctl.digests import digests_in, is_digest

LARGEST = 4 << 20
"""Distribution takes no larger manifest."""

_IMAGES = ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json")
_INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
_ARTIFACTS = ("application/vnd.oci.artifact.manifest.v1+json",)
_SCHEMA1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
_PARTS = frozenset({"config", "layers", "manifests", "blobs", "fsLayers"})
# The parts that each form has, and the types by which it may be called.
_FORMS = (
    (frozenset({"manifests"}), "2", ("", *_INDEXES)),
    (frozenset({"config", "layers"}), "2", ("", *_IMAGES)),
    (frozenset({"blobs"}), "2", _ARTIFACTS),
    (frozenset({"blobs"}), "", _ARTIFACTS),
    (frozenset({"fsLayers"}), "1", ("", *_SCHEMA1)),
)
_TOP = {name.casefold(): name for name in (*_PARTS, "schemaVersion", "mediaType", "subject")}


@dataclass(frozen=True)
class References:
    """What a manifest names."""

    understood: bool
    """False: Distribution may see other digests in it than we do, so all that may be digests are in `blobs`."""
    blobs: tuple[str, ...] = ()
    """Its configuration and layers."""
    manifests: tuple[str, ...] = ()
    """The children of an index."""
    subject: str | None = None
    """What it says something about; it does not need that, but goes and stays with it."""


class _OddError(Exception):
    """Distribution may read it in another way than we do."""


class _Number(str):
    """A number as it is written: none is too large to be read."""

    __slots__ = ()


class _Object:
    """A JSON object with all its names, including duplicates."""

    __slots__ = ("members",)

    def __init__(self, members: list[tuple[str, object]]) -> None:
        self.members = members

    def known(self, names: dict[str, str]) -> dict[str, object]:
        """The members of these names (by how they are in small letters)."""
        found: dict[str, object] = {}
        for name, value in self.members:
            known = names.get(name.casefold())
            if known is not None:
                if name != known or name in found:
                    raise _OddError
                found[name] = value
        return found


def _refuse(_text: str) -> object:
    raise _OddError


def _parse(content: bytes) -> _Object:
    try:
        document = json.loads(
            content.decode(),
            object_pairs_hook=_Object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as error:
        raise _OddError from error
    if not isinstance(document, _Object):
        raise _OddError
    return document


def _digest(descriptor: object, name: str = "digest") -> tuple[str, ...]:
    """The digest of a descriptor, if it has one."""
    if descriptor is None:
        return ()
    if not isinstance(descriptor, _Object):
        raise _OddError
    digest = descriptor.known({name.casefold(): name}).get(name)
    if digest is None:
        return ()
    if not isinstance(digest, str) or not is_digest(digest):
        raise _OddError
    return (sys.intern(str(digest)),)


def _digests(descriptors: object, name: str = "digest") -> tuple[str, ...]:
    if descriptors is None:
        return ()
    if not isinstance(descriptors, list):
        raise _OddError
    return tuple(digest for descriptor in descriptors for digest in _digest(descriptor, name))


def _read(content: bytes) -> References:
    top = _parse(content).known(_TOP)
    version, kind = top.get("schemaVersion", _Number()), top.get("mediaType", "")
    parts = {name for name in _PARTS if top.get(name) is not None}
    if not isinstance(version, _Number) or not isinstance(kind, str) or isinstance(kind, _Number):
        raise _OddError
    if not any(parts <= its and (version, kind) == (number, name) for its, number, names in _FORMS for name in names):
        raise _OddError
    subject = _digest(top.get("subject"))
    return References(
        understood=True,
        blobs=(
            *_digest(top.get("config")),
            *_digests(top.get("layers")),
            *_digests(top.get("blobs")),
            *_digests(top.get("fsLayers"), "blobSum"),
        ),
        manifests=_digests(top.get("manifests")),
        subject=subject[0] if subject else None,
    )


def references(content: bytes) -> References:
    """What a manifest names; never fails."""
    try:
        return _read(content)
    except _OddError:
        return References(understood=False, blobs=tuple(sorted(map(sys.intern, digests_in(content)))))
