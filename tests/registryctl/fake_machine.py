"""A host below a directory, whose commands say what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from registryctl.machine import Done, Machine

Said = str | Done | Callable[..., "str | Done"]

ABSENT = Done(127, "", "not found")
FAILED = Done(1, "", "no")


class FakeMachine(Machine):
    """A command is known by its first words; of several, the longest beginning counts. All others are not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[str, ...]] = []
        self.time = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
        self._commands: dict[tuple[str, ...], Said] = {}

    def says(self, beginning: str, said: Said) -> None:
        """What a command prints, or how it ends; or what makes that of its other words (and `stdin`)."""
        self._commands[tuple(beginning.split())] = said

    def silence(self, name: str) -> None:
        """The command fails, whatever it is asked."""
        self._commands = {key: said for key, said in self._commands.items() if key[0] != name} | {(name,): FAILED}

    def path(self, path: str | Path) -> Path:
        """Below the directory; a path that is there already stays."""
        place = Path(path)
        return place if place.is_relative_to(self.root) else self.root / str(path).lstrip("/")

    def file(self, path: str | Path, text: str = "") -> Path:
        """Puts a file there."""
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def now(self) -> datetime:
        """As the test has it."""
        return self.time

    def run(self, *words: str, stdin: str = "", seconds: float = 0, together: bool = False) -> Done:
        """What the test has said."""
        self.calls.append(words)
        known = [key for key in self._commands if words[: len(key)] == key]
        if not known:
            return ABSENT
        key = max(known, key=len)
        said = self._commands[key]
        if callable(said):
            said = said(*words[len(key) :], stdin=stdin)
        return said if isinstance(said, Done) else Done(0, said, "")

    def real(self, name: str) -> None:
        """This machine's own command of that name."""
        self.says(name, lambda *words, stdin: Machine().run(name, *words, stdin=stdin))
