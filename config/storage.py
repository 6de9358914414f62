"""Where the host keeps the registry's data."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, PlainValidator

from config.base import Concern, Whole, as_text, refused

_PLAIN_PATH = re.compile(r"[A-Za-z0-9._/-]+")
_TAKEN = ("/", "/var", "/var/lib", "/var/log", "/home")
_TAKEN_WITH_ALL_BELOW = (
    *(
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
    ),
    *("/tmp", "/usr", "/var/run", "/var/tmp", "/var/lock", "/var/lib/docker", "/var/lib/docker-registry"),  # noqa: S108
    *("/var/lib/containerd", "/var/lib/dpkg", "/var/cache"),
)


def absolute_path(text: str, example: str) -> PurePosixPath:
    """A path on the host that every shell and mount option takes as it is."""
    if not text.startswith("/"):
        raise refused(f"an absolute path on the host, for example {example}")
    if not _PLAIN_PATH.fullmatch(text):
        raise refused(f"a path of letters, digits and ._-/ only, for example {example}")
    if posixpath.normpath(text) != text:
        raise refused(f"a path without .., doubled or closing slashes, for example {example}")
    return PurePosixPath(text)


def _root(value: object) -> PurePosixPath:
    if isinstance(value, PurePosixPath):
        value = str(value)
    path = absolute_path(as_text(value), "/var/opt")
    below = any(path.is_relative_to(taken) for taken in _TAKEN_WITH_ALL_BELOW)
    if below or str(path) in _TAKEN:
        raise refused("a directory outside the operating system's own, for example /var/opt or /srv")
    return path


class Storage(Concern):
    """Where the host keeps the registry's data."""

    root: Annotated[PurePosixPath, PlainValidator(_root, json_schema_input_type=str)] = Field(
        default="/var/opt", validate_default=True, examples=["/var/opt"]
    )
    """Directory on the host under which data, logs, accounts and certificates lie, each in its own
    directory. A change is refused while the volumes point to the old root; docs/moving.md tells how to move."""

    driver: Literal["filesystem"] = "filesystem"
    """Storage driver of the registry. Only the host's file system is supported."""

    warn_percent: Annotated[int, Whole(50, 94)] = Field(default=85, examples=[85])
    """Percent of the file system of data or logs from which on `up` and `registry-status` warn. From
    95 on it counts as broken."""
