"""Digests as Distribution takes them: an algorithm it knows and as many small hexadecimal digits as that has."""

from __future__ import annotations

import hashlib
import re

SIZES = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Digits of each algorithm."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_ANYWHERE = re.compile(rb"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}", re.IGNORECASE)
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")


def is_digest(text: str) -> bool:
    """Whether Distribution would take it for one."""
    return _DIGEST.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Whether it is one by which content lies in a storage."""
    return text.startswith("sha256:") and is_digest(text)


def fits(digest: str, content: bytes) -> bool:
    """Whether content is what its digest says."""
    algorithm, _, name = digest.partition(":")
    return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() == name


def digests_in(content: bytes) -> frozenset[str]:
    """Everything in a text that may be a digest, in any way that JSON can write it. For text that is not understood."""
    return frozenset(found.decode().lower() for found in _ANYWHERE.findall(_ESCAPE.sub(_letter, content)))


def _letter(found: re.Match[bytes]) -> bytes:
    return chr(int(found[1], 16)).encode(errors="replace")
