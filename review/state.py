"""A stack's state, as `pulumi stack export` tells it: what was declared when the stack was last brought up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark of a secret, not one


@dataclass(frozen=True)
class Resource:
    """A resource of a state. `secrets` are the names of inputs that are secret."""

    urn: str
    type: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    secrets: frozenset[str]

    @property
    def name(self) -> str:
        """The last part of its URN."""
        return self.urn.rpartition("::")[2]

    @property
    def is_command(self) -> bool:
        """Whether it is a command on the host."""
        return self.type.startswith("command:")


def read(state: Mapping[str, Any]) -> list[Resource]:
    """The resources of an exported state, with secrets shown. What an interrupted run left to delete is none."""
    found = state["deployment"].get("resources") or []
    return [_resource(entry) for entry in found if not entry.get("delete")]


def of_type(resources: list[Resource], kind: str) -> list[Resource]:
    """Those of a type of the Docker provider, such as `container`."""
    token = kind[:1].upper() + kind[1:]
    return [resource for resource in resources if resource.type == f"docker:index/{kind}:{token}"]


def _resource(entry: Mapping[str, Any]) -> Resource:
    inputs = entry.get("inputs") or {}
    return Resource(
        urn=entry["urn"],
        type=entry["type"],
        id=str(entry.get("id", "")),
        inputs=_plain(inputs),
        outputs=_plain(entry.get("outputs") or {}),
        secrets=frozenset(name for name, value in inputs.items() if _is_secret(value)),
    )


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and value.get(_SIGNATURE) == _SECRET


def _plain(value: Any) -> Any:  # noqa: ANN401
    if _is_secret(value):
        return _plain(json.loads(value["plaintext"])) if "plaintext" in value else None
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
