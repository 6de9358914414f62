"""What a stack declares to be on its host, beyond what Docker knows, read from the stack's state."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rendering.rootfs import TOOLS
from review.state import Resource, of_type

OURS = (TOOLS, "/etc/docker-registry")
"""Directories outside the storage root that are the registry's alone."""

GROWING = ("letsencrypt", "nginx/etc/tls", "docker-registry/data")
"""Directories below the storage root in which others put files: certbot, the certificate's tools, the registry."""

CLAIM = "/var/lib/docker-registry/stack"
UNITS = "/etc/systemd/system"

_TOOL = re.compile(r"^put (?P<path>/\S+) \d+ <<'(?P<mark>[^'\n]+)'\n(?P<text>.*?)^(?P=mark)$", re.M | re.S)
_ENABLED = re.compile(r"/load-unit --enable ([^\s']+)")
_PAIR = re.compile(r"^\s*ssl_certificate(?P<key>_key)?\s+(?P<path>[^;]+);", re.MULTILINE)


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
    """All that a stack declares. `units` are enabled units by name, with the resource that enables each."""

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


def declared(resources: Sequence[Resource]) -> Declared:
    """What these resources of a stack declare."""
    found = list(resources)
    files = tuple(_files(found))
    check = next((one for one in found if one.name.endswith("-check") and one.option("stack")), None)
    prepare = next((one for one in found if one.option("time-zone")), None)
    units = {unit: one.urn for one in found for unit in _ENABLED.findall(str(one.inputs.get("create")))}
    if prepare is not None:
        units["docker.service"] = prepare.urn
    return Declared(
        stack=check.option("stack") if check else "",
        files=files,
        directories=tuple(_directories(found, files)),
        units=units,
        zone=(prepare.option("time-zone"), prepare.urn) if prepare else None,
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
    )


def _files(resources: Sequence[Resource]) -> Iterator[File]:
    for one in resources:
        text = one.inputs.get("stdin")
        match one.tool:
            case "put-file":
                secret = "stdin" in one.secrets
                yield _file(one.words[-1], one.option("mode"), one.option("owner"), one.urn, str(text), secret=secret)
            case "keep-secret":
                yield File(one.words[-1], "600", "root:root", one.urn)
            case "sh" if one.option("stack"):
                claim = one.option("stack") + "\n"
                yield _file(CLAIM, "0600", "root:root", one.urn, claim)
            case "sh":
                for tool in _TOOL.finditer(str(text)):
                    yield _file(tool["path"], "0755", "root:root", one.urn, tool["text"])
    yield from _certificate(resources)


def _file(path: str, mode: str, owner: str, urn: str, text: str, *, secret: bool = False) -> File:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return File(path, mode.lstrip("0"), owner, urn, None if secret else text, digest)


def _certificate(resources: Sequence[Resource]) -> Iterator[File]:
    """The pair that the proxy serves: the timer may have renewed it, so only that it is there, and for root alone."""
    makers = [one for one in resources if one.tool.endswith("-certificate")]
    mounts = {
        str(volume["containerPath"]): str(volume["hostPath"])
        for one in of_type(list(resources), "container")
        for volume in one.inputs.get("volumes") or []
        if volume.get("hostPath")
    }
    for site in (one for one in resources if one.tool == "put-file" and makers):
        for pair in _PAIR.finditer(str(site.inputs.get("stdin"))):
            for inside, outside in mounts.items():
                if pair["path"].startswith(f"{inside}/"):
                    path = outside + pair["path"].removeprefix(inside)
                    yield File(path, "600" if pair["key"] else "", "root:root", makers[0].urn, followed=True)


def _directories(resources: Sequence[Resource], files: Sequence[File]) -> Iterator[Directory]:
    table = [
        (line.split(" ", 2), one.urn)
        for one in resources
        if one.tool in {"ensure-directories", "prepare-volumes"}
        for line in str(one.inputs.get("stdin")).splitlines()
    ]
    paths = {entry[2] for entry, _ in table}
    holders = {str(PurePosixPath(path).parent) for path in [*paths, *(file.path for file in files)]}
    mounted: dict[str, list[str]] = {}
    for one in of_type(list(resources), "container"):
        for volume in one.inputs.get("volumes") or []:
            mounted.setdefault(str(volume.get("hostPath")), []).append(one.urn)
    for (mode, owner, path), urn in table:
        closed = path in holders and not path.endswith(GROWING)
        yield Directory(path, mode.lstrip("0"), owner, urn, closed, tuple(mounted.get(path, ())))
    for path in OURS:
        urns = [file.urn for file in files if PurePosixPath(file.path).parent == PurePosixPath(path)]
        if urns:
            yield Directory(path, "", "root:root", urns[0], closed=True)


def _containers(resources: Sequence[Resource]) -> Iterator[Container]:
    for one in of_type(list(resources), "container"):
        networks = tuple(sorted(str(entry["name"]) for entry in one.inputs.get("networksAdvanced") or []))
        inputs = one.inputs
        yield Container(
            str(inputs["name"]), one.id, str(inputs.get("image")), networks, str(inputs.get("restart", "no")), one.urn
        )
