"""Moves beside pushes and deletions by chance, cut off anywhere: in the end the other place has every image, whole."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from registryctl import fetching
from registryctl.digests import is_digest
from registryctl.layout import BLOBS, REPOSITORIES, TagLink, blob_path
from registryctl.moving import command, copying
from registryctl.storage import StorageError
from tests.registryctl.test_moving import PLACE, KilledError, Moving, moving

__all__ = ["moving"]

REPOSITORY_NAMES = ("app", "app/below", "new")
TAGS = ("1.0", "2.0", "latest")
SEEDS = 40
_DAMAGED = b"sha256:0"


class Clients:
    """They push and delete where the images are, in the order in which Distribution writes, some steps at a time."""

    def __init__(self, moving: Moving, random: Random, *, in_bucket: bool) -> None:
        self._moving, self._random, self._in_bucket = moving, random, in_bucket
        self._acts: list[Iterator[None]] = []
        self._lock = threading.Lock()

    def go_on(self) -> None:
        """A few steps of whoever is at work, or of somebody new."""
        with self._lock:
            self._go_on()

    def _go_on(self) -> None:
        if len(self._acts) < 2 or self._random.random() < 0.2:
            acts = (self._push, self._push, self._push, self._delete, self._spoil, self._lose)
            self._acts.append(self._random.choice(acts)())
        act = self._random.choice(self._acts)
        for _ in range(self._random.randrange(1, 7)):
            if next(act, "ended") == "ended":
                self._acts.remove(act)
                return

    def _put(self, path: str, content: bytes) -> None:
        if self._in_bucket:
            self._moving.bucket.put(path, content)
        else:
            file = self._moving.world.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def _push(self) -> Iterator[None]:
        random, name = self._random, self._random.choice(REPOSITORY_NAMES)
        home, links = f"{REPOSITORIES}/{name}", []
        for kind in ("_layers", "_layers", "_manifests/revisions"):
            content = random.randbytes(random.choice((3, 70))) if random.random() < 0.7 else b"of many"
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            self._put(blob_path(digest), content)
            yield
            self._put(f"{home}/{kind}/sha256/{digest[7:]}/link", digest.encode())
            links.append(digest)
            yield
        tag = TagLink(name, random.choice(TAGS)).path
        self._put(f"{tag.removesuffix('current/link')}index/sha256/{links[-1][7:]}/link", links[-1].encode())
        yield
        self._put(tag, links[-1].encode())

    def _drop(self, path: str) -> None:
        if self._in_bucket:
            self._moving.bucket.drop(path)
        else:
            (self._moving.world.root / path).unlink(missing_ok=True)

    def _some(self, end: str) -> Iterator[tuple[str, bytes]]:
        found = sorted(one for one in _all(self._moving, in_bucket=self._in_bucket).items() if one[0].endswith(end))
        yield from [self._random.choice(found)] if found else []

    def _delete(self) -> Iterator[None]:
        for path, _ in self._some("/link"):
            self._drop(path)
        yield

    def _spoil(self) -> Iterator[None]:
        """A link is damaged, and put right later."""
        for path, content in self._some("/link"):
            self._put(path, _DAMAGED)
            yield
            self._put(path, content)

    def _lose(self) -> Iterator[None]:
        """Content goes, though links lead to it, and comes again."""
        for path, content in self._some("/data"):
            self._drop(path)
            yield
            self._put(path, content)

    def clean_up(self) -> None:
        """Content to which no link leads goes, as far as nobody is just pushing."""
        with self._lock:
            found = _all(self._moving, in_bucket=self._in_bucket)
            needed = {blob_path(content.decode()) for content in found.values() if is_digest(content.decode("latin-1"))}
            for path in found.keys() - needed if not self._acts else ():
                if path.startswith(BLOBS):
                    self._drop(path)


def _all(moving: Moving, *, in_bucket: bool) -> dict[str, bytes]:
    return moving.objects() if in_bucket else moving.files()


def _until_done(act: Callable[[], object], most: int) -> None:
    """Killed, or without an answer, again and again."""
    for _ in range(most):
        try:
            if getattr(act(), "code", 1) == 0:
                return
        except KilledError:
            continue
    raise AssertionError("it does not end well")


@pytest.mark.parametrize("way", ["there", "back"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_is_lost(moving: Moving, monkeypatch: pytest.MonkeyPatch, seed: int, way: str) -> None:
    """All links are as they are where they come from, and what these lead to is there."""
    random, back = Random(seed), way == "back"  # noqa: S311 - not for secrets
    monkeypatch.setattr(command, "_SHORT", -1.0)
    # One at a time: so a seed is the same each time.
    monkeypatch.setattr(copying, "_AT_ONCE", 1)
    monkeypatch.setattr(fetching, "CONNECTIONS", 1)
    if back:
        moving.in_the_bucket()
    clients = Clients(moving, random, in_bucket=back)
    left = 40

    def beside(kind: str, key: str) -> None:
        nonlocal left
        if random.random() < 0.1 and not switching:
            clients.go_on()
        if left and random.random() < 0.03:
            left -= 1
            raise KilledError if random.random() < 0.5 else StorageError("no answer")

    switching = False
    moving.bucket.before = beside
    moving.barrier.before_turn = clients.clean_up
    _until_done(moving.move, 200)
    clients.go_on()
    switching = True
    _until_done(lambda: moving.switch("" if back else PLACE), 200)
    moving.bucket.before = lambda kind, key: None
    source, target = _all(moving, in_bucket=back), _all(moving, in_bucket=not back)
    links = {path: content for path, content in source.items() if not path.startswith(BLOBS)}
    assert {path for path in target if not path.startswith(BLOBS)} == links.keys()
    for path, content in links.items():
        # One that was sound when it was moved, and is damaged since, need not be damaged there.
        assert target[path] == content or content == _DAMAGED
        blob = blob_path(content.decode()) if is_digest(content.decode()) else ""
        assert blob not in source or target.get(blob) == source[blob]


def test_it_would_tell(moving: Moving, tmp_path: Path) -> None:
    """Clients do something."""
    before = moving.files()
    clients = Clients(moving, Random(1), in_bucket=False)  # noqa: S311 - not for secrets
    for _ in range(50):
        clients.go_on()
    assert len(moving.files()) > len(before)
    assert before.keys() - moving.files().keys()
