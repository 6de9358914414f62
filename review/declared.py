"""What a stack declares to be on its host: as its manifest tells, and of Docker's objects its state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from components.host import CLAIM
from rendering.rootfs import TOOLS
from review.state import Resource, of_type

OURS = (TOOLS, "/etc/docker-registry")
"""Directories outside the storage root that are the registry's alone, with what is below."""

GROWING = (
    *("letsencrypt", "nginx/etc/tls", "docker-registry/data", "/run/docker-registry", "/run/docker-registry/sockets"),
    *("docker-registry-mirrors", "/data", "/run/docker-registry/sockets/mirrors"),
)
"""Directories in which others put files: certbot, the certificate's tools, the registry, tools that take turns.
And those in which a mirror that was removed left some."""

UNITS = "/etc/systemd/system"


@dataclass(frozen=True)
class File:
    """A file and the resource (by URN) that puts it there. Without a digest its content is the host's own affair.

    `content` is None where it must not be shown. A `followed` link is as good as a file.
    """

    path: str
    mode: str
    owner: str
    urn: str
    content: str | None = field(default=None, repr=False)
    digest: str | None = None
    followed: bool = False


@dataclass(frozen=True)
class Directory:
    """A directory, and the resource that makes it. In a `closed` one everything is declared."""

    path: str
    mode: str
    owner: str
    urn: str
    closed: bool
    mounted_by: tuple[str, ...] = ()
    """The URNs of containers that have it as a mount."""


@dataclass(frozen=True)
class Container:
    """A container. `id` and `image` are Docker's."""

    name: str
    id: str
    image: str
    networks: tuple[str, ...]
    restart: str
    urn: str


@dataclass(frozen=True)
class Declared:
    """All that a stack declares. `units` are enabled units by name, with the resource that enables each.

    `unfinished` are the commands, by name and URN, of which state and manifest differ: the last `up` failed, or had a
    target. What they put on the host is not known, and so nothing else is strange there.
    """

    stack: str
    files: tuple[File, ...]
    directories: tuple[Directory, ...]
    units: dict[str, str]
    zone: tuple[str, str] | None
    """The time zone, and the resource that sets it."""
    containers: tuple[Container, ...]
    networks: dict[str, str]
    """Docker networks by name, with their subnets."""
    volumes: dict[str, str]
    """Docker volumes by name, with the directories they are bound to."""
    unfinished: dict[str, str]


def declared(resources: Sequence[Resource]) -> Declared:
    """What these resources of a stack declare. Raises `RuntimeError` where its program has exported no manifest."""
    found = list(resources)
    outputs = next(one.outputs for one in found if one.type == "pulumi:pulumi:Stack")
    if "manifest" not in outputs:
        raise RuntimeError("the stack has no manifest yet: let a pulumi up of this version end well first")
    manifest = json.loads(outputs["manifest"])
    told: Mapping[str, Any] = manifest["commands"]
    commands = [one for one in found if one.is_command]
    unfinished = {one.name: one.urn for one in commands if told.get(one.name, {}).get("input") != _digest(_input(one))}
    puts = [(one, told[one.name]) for one in commands if one.name not in unfinished]
    files = tuple(_file(entry, one, manifest["stack"]) for one, its in puts for entry in its["files"])
    directories = [(entry, one.urn) for one, its in puts for entry in its["directories"]]
    return Declared(
        stack=manifest["stack"],
        files=files,
        directories=tuple(_directories(directories, files, _mounted(found), known=not unfinished)),
        units={unit: one.urn for one, its in puts for unit in its["units"]},
        zone=next(((its["timeZone"], one.urn) for one, its in puts if its["timeZone"]), None),
        containers=tuple(_containers(found)),
        networks={
            str(one.inputs["name"]): " ".join(
                str(config.get("subnet")) for config in one.inputs.get("ipamConfigs") or []
            )
            for one in of_type(found, "network")
        },
        volumes={
            str(one.inputs["name"]): str((one.inputs.get("driverOpts") or {}).get("device"))
            for one in of_type(found, "volume")
        },
        unfinished=unfinished,
    )


def _input(command: Resource) -> bytes:
    return str(command.inputs.get("stdin") or "").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file(entry: Mapping[str, Any], command: Resource, stack: str) -> File:
    content, digest = None, entry.get("digest")
    if digest and "stdin" not in command.secrets:
        content = _input(command)[entry["begin"] : entry["end"]].decode()
    if entry["path"] == CLAIM:
        content = f"{stack}\n"
        digest = _digest(content.encode())
    followed = entry.get("linked", False)
    return File(entry["path"], entry["mode"], entry["owner"], command.urn, content, digest, followed)


def _mounted(resources: Sequence[Resource]) -> dict[str, list[str]]:
    mounted: dict[str, list[str]] = {}
    for one in of_type(list(resources), "container"):
        for volume in one.inputs.get("volumes") or []:
            mounted.setdefault(str(volume.get("hostPath")), []).append(one.urn)
    return mounted


def _directories(
    table: Sequence[tuple[Mapping[str, str], str]],
    files: Sequence[File],
    mounted: Mapping[str, Sequence[str]],
    *,
    known: bool,
) -> Iterator[Directory]:
    paths = [entry["path"] for entry, _ in table]
    holders = {str(PurePosixPath(path).parent) for path in [*paths, *(file.path for file in files)]}
    for entry, urn in table:
        path = entry["path"]
        closed = known and path in holders and not path.endswith(GROWING)
        yield Directory(path, entry["mode"], entry["owner"], urn, closed, tuple(mounted.get(path, ())))
    ours: dict[str, str] = {}
    for file in files:
        folder = file.path.rpartition("/")[0]
        if f"{folder}/".startswith(tuple(f"{path}/" for path in OURS)):
            ours.setdefault(folder, file.urn)
    for path, urn in ours.items():
        yield Directory(path, "", "root:root", urn, closed=known)


def _containers(resources: Sequence[Resource]) -> Iterator[Container]:
    for one in of_type(list(resources), "container"):
        networks = tuple(sorted(str(entry["name"]) for entry in one.inputs.get("networksAdvanced") or []))
        inputs = one.inputs
        yield Container(
            str(inputs["name"]), one.id, str(inputs.get("image")), networks, str(inputs.get("restart", "no")), one.urn
        )
