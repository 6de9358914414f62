"""The command blocks of the documents, and the comments before them that say which test runs each, or why none does."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
]

_BLOCK = re.compile(r"(?:^<!-- (?P<mark>(?:(?!-->).)*) -->\n)?^```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block, by its document and the heading above it. `mark` is what the comment before it says."""

    document: str
    heading: str
    mark: str
    text: str

    @property
    def statements(self) -> list[str]:
        """Its commands, each with the lines that continue it, without comments."""
        whole = re.sub(r"(\\|\||&&)\n\s*", lambda end: "" if end[1] == "\\" else f"{end[1]} ", self.text)
        lines = (re.sub(r"(^|\s+)#.*", "", line).strip() for line in whole.splitlines())
        return [line for line in lines if line]


def blocks() -> list[Block]:
    """All blocks, in order."""
    return [block for path in DOCUMENTS for block in _blocks(path)]


def _blocks(path: Path) -> list[Block]:
    document = path.read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(document):
        headings = _HEADING.findall(document[: block.start()])
        name = str(path.relative_to(ROOT))
        found.append(Block(name, headings[-1] if headings else "", block["mark"] or "", block["text"]))
    return found
