"""What the manifests of a repository need of each other, for thousands of them at a time: each is looked at once.

Mostly a manifest needs none that needs it. Where several lead to each other they are one part, which goes whole. An
image is the part that it begins with, and all below that. Nothing here has a list of all that an image needs: where
thousands say something about one subject, each list would have thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class Part:
    """Manifests that lead to each other, mostly one."""

    repository: str
    manifests: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """What they are called and name themselves, by its names within the repository."""
    content: set[str] = field(default_factory=set)
    """The blobs of these that are there."""
    below: list[Part] = field(default_factory=list)
    """Those that it leads to, each once."""
    made: dict[str, int] = field(default_factory=dict)
    """When the links of its manifests were made, in nanoseconds."""
    used: float = 0
    """When it, or what is below it, was fetched or pulled last, in seconds since 1970."""


def tied(starts: Iterable[str], leads: Callable[[str], Iterable[str]]) -> Iterator[list[str]]:
    """All that these lead to, each with those that lead back to it; what one leads to comes before it.

    The algorithm is Tarjan's, without calling itself: indexes may lie in indexes, a thousand deep.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_ones: dict[str, None] = {}
    """Those whose part is not known yet, in the order in which they were found."""
    way: list[tuple[str, Iterator[str]]] = []

    def enter(digest: str) -> None:
        number[digest] = lowest[digest] = len(number)
        open_ones[digest] = None
        way.append((digest, iter(leads(digest))))

    for start in starts:
        if start not in number:
            enter(start)
        while way:
            digest, rest = way[-1]
            for other in rest:
                if other not in number:
                    enter(other)
                    break
                if other in open_ones:
                    lowest[digest] = min(lowest[digest], number[other])
            else:
                way.pop()
                if way:
                    above = way[-1][0]
                    lowest[above] = min(lowest[above], lowest[digest])
                if lowest[digest] == number[digest]:
                    part = [open_ones.popitem()[0]]
                    while part[-1] != digest:
                        part.append(open_ones.popitem()[0])
                    yield part


class Holding:
    """Which parts some images need, and how many bytes those have together. Images come, and go again."""

    def __init__(self, sizes: Mapping[str, int], held: Iterable[str] = ()) -> None:
        self._sizes = sizes
        self._users: Counter[Part] = Counter()
        self._holders: Counter[str] = Counter()
        self.bytes = 0
        """With the blobs that are held whatever goes."""
        self._count(held, 1)

    def add(self, top: Part) -> None:
        """One more image that begins with it."""
        new = [top]
        while new:
            part = new.pop()
            self._users[part] += 1
            if self._users[part] == 1:
                self._count(part.content, 1)
                new += part.below

    def take(self, top: Part) -> None:
        """One of them less."""
        old = [top]
        while old:
            part = old.pop()
            self._users[part] -= 1
            if not self._users[part]:
                del self._users[part]
                self._count(part.content, -1)
                old += part.below

    def users(self, part: Part) -> int:
        """How many images begin with it, and parts lead to it, of those that are needed."""
        return self._users[part]

    def names(self) -> dict[str, set[str]]:
        """All that is needed, by repository."""
        found: dict[str, set[str]] = {}
        for part in self._users:
            found.setdefault(part.repository, set()).update(part.names)
        return found

    def _count(self, content: Iterable[str], change: int) -> None:
        for digest in content:
            before = self._holders[digest]
            self._holders[digest] = before + change
            if not before or not before + change:
                self.bytes += change * self._sizes[digest]
