"""What happens to storages: lost and half-written files, and files of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.storage_oracle import documents, places

Files = dict[str, bytes]


def damage(files: Files, names: Sequence[str], rng: Random) -> None:
    """Does one thing to one file, where there is such a file."""
    kind, act = rng.choice(_ACTS)
    found = [path for path in sorted(files) if (one := places.place(path)) and one.kind in kind]
    if found:
        act(files, rng.choice(found), rng)
    elif rng.random() < 0.5:
        _cycle(files, rng.choice(list(names)), rng)


def litter(files: Files, names: Sequence[str], rng: Random) -> None:
    """Puts files there that no registry made, or that it left in the middle of its work."""
    name = f"{places.REPOSITORIES}/{rng.choice(list(names))}"
    some = rng.randbytes(32).hex()
    choices = [
        f"{name}/_manifests/tags/latest/current/link.{some[:8]}-0000-4000-8000-000000000000.tmp",
        f"{name}/_layers/sha256/{some}/link.{some[:8]}.tmp",
        f"{name}/_layers/sha256/{some[:10]}/link",
        f"{name}/_layers/sha256/{some.upper()}/link",
        f"{name}/_layers/md5/{some[:32]}/link",
        f"{name}/_manifests/revisions/sha256/{some}/note",
        f"{name}/_manifests/tags/.nfs0001",
        f"{name}/_manifests/tags/.hidden/current/link",
        f"{name}/_old/_manifests/tags/v1/current/link",
        f"{places.REPOSITORIES}/Upper/_manifests/tags/v1/current/link",
        f"{places.REPOSITORIES}/lost+found/x",
        f"{places.REPOSITORIES}/two\nlines/_layers/sha256/{some}/link",
        f"{places.BLOBS}/sha256/{some[:2]}/{some}/data.tmp",
        f"{places.BLOBS}/sha256/zz/{some}/data",
        f"{places.BLOBS}/sha256/{some[:2]}/{some[:20]}/data",
        f"{places.BLOBS}/sha256/{some[:2]}/readme",
        f"{places.V2}/notes.txt",
        "docker/registry/v1/old",
        "backup.tar",
    ]
    for path in rng.sample(choices, rng.choice([1, 2, 4])):
        files[path] = rng.choice([b"", b"x", places.sha256(b"x").encode()])


def _lose(files: Files, path: str, rng: Random) -> None:
    del files[path]


def _empty(files: Files, path: str, rng: Random) -> None:
    files[path] = b""


def _cut(files: Files, path: str, rng: Random) -> None:
    files[path] = files[path][: rng.randrange(len(files[path]) + 1)]


def _garbage(files: Files, path: str, rng: Random) -> None:
    files[path] = rng.choice([b"\0" * 71, b"../../../etc/passwd", b"sha256:zz", b"\xff\xfe", files[path] + b"\n"])


def _folder(files: Files, path: str, rng: Random) -> None:
    del files[path]
    files[f"{path}/inside"] = b"x"


def _elsewhere(files: Files, path: str, rng: Random) -> None:
    blobs = sorted(one.digest for name in files if (one := places.place(name)) and one.kind == "blob")
    files[path] = rng.choice([*blobs, places.sha256(rng.randbytes(4))]).encode()


def _rotten(files: Files, path: str, rng: Random) -> None:
    files[path] = rng.choice([b"{}", b"rotten", files[path] + b" ", documents.hostile(rng, [places.sha256(b"x")])])


def _cycle(files: Files, name: str, rng: Random) -> None:
    """Two manifests that name each other: nobody can push them, a restored disk may have them."""
    digests = [places.sha256(rng.randbytes(4)) for _ in range(2)]
    for mine, other in zip(digests, reversed(digests), strict=True):
        document = documents.image(rng, places.sha256(b"config"), [], other)
        files[places.blob(mine)] = documents.written(rng, document)
        files[places.revision(name, mine)] = mine.encode()
    if rng.random() < 0.5:
        files[places.current(name, "cycle")] = digests[0].encode()


_LINK = ("tag", "revision", "layer", "history", "signature")
_ACTS: list[tuple[tuple[str, ...], Callable[[Files, str, Random], None]]] = [
    (("tag",), _lose),
    (("revision",), _lose),
    (("layer",), _lose),
    (("layer",), _lose),
    (("blob",), _lose),
    (("blob",), _lose),
    (("history",), _lose),
    (_LINK, _empty),
    (_LINK, _cut),
    (_LINK, _garbage),
    (("tag", "revision", "layer", "blob"), _folder),
    (_LINK, _elsewhere),
    (("blob",), _rotten),
    (("blob",), _cut),
    (("cycle",), _lose),
]
