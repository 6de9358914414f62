"""Mirrors of other registries: the files of each, and what the proxy knows of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from config.mirrors import Mirror
from config.secrets import Login
from config.transparent import Transparent
from rendering.rootfs import HostFile, render

_HOME = "/var/opt/docker-registry-mirrors"
FILES = "/var/lib/registry-mirrors"
"""Where the proxy's container has the mirrors' directories, if it may read them."""

_WORD = "PREFIX"
"""What stands for a mirror's prefix in the tree."""

PROXY_SCRIPTS = ("mirrors.js", "mirrored-catalogue.js")
"""What the proxy reads besides, where there are mirrors."""

PROGRAMS = ("mirror-start", "mirror-credentials")
"""What runs inside the container: the first is its first process, the mirror calls the other."""


def home_of_all(root: str) -> str:
    """Where on the host each mirror has a directory."""
    return f"{root}/{_HOME.rpartition('/')[2]}"


def home_of(mirror: Mirror, root: str) -> str:
    """Where on the host a mirror's files lie."""
    return f"{home_of_all(root)}/{mirror.prefix}"


def data_of(mirror: Mirror, root: str) -> str:
    """Where on the host a mirror's images lie."""
    return f"{home_of(mirror, root)}/data/{mirror.place}"


def bounds(mirrors: Sequence[Mirror], root: str) -> list[dict[str, object]]:
    """Those that may not have all they once fetched, as the host's tools are told."""
    return [
        {
            "prefix": one.prefix,
            "data": data_of(one, root),
            "unpulledDays": one.unpulled_days,
            "maxBytes": one.max_bytes,
            **({"tagSeconds": one.tag_seconds} if one.tag_seconds else {}),
        }
        for one in mirrors
        if one.is_bounded
    ]


def configuration_file(mirror: Mirror, *, log_level: str, stack: str, root: str) -> HostFile:
    """What its Distribution reads at its start."""
    context = {"mirror": mirror, "log_level": log_level, "stack": stack}
    return _of(mirror, render(f"{_HOME}/{_WORD}/etc/mirror.yml", root=root, **context))


def programs(mirror: Mirror, root: str) -> list[HostFile]:
    """The scripts inside its container."""
    return [_of(mirror, render(f"{_HOME}/{_WORD}/etc/{name}", root=root)) for name in PROGRAMS]


def authorities_file(mirror: Mirror, root: str) -> HostFile | None:
    """The CA certificates of its own, in a directory that has nothing else: Go reads all that lies there."""
    return HostFile(f"{home_of(mirror, root)}/etc/certs/ca.pem", mirror.server_ca) if mirror.server_ca else None


def sockets_file(mirror: Mirror, sockets: str) -> HostFile:
    """What makes the directory of its socket at every boot."""
    path = f"/etc/tmpfiles.d/docker-registry-mirror-{_WORD}.conf"
    return _of(mirror, render(path, prefix=mirror.prefix, sockets=sockets))


def credentials_file(mirror: Mirror, login: Login | None, root: str) -> HostFile:
    """The account of the other registry, in the words of Docker's credential helpers; none is an account too."""
    found = {"Username": login.username, "Secret": login.password} if login else {}
    return HostFile(f"{home_of(mirror, root)}/etc/credentials.json", json.dumps(found) + "\n")


@dataclass(frozen=True)
class Mirrored:
    """What the proxy compares names with: the prefix, and expressions for it and for what is mirrored below it.

    For `tag_seconds` it remembers which image a tag has. `files` is the directory that the mirror is given,
    `name_expression` is for the mirror's own name, if it has one.
    """

    prefix: str
    expression: str
    repositories: str
    tag_seconds: int
    files: str
    transparent: Transparent | None
    name_expression: str


def mirrored(mirrors: Sequence[Mirror], *, trusts_tags: bool) -> list[Mirrored]:
    """All mirrors, as the proxy's site has them. `trusts_tags`: whether it can remember a tag's image."""
    return [
        Mirrored(
            prefix=one.prefix,
            expression=_expression([one.prefix]),
            repositories=_expression(one.repositories or ("*",)),
            tag_seconds=one.tag_seconds if trusts_tags else 0,
            files=f"{FILES}/{one.prefix}/data/{one.place}",
            transparent=one.transparent,
            name_expression=_expression([one.transparent.name]) if one.transparent else "",
        )
        for one in mirrors
    ]


def _expression(patterns: Sequence[str]) -> str:
    words = (pattern.replace(".", "[.]").replace("*", "[^ ]*") for pattern in patterns)
    return f"(?:{'|'.join(words)})"


def _of(mirror: Mirror, file: HostFile) -> HostFile:
    return replace(file, path=file.path.replace(_WORD, mirror.prefix))
