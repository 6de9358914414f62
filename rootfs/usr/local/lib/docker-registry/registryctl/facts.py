"""What the program that made this host says of it: `/etc/docker-registry/host.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from registryctl.endings import ToolError

_Made = TypeVar("_Made")

PATH = Path("/etc/docker-registry/host.json")
"""Where the facts lie on a host."""


class FactsError(ToolError):
    """The facts are missing or malformed."""


@dataclass(frozen=True)
class Policy:
    """What retention keeps of some repositories. None: no such bound."""

    repositories: tuple[str, ...]
    keep_last: int | None
    keep_days: int | None
    unpulled_days: int | None
    keep: tuple[str, ...]
    drop: tuple[str, ...]


@dataclass(frozen=True)
class Bounded:
    """A mirror that may not have all it once fetched. None: no such bound."""

    prefix: str
    data: Path
    """Its storage."""
    days: int | None
    most: int | None
    """Bytes."""
    tag_seconds: int = 0
    """For how long the proxy knows what a tag has, and asks nobody."""


@dataclass(frozen=True)
class Store:
    """The object store in which the images lie."""

    bucket: str
    prefix: str
    """The directory in the bucket below which all lies, without slashes around it; empty: all of the bucket."""
    endpoint: str
    """Where the store is asked; empty: Amazon S3 in the region."""
    region: str
    path_style: bool
    authorities: Path | None
    """The CA certificates by which it is trusted, and no others. None: those of this host."""
    key: Path | None
    """The file of the key, root's alone. None: the host's role opens the store."""


@dataclass(frozen=True)
class Beside:
    """A bucket to which the images may be moved."""

    place: str
    """As `Facts.objects` would have it."""
    store: Store


@dataclass(frozen=True)
class Certificate:
    """The certificate of the proxy. `chain` and `key` are the host's own pair of which it is a copy, if it is one."""

    mode: str
    served: Path
    """The chain that the proxy has."""
    warn_days: int
    chain: Path | None
    key: Path | None


@dataclass(frozen=True)
class Site:
    """How clients reach the registry, and its containers each other."""

    fqdn: str
    network: str
    nginx_image: str
    certbot_image: str
    certificate: Certificate


@dataclass(frozen=True)
class Facts:
    """The settings of the stack that count for the storage."""

    root: Path
    stack: str
    warn_percent: int
    delete_enabled: bool
    delete_untagged: bool
    max_share: int
    drain_seconds: int
    trash_days: int
    mode: str
    protected: tuple[str, ...]
    policies: tuple[Policy, ...]
    mirrors: tuple[str, ...] = ()
    """The prefixes of the mirrors; most hosts have none, and their facts don't speak of any."""
    bounded: tuple[Bounded, ...] = ()
    """Those of them that have bounds."""
    objects: str = ""
    """The bucket, and the directory in it, where the images lie in an object store; none where they are files."""
    store: Store | None = None
    """How that is reached. None also where an earlier version wrote the facts."""
    beside: Beside | None = None
    """Where the images are files."""

    @property
    def data(self) -> Path:
        """The directory that the registry has as its storage."""
        return self.root / "docker-registry" / "data"

    @property
    def mirrored(self) -> Path:
        """The directory below which each mirror has its images."""
        return self.root / "docker-registry-mirrors"

    @property
    def proxy(self) -> Path:
        """The directory of the files by which the proxy decides."""
        return self.root / "nginx" / "etc" / "conf.d"


def load(path: Path | None = None) -> Facts:
    """Reads the facts. Raises `FactsError` where they are not there, or one of them is missing or of another kind."""
    return _load(path or PATH, _facts)


def load_site(path: Path | None = None) -> Site:
    """Reads what concerns the site, which tools of the storage can do without. Raises as `load` does."""
    return _load(path or PATH, _site)


def load_store(path: Path) -> Store:
    """Reads how the object store is reached, of a file that has this part of the facts. Raises as `load` does."""
    return _load(path, lambda whole: _store(whole.part("store")))


def _load(path: Path, make: Callable[[_Part], _Made]) -> _Made:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FactsError(f"this is no host of a registry: there is no {path}; pulumi up brings it") from None
    except (OSError, ValueError) as error:
        raise FactsError(f"{path} can't be read: {error}") from None
    try:
        return make(_Part(found))
    except _WrongFactError as error:
        raise FactsError(f"{path} is not what pulumi up writes: {error}") from None


class _WrongFactError(Exception):
    pass


class _Part:
    """A part of the facts, in which each fact has its kind: one that is not there is no default."""

    def __init__(self, found: object, where: str = "") -> None:
        if not isinstance(found, Mapping):
            raise _WrongFactError(f"{where or 'it'} is no object")
        self._found, self._where = found, where

    def _of(self, key: str, *kinds: type) -> object:
        name = f"{self._where}.{key}".lstrip(".")
        if key not in self._found:
            raise _WrongFactError(f"{name} is missing")
        value: object = self._found[key]
        # In Python true is a number.
        if type(value) not in kinds:
            raise _WrongFactError(f"{name} is {json.dumps(value)}")
        return value

    def has(self, key: str) -> bool:
        return key in self._found

    def part(self, key: str) -> _Part:
        return _Part(self._of(key, dict), f"{self._where}.{key}".lstrip("."))

    def parts(self, key: str) -> list[_Part]:
        found = self._of(key, list)
        assert isinstance(found, list)  # noqa: S101 - what `_of` is for
        return [_Part(one, f"{self._where}.{key}[{place}]".lstrip(".")) for place, one in enumerate(found)]

    def text(self, key: str) -> str:
        return str(self._of(key, str))

    def flag(self, key: str) -> bool:
        return self._of(key, bool) is True

    def number(self, key: str) -> int:
        found = self._of(key, int)
        assert isinstance(found, int)  # noqa: S101 - what `_of` is for
        if found < 0:
            raise _WrongFactError(f"{self._where}.{key}".lstrip(".") + f" is {found}")
        return found

    def bound(self, key: str) -> int | None:
        return None if self._of(key, int, type(None)) is None else self.number(key)

    def place(self, key: str) -> Path | None:
        return None if self._of(key, str, type(None)) is None else self.path(key)

    def path(self, key: str) -> Path:
        found = Path(self.text(key))
        if not found.is_absolute():
            raise _WrongFactError(f"{self._where}.{key}".lstrip(".") + f" is {found}")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._of(key, list)
        assert isinstance(found, list)  # noqa: S101 - what `_of` is for
        if not all(isinstance(one, str) for one in found):
            raise _WrongFactError(f"{self._where}.{key}".lstrip(".") + f" is {json.dumps(found)}")
        return tuple(found)


def _facts(whole: _Part) -> Facts:
    gc, retention = whole.part("gc"), whole.part("retention")
    return Facts(
        root=whole.path("root"),
        stack=whole.text("stack"),
        warn_percent=whole.number("warnPercent"),
        delete_enabled=whole.flag("deleteEnabled"),
        delete_untagged=gc.flag("deleteUntagged"),
        max_share=gc.number("maxShare"),
        drain_seconds=gc.number("drainSeconds"),
        trash_days=gc.number("trashDays"),
        mode=retention.text("mode"),
        protected=retention.texts("protected"),
        policies=tuple(_policy(one) for one in retention.parts("policies")),
        mirrors=whole.texts("mirrors") if whole.has("mirrors") else (),
        bounded=tuple(map(_bounded, whole.parts("mirrorBounds"))) if whole.has("mirrorBounds") else (),
        objects=whole.text("objects") if whole.has("objects") else "",
        store=_store(whole.part("store")) if whole.has("store") else None,
        beside=_beside(whole.part("beside")) if whole.has("beside") else None,
    )


def _beside(part: _Part) -> Beside:
    return Beside(part.text("place"), _store(part.part("store")))


def _store(part: _Part) -> Store:
    return Store(
        bucket=part.text("bucket"),
        prefix=part.text("prefix"),
        endpoint=part.text("endpoint"),
        region=part.text("region"),
        path_style=part.flag("pathStyle"),
        authorities=part.place("authorities"),
        key=part.place("key"),
    )


def _site(whole: _Part) -> Site:
    certificate, images = whole.part("certificate"), whole.part("images")
    return Site(
        fqdn=whole.text("fqdn"),
        network=whole.text("network"),
        nginx_image=images.text("nginx"),
        certbot_image=images.text("certbot"),
        certificate=Certificate(
            mode=certificate.text("mode"),
            served=certificate.path("served"),
            warn_days=certificate.number("warnDays"),
            chain=certificate.place("chain"),
            key=certificate.place("key"),
        ),
    )


def _bounded(part: _Part) -> Bounded:
    trusted = part.number("tagSeconds") if part.has("tagSeconds") else 0
    bounds = part.bound("unpulledDays"), part.bound("maxBytes")
    return Bounded(part.text("prefix"), part.path("data"), *bounds, trusted)


def _policy(part: _Part) -> Policy:
    return Policy(
        repositories=part.texts("repositories"),
        keep_last=part.bound("keepLast"),
        keep_days=part.bound("keepDays"),
        unpulled_days=part.bound("unpulledDays"),
        keep=part.texts("keep"),
        drop=part.texts("drop"),
    )
