"""What lies on the host by whose doing, as the stack's output `manifest` tells it: drift compares a host with that."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from rendering.bundle import Entry


@dataclass(frozen=True)
class Puts:
    """What a command puts on a host: files and directories, units that it enables, the time zone that it sets.

    Of `kept` files the content is the host's own affair; `linked` ones may be links besides.
    """

    entries: Sequence[Entry] = ()
    kept: Sequence[Entry] = ()
    linked: Sequence[Entry] = ()
    units: Sequence[str] = ()
    time_zone: str = ""


class Manifest:
    """What each command of a stack puts on its host.

    The state has the contents already, as the commands' standard input: the manifest says where in it each lies. The
    digest of the whole input tells whether state and manifest are of one update: a failed one leaves the old manifest.
    """

    def __init__(self) -> None:
        self._commands: dict[str, pulumi.Output[dict[str, Any]]] = {}

    def add(self, name: str, stdin: pulumi.Input[str] | None, puts: pulumi.Input[Puts] | None) -> None:
        """Takes up a command."""
        found: pulumi.Output[list[Any]] = pulumi.Output.all(stdin, puts)
        self._commands[name] = found.apply(lambda pair: _told((pair[0] or "").encode(), pair[1] or Puts()))

    def text(self, stack: str) -> pulumi.Output[str]:
        """All of it, as a secret: who has the digest of a password file can try passwords."""
        commands: pulumi.Output[Mapping[str, Any]] = pulumi.Output.all(**self._commands)
        told = commands.apply(lambda found: json.dumps({"stack": stack, "commands": found}, sort_keys=True))
        return pulumi.Output.secret(told)


def _told(stdin: bytes, puts: Puts) -> dict[str, Any]:
    files, end = [], 0
    for entry in puts.entries:
        if entry.content is not None:
            content = entry.content.encode()
            begin = stdin.index(content, end)
            end = begin + len(content)
            files.append(_place(entry) | {"digest": _digest(content), "begin": begin, "end": end})
    return {
        "input": _digest(stdin),
        "files": [*files, *map(_place, puts.kept), *(_place(one) | {"linked": True} for one in puts.linked)],
        "directories": [_place(entry) for entry in puts.entries if entry.content is None],
        "units": list(puts.units),
        "timeZone": puts.time_zone,
    }


def _place(entry: Entry) -> dict[str, Any]:
    return {"path": entry.path, "mode": entry.mode.lstrip("0"), "owner": entry.owner}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
