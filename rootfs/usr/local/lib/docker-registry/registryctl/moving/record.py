"""What this host knows of a move: from where to where, and how far it is."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass

from registryctl import durable
from registryctl.endings import EndError
from registryctl.machine import RESULTS

PATH = RESULTS / "move.json"
VERIFIED = RESULTS / "move.verified"
KNOWN = RESULTS / "move.known"


@dataclass
class Record:
    """A move. Places are as the facts name them: a bucket with its store; empty: this host's files."""

    source: str
    target: str
    move: str = ""
    begun: str = ""
    copied: str = ""
    """When all was copied and verified for the last time, but for what was pushed meanwhile."""
    switched: str = ""
    """When the target had all that the source had, and from when on it counts."""
    blobs: int = 0
    size: int = 0
    """Of all that was copied, in bytes."""

    def save(self) -> None:
        """Durably."""
        durable.put(PATH, json.dumps(asdict(self), indent=2) + "\n", 0o644)


def load() -> Record | None:
    """None: there was no move. Raises EndError."""
    try:
        found = json.loads(PATH.read_text(encoding="utf-8"))
        return Record(**found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise EndError("UNREADABLE", f"{PATH} is not what registryctl move writes: {error}") from None


def begun(source: str, target: str, when: str) -> Record:
    """The one that is under way, or a new one."""
    found = load()
    if found is not None and not found.switched and (found.source, found.target) == (source, target):
        return found
    return Record(source, target, move=secrets.token_hex(16), begun=when)


def refuse_unless_under_way(its: Record) -> None:
    """Raises EndError where another run has gone on since `its` was read. To be asked within the turn."""
    found = load()
    if found is None or found.switched or found.move != its.move:
        raise EndError("BUSY", "the images have moved meanwhile, or another move has begun: registryctl move status")


def refuse_while_switched(objects: str) -> None:
    """Raises EndError where the images are in another place by now than the facts say: `up` has not ended."""
    found = load()
    if found is not None and found.switched and found.target != objects:
        text = f"the images have moved to {named(found.target)}, and the up that goes on with them has not ended"
        raise EndError("BUSY", f"{text}: pulumi up")


def named(place: str) -> str:
    """For people."""
    return place or "files of this host"
