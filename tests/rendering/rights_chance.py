"""Random accounts, repositories, tags and requests, the same on every run."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.e2e.fuzz import METHODS as PLAIN_METHODS
from tests.e2e.fuzz import ODD_METHODS, TAILS, UPS, spoilt, strange_target
from tests.rendering.rights_model import METRICS, NOW, Kept, Known

PARTS = ("a", "ab", "b-a", "x.y", "team_1", "v2", "tags", "manifests", "blobs", "uploads")
NAMES_HAVE = ("", "", "", "\u00fc", '"', "$x", "\\", "'", "{}", "~", "*", ".", ";")
DIGEST = "sha256:" + "0a" * 32
ALL_TAILS = (
    *TAILS,
    *("tags/list#", "manifests/v1", "manifests/{digest}", "manifests/%76", "manifests/latest?x=1", "manifests/a/b"),
    *("blobs/uploads/0b", "blobs/uploads", "blobs/abc", "referrers/{digest}"),
)
SENSIBLE = tuple(
    (method, tail)
    for methods, tail in (
        ("GET HEAD", "tags/list"),
        ("GET HEAD PUT DELETE", "manifests/v1"),
        ("GET HEAD PUT DELETE", "manifests/{digest}"),
        ("GET HEAD DELETE", "blobs/{digest}"),
        ("POST", "blobs/uploads/"),
        ("GET PATCH PUT DELETE", "blobs/uploads/0b"),
        ("GET HEAD", "referrers/{digest}"),
    )
    for method in methods.split()
)
TAGS = ("v1", "v1.0", "V1", "v2-rc", "latest", "1", "sha256-0a.sig")
TAG_PATTERNS = ("v*", "v*", "v1", "*", "*", "*-rc", "*1*", "v*.0", "latest", "sha256-*")


@dataclass(frozen=True)
class World:
    """A registry's settings, and what it has."""

    accounts: dict[str, Known]
    everybody: tuple[str, ...]
    repositories: tuple[str, ...]
    kept: Kept


def some_world(chance: random.Random, size: int) -> World:
    """With as many accounts and repositories; nothing, a little or something is open to all."""
    names: dict[str, None] = {}
    while len(names) < size:
        number = chance.choice(("", chance.randrange(size)))
        names[f"{some_repository(chance)}{number}"] = None
    repositories = tuple(names)
    accounts = {}
    for number in range(size):
        name = f"u{number}{chance.choice(NAMES_HAVE)}"
        accounts[name] = some_account(chance, name, repositories)
    tags = some_patterns(chance, chance.choice((0, 1, 3)), repositories)
    kept = Kept(_with_tags(chance, tags), _with_tags(chance, tags[:1]) if tags else (), chance.random() < 0.5)
    everybody = some_patterns(chance, chance.choice((0, 0, 1, 2)), repositories)
    return World(accounts, everybody, repositories, kept)


def _with_tags(chance: random.Random, patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{pattern}:{chance.choice(TAG_PATTERNS)}" for pattern in patterns)


def some_repository(chance: random.Random) -> str:
    """A name of one to three parts."""
    parts = PARTS[:2] if chance.random() < 0.6 else PARTS
    return "/".join(chance.choice(parts) for _ in range(chance.randint(1, 3)))


def some_pattern(chance: random.Random, among: tuple[str, ...] = ()) -> str:
    """A repository's name in which one or two pieces may be stars."""
    name = list(chance.choice(among) if among and chance.random() < 0.5 else some_repository(chance))
    for _ in range(chance.choice((0, 1, 1, 2))):
        start = chance.randrange(len(name))
        name[start : start + chance.randint(1, 4)] = ["*"]
    text = "".join(name)
    while "**" in text:
        text = text.replace("**", "*")
    return text


def some_patterns(chance: random.Random, number: int, among: tuple[str, ...] = ()) -> tuple[str, ...]:
    """As many, or fewer: each once."""
    return tuple(dict.fromkeys(some_pattern(chance, among) for _ in range(number)))


def some_account(chance: random.Random, name: str, among: tuple[str, ...] = ()) -> Known:
    """Of any role, for some repositories or all, with or without an end."""
    own = None if chance.random() < 0.2 else some_patterns(chance, chance.randint(1, 3), among)
    more = () if own is None else some_patterns(chance, chance.choice((0, 0, 1, 2)), among)
    end = chance.choice((*(None,) * 8, NOW - 1, NOW, NOW + 1, NOW - 86_400 * 400, NOW + 10**9))
    if chance.random() < 0.15:
        return Known(name, "metrics", None, (), end)
    return Known(name, chance.choice(("pull", "push", "admin")), own, more, end)


def some_request(chance: random.Random, fqdn: str, among: tuple[str, ...] = ()) -> tuple[str, str]:
    """Method and path, as clients send them, or as none does. In a line's end it would be two."""
    name, other = (chance.choice(among) if among and chance.random() < 0.6 else some_repository(chance) for _ in "ab")
    digest = chance.choice((DIGEST, DIGEST.replace(":", "%3A")))
    if chance.random() < 0.4:
        method, tail = chance.choice(SENSIBLE)
        return method, f"/v2/{name}/{tail}".format(digest=digest)
    method, tail = chance.choice((*PLAIN_METHODS * 3, *ODD_METHODS)), chance.choice(ALL_TAILS).format(digest=digest)
    return method, _some_target(chance, fqdn, name, other, tail).replace("\n", "\r")


def _some_target(chance: random.Random, fqdn: str, name: str, other: str, tail: str) -> str:
    if chance.random() < 0.4:
        return chance.choice((f"/v2/{name}/{tail}",) * 12 + ("/v2/", "/v2/_catalog", "/v2/_catalog?n=5", *METRICS))
    more = (
        chance.choice(
            ("/metrics/", "/%6detrics", "/metrics/registry/", "/metrics?x=1#", "/metrics/x", "/v2/../metrics")
        ),
        f"/v2/{name.upper()}/{tail}",
        f"/v2/{name}{'x' * chance.choice((150, 590, 700))}/{tail}",
        f"/v2/{chance.choice(UPS)}/{chance.choice(UPS)}/v2/{name}/{tail}",
    )
    strange = strange_target(chance, tail, fqdn, own=name, other=other)
    return spoilt(chance, chance.choice((strange, strange, strange, *more)))
