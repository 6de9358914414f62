"""Where the host keeps the registry's data."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationInfo, field_validator

from config.base import Concern, Whole, as_text, refused
from config.s3 import S3

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

    driver: Literal["filesystem", "s3"] = "filesystem"
    """Storage driver of the registry: the host's file system, or an S3-compatible object store, with which some things
    are not there yet: docs/storage.md. On a host that has images a change is refused, because it would hide them,
    unless `registryctl move` has copied them."""

    s3: S3 | None = Field(default=None, validate_default=True)
    """The object store, with `driver: s3`. With `filesystem`: the one to which `registryctl move` copies the images, or
    from which they came; the registry does not use it."""

    warn_percent: Annotated[int, Whole(50, 94)] = Field(default=85, examples=[85])
    """Percent of the file system of data or logs from which on `up` and `registry-status` warn. From
    95 on it counts as broken."""

    @field_validator("s3")
    @classmethod
    def _there_with_driver(cls, value: S3 | None, info: ValidationInfo) -> S3 | None:
        if info.data.get("driver") == "s3" and value is None:
            raise refused("a bucket, because storage.driver is s3: at least storage.s3.bucket and region or endpoint")
        return value

    @property
    def objects(self) -> S3 | None:
        """The object store in which the images lie; None: they are files."""
        return self.s3 if self.driver == "s3" else None
