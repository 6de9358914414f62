"""The stack file. Only it tells value by value what is encrypted; the engine tells it for whole keys."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import yaml

from config.base import NAMESPACE
from config.faults import Location, key_of

_PROGRAM = Path(__file__).parent.parent
_ENGINE = "pulumi"
_FLAG = "--config-file"
_MOST_ANCESTORS = 8
_ABSENT = object()


@dataclass(frozen=True)
class StackFile:
    """The settings as the file has them; the encrypted ones still are."""

    settings: Mapping[str, object]
    misplaced: Sequence[str] = ()
    """Keys of this program that stand beside `config`, where Pulumi ignores them."""

    def encrypted(self, concern: str, location: Location) -> bool | None:
        """Whether the value, or all that it is part of, is encrypted; None where the file has no such value."""
        value = self.settings.get(key_of(concern), self.settings.get(concern, _ABSENT))
        for part in location:
            if _is_encrypted(value):
                return True
            value = _entry(value, part)
        return None if value is _ABSENT else _is_encrypted(value)

    def marks(self) -> dict[str, str]:
        """What changes with an account's password or hash, by its name, and tells nothing that the file doesn't.

        Pulumi encrypts a value when it is set, and leaves it so.
        """
        users = self.settings.get(key_of("users"))
        entries = [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []
        return {str(user.get("name")): _mark(user.get("password", user.get("hash"))) for user in entries}


def _mark(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"secure"} and isinstance(value["secure"], str)


def _entry(value: object, part: int | str) -> object:
    if isinstance(value, dict):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _ABSENT


def read_stack_file() -> StackFile | None:
    """The file of the stack that runs; None where it can't be found or read, as when settings come from elsewhere."""
    for path in _candidates():
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if not isinstance(content, dict):
            return None
        settings = content.get("config")
        misplaced = [str(key) for key in content if str(key).startswith(f"{NAMESPACE}:")]
        if isinstance(settings, dict):
            return StackFile(settings, misplaced)
        return StackFile({}, misplaced) if misplaced else None
    return None


def _candidates() -> Iterator[Path]:
    """The file that the engine was told of, or else the one that it looks for by itself."""
    told = _told()
    if told is not None:
        yield told
        return
    try:
        project = yaml.safe_load((_PROGRAM / "Pulumi.yaml").read_text(encoding="utf-8"))
        yield _PROGRAM / str(project.get("stackConfigDir", ".")) / f"Pulumi.{pulumi.get_stack()}.yaml"
    except (OSError, AttributeError, yaml.YAMLError):
        return


def _told() -> Path | None:
    """What follows `--config-file` on the engine's command line. It tells the program nothing of it."""
    process = os.getppid()
    for _ in range(_MOST_ANCESTORS):
        folder = Path(f"/proc/{process}")
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
            if Path(words[0]).name == _ENGINE:
                return _after_flag(words, (folder / "cwd").readlink())
            # After the name, which may hold anything, come the state and the parent.
            process = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return None
    return None


def _after_flag(words: list[str], folder: Path) -> Path | None:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == _FLAG:
            return folder / following
        if word.startswith(f"{_FLAG}="):
            return folder / word.partition("=")[2]
    return None
