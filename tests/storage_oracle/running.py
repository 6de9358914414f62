"""The tools' storage package, run on a storage of a test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registryctl.act import Outcome, Rules, carry_out
from registryctl.files import FileStorage
from registryctl.gc import Limits, plan_clean_up, plan_removal
from registryctl.journals import Barrier, Journal
from registryctl.objects import ObjectStorage
from registryctl.plan import Wish
from registryctl.storage import Storage
from registryctl.undo import Undone, undo
from tests.registryctl.buckets import FolderBucket


def _nothing() -> None:
    pass


@dataclass
class Gate:
    """A barrier without processes: what writes here is the test itself."""

    before_closing: Callable[[], None] = _nothing
    """Done once, at the last moment at which a push may still be done."""
    generations: dict[str, list[bytes]] = field(default_factory=lambda: {"1": []})
    """Generation → journal; the last one lives."""
    torn: set[str] = field(default_factory=set)
    """Generations of whose writes not each has a line."""
    is_closed: bool = False
    _next: int = 2

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else is there."""
        yield

    @contextmanager
    def closed(self) -> Iterator[None]:
        """What is to happen before happens; then the writer's generation is over."""
        act, self.before_closing = self.before_closing, _nothing
        act()
        self.is_closed = True
        try:
            yield
        finally:
            self.is_closed = False
            self.generations[str(self._next)] = []
            self._next += 1

    def journals(self) -> list[Journal]:
        """As they are now."""
        last = next(reversed(self.generations), None)
        return [
            Journal(name, name == last and not self.is_closed, name not in self.torn, list(lines))
            for name, lines in self.generations.items()
        ]

    def forget(self, generations: Iterable[str]) -> None:
        """Only what has ended may be forgotten."""
        assert self.is_closed
        for name in generations:
            self.generations.pop(name, None)

    def note(self, method: str, name: str, kind: str, reference: str, at: float | None = None) -> None:
        """A line of the generation that lives."""
        assert not self.is_closed
        line = f"{int(time.time() if at is None else at)} {method} {name} {kind} {reference}"
        next(reversed(self.generations.values())).append(line.encode())


KINDS = ("files", "objects")
"""What the storage below a folder is to the tools: its files, or a bucket whose objects they are."""

_kind = ["files"]


def use(kind: str) -> None:
    """From now on, in this process."""
    _kind[0] = kind


def is_bucket() -> bool:
    """Whether the store sets the times, and many requests are under way at once."""
    return _kind[0] == "objects"


def opened(root: Path | str) -> Storage:
    """The storage below a folder."""
    return ObjectStorage(FolderBucket(root)) if is_bucket() else FileStorage(Path(root))


def clean_up(
    storage: Storage, gate: Barrier | None = None, *, delete_untagged: bool = True, trash_days: int = 0
) -> Outcome:
    """A clean-up, without a bound."""
    return carry_out(
        storage,
        gate or Gate(),
        lambda fresh: plan_clean_up(storage, fresh, Limits(time.time(), delete_untagged, trash_days)),
        Rules("gc", trash_days),
    )


def remove(
    storage: Storage, tags: Mapping[str, Iterable[str]], gate: Barrier | None = None, *, trash_days: int = 7
) -> Outcome:
    """A deletion of tags, by repository."""
    wishes = {
        name: Wish(tags=dict.fromkeys(some, "a test wants it"), despite_faults=True) for name, some in tags.items()
    }
    return carry_out(
        storage,
        gate or Gate(),
        lambda fresh: plan_removal(storage, wishes, fresh),
        Rules("rm", trash_days, needs_record=trash_days > 0),
    )


def bring_back(storage: Storage, run: str | None = None, gate: Gate | None = None) -> Undone:
    """Undoes a run."""
    return undo(storage, gate or Gate(), run)
