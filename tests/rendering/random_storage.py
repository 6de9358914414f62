"""Random storages of a registry, with JSON of every form, and a plain reading of them."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path

from tests.rendering.storage import Storage

_TEXTS = (
    "",
    "{",
    "}",
    "}}",
    '"',
    '\\"',
    "\\",
    "a/b",
    "\u017f",
    "é",
    "a:b",
    ' "digest": ',
    '{"subject":{',
    ',"',
    "\r\n",
    "\\u0064",
)


class _Writer:
    """JSON as somebody may write it: spaces, order, escapes, letters of either case."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._spaces = chance.choice(("", " ", "\n", "\r\n\t", "  \n "))
        self._escapes = chance.random() < 0.3
        self._odd_names = chance.random() < 0.3

    def text(self, value: object) -> str:
        """A value."""
        space = self._spaces if self._chance.random() < 0.7 else ""
        if isinstance(value, dict):
            members = list(value.items())
            self._chance.shuffle(members)
            inside = f",{space}".join(f"{self._name(key)}{space}:{space}{self.text(its)}" for key, its in members)
            return f"{{{space}{inside}{space}}}"
        if isinstance(value, list):
            return f"[{space}{f'{space},'.join(self.text(its) for its in value)}{space}]"
        return self._string(value) if isinstance(value, str) else json.dumps(value)

    def _name(self, name: str) -> str:
        if self._odd_names and name == "digest":
            name = self._chance.choice(("Digest", "DIGEST", "dige\u017ft"))
        return self._string(name)

    def _string(self, value: str) -> str:
        if not self._escapes:
            return json.dumps(value, ensure_ascii=self._chance.random() < 0.5)
        return '"' + "".join(self._letter(letter) for letter in value) + '"'

    def _letter(self, letter: str) -> str:
        if letter == "/" and self._chance.random() < 0.5:
            return "\\/"
        if self._chance.random() < 0.1 or letter in '"\\' or letter < " ":
            return f"\\u{ord(letter):04{self._chance.choice('xX')}}"
        return letter


class RandomStorage:
    """A storage of a seed."""

    def __init__(self, root: Path, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # it is to be the same each time
        self.storage = Storage(root)
        self.manifests: list[str] = []
        self.texts: dict[str, bytes] = {}
        self.tagged: set[str] = set()
        self.layers = [self._put(f'{{"digest": "sha256:{number:064x}"}}'.encode()) for number in range(12)]
        self.links: list[Path] = []
        for _ in range(self.chance.randrange(1, 40)):
            self._push()

    def _digest(self, content: bytes) -> str:
        algorithm = self.chance.choice(("sha256", "sha256", "sha256", "sha512"))
        return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"

    def path(self, digest: str) -> Path:
        """Where content lies."""
        algorithm, name = digest.split(":")
        return self.storage.root / "blobs" / algorithm / name[:2] / name / "data"

    def _put(self, content: bytes) -> str:
        digest = self._digest(content)
        self.path(digest).parent.mkdir(parents=True, exist_ok=True)
        self.path(digest).write_bytes(content)
        return digest

    def _descriptor(self, digest: str) -> dict[str, object]:
        more: dict[str, object] = {
            "mediaType": "application/x",
            "size": self.chance.randrange(10**9),
            "annotations": {"note": self.chance.choice(_TEXTS), "base.digest": self._any()},
            "platform": {"os": "linux", "os.features": [self.chance.choice(_TEXTS)], "subject": "digest"},
            "urls": [f"https://x/{self.chance.choice(_TEXTS)}"],
        }
        kept = {key: value for key, value in more.items() if self.chance.random() < 0.4}
        return {"digest": digest, **kept}

    def _any(self) -> str:
        return self.chance.choice([*self.layers, *self.manifests, "sha256:" + "e" * 64])

    def _document(self) -> dict[str, object]:
        document: dict[str, object] = {"schemaVersion": 2}
        if self.manifests and self.chance.random() < 0.4:
            children = self.chance.choices(self.manifests, k=self.chance.randrange(4))
            document["manifests"] = [self._descriptor(child) for child in [*children, "sha256:" + "f" * 64][-3:]]
        else:
            document["config"] = self._descriptor(self.chance.choice(self.layers))
            layers = self.chance.choices(self.layers, k=self.chance.randrange(4))
            document["layers"] = [self._descriptor(layer) for layer in layers]
        if self.chance.random() < 0.4:
            document["subject"] = self._descriptor(self.chance.choice([*self.manifests, "sha256:" + "e" * 64]))
        if self.chance.random() < 0.4:
            document["annotations"] = {
                self.chance.choice(_TEXTS): self.chance.choice(_TEXTS),
                "subject": "{",
                "d": self._any(),
            }
        return document

    def _push(self) -> None:
        content = _Writer(self.chance).text(self._document()).encode()
        digest = self._put(content + self.chance.choice((b"", b"\n", b"\r\n\r\n")))
        name = self.chance.choice(("a", "a/b", "a/b/tags", "revisions/tags", "x-y__z.w/current", "index"))
        self.manifests.append(digest)
        self.texts[digest] = content
        self.storage.link(f"{name}/_manifests/revisions/{digest.replace(':', '/')}", digest)
        if self.chance.random() < 0.5:
            tag = self.chance.choice(
                ("_manifests", "_layers", "current", "index", "1.0-x", "-".join(digest.split(":")))
            )
            self.storage.link(f"{name}/_manifests/tags/{tag}/current", digest)
            self.storage.link(f"{name}/_manifests/tags/{tag}/index/{digest.replace(':', '/')}", digest)
        self.links = sorted(self.storage.root.glob("repositories/**/current/link"))
        self.tagged = {link.read_text() for link in self.links}

    def needed(self) -> tuple[set[str], set[str]]:
        """What tags need, and what may pass for it: what stands in a subject with texts that only JSON understands."""
        return self._closure(wide=False), self._closure(wide=True)

    def _closure(self, *, wide: bool) -> set[str]:
        found = set(self.tagged)
        new = list(found)
        while new:
            text = self.texts.get(new.pop())
            if text is not None:
                more = set(_references(json.loads(text), wide=wide)) - found
                found |= more
                new += more
        return found


def _references(value: object, *, wide: bool) -> list[str]:
    """All digests of descriptors; not that of a subject, or where its texts may hide its end: that too."""
    if isinstance(value, list):
        return [digest for its in value for digest in _references(its, wide=wide)]
    found: list[str] = []
    for name, its in value.items() if isinstance(value, dict) else ():
        if name.lower().replace("\u017f", "s") == "digest" and isinstance(its, str):
            found.append(its)
        elif name != "subject" or wide:
            found += _references(its, wide=wide)
    return found
