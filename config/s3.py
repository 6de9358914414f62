"""Where the registry's images lie when they lie in an S3-compatible object store."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator

from config.base import HIDDEN, LAST_PORT, Concern, Supplied, Whole, as_text, bytes_of, refused
from config.endpoints import agrees_with_insecure, only_with_tls
from config.pem import parse_authorities

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ENDPOINT = re.compile(rf"(https?)://({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]+\])(?::([1-9][0-9]{{0,4}}))?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_LONGEST_PREFIX = 200
_KEY = re.compile(r"[!-~]{1,256}")
_NO_REGION = "us-east-1"
_NOTHING = "0"
_LEAST_CACHE = 256 << 20
_USUAL_CACHE = "10G"


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value) or ".." in value:
        raise refused("a bucket's name: 3 to 63 of small letters, digits, - and ., for example acme-images")
    return value


def _region(value: str) -> str:
    if not _REGION.fullmatch(value):
        raise refused("a region's name: small letters, digits and -, for example eu-central-1")
    return value


def _endpoint(value: object) -> str:
    text = as_text(value)
    if "@" in text:
        raise refused("a URL without a login: accessKey and secretKey have it", found="a login in a URL")
    parts = _ENDPOINT.fullmatch(text)
    if parts is None or int(parts[3] or 1) > LAST_PORT:
        raise refused(
            "https:// and a host name in lower case, with a port or without, for example https://s3.example.net:9000"
        )
    return text


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value) or len(value) > _LONGEST_PREFIX:
        raise refused(
            "a path of letters, digits and ._-, without a slash at its begin and end, for example registries/acme"
        )
    return value


def _key(value: object) -> Supplied:
    if isinstance(value, Supplied):
        return value
    # It becomes a line of a file in which these begin a comment, or a text of several words.
    if not _KEY.fullmatch(as_text(value)) or set(as_text(value)) & set("#;\"'"):
        raise refused("visible ASCII characters without spaces, quotes, # and ;")
    return Supplied()


def _cache_size(value: object) -> str:
    if value == 0 and not isinstance(value, bool):
        return _NOTHING
    text = as_text(value)
    if text != _NOTHING and bytes_of(text) < _LEAST_CACHE:
        raise refused("0, or a whole number with its unit (M or G) from 256M on, for example 10G")
    return text


Key = Annotated[Supplied, PlainValidator(_key, json_schema_input_type=str), HIDDEN]


class S3(Concern):
    """A bucket of an S3-compatible store, with `storage.driver: s3`. A change replaces the registry's container.

    Another endpoint, bucket or prefix is refused on a host that has a registry: its images would be hidden.
    """

    bucket: Annotated[str, AfterValidator(_bucket)] = Field(examples=["acme-images"])
    """The bucket, which is there already. Give it a lifecycle rule that aborts multipart uploads after some days: the
    registry doesn't, and they cost money."""

    insecure: bool = False
    """Whether `endpoint` is asked without TLS, as in a trusted network. Images then travel in plain text."""

    endpoint: Annotated[str, PlainValidator(_endpoint, json_schema_input_type=str)] | None = Field(
        default=None, validate_default=True, examples=["https://s3.example.net:9000"]
    )
    """Where the store is asked, without a path. Absent: Amazon S3 in the region."""

    region: Annotated[str, AfterValidator(_region)] | None = Field(
        default=None, validate_default=True, examples=["eu-central-1"]
    )
    """The region of the bucket, needed without `endpoint`; with it `us-east-1` unless the store wants another."""

    path_style: bool | None = Field(default=None, validate_default=True)
    """Whether the path names the bucket, and not the host's name. Absent: with an `endpoint`, which needs it."""

    prefix: Annotated[str, AfterValidator(_prefix)] | None = Field(default=None, examples=["registries/acme"])
    """The directory in the bucket below which all lies. Absent: the bucket is the registry's alone."""

    server_ca: Annotated[str, AfterValidator(parse_authorities)] | None = None
    """PEM: the CA certificates by which the store is trusted, and no others. Absent: those that the image has."""

    access_key: Key | None = Field(default=None, validate_default=True)
    """Secret. The name of the key by which the store lets the registry in. Without it and `secretKey` the host's own
    role is used, as the cloud's metadata service tells it to containers: with Amazon's the hop limit must be 2."""

    secret_key: Key | None = Field(default=None, validate_default=True)
    """Secret. The key itself. It may list, read, write and delete in the bucket, and nothing else."""

    chunk_size: Annotated[int, Whole(5, 1024, "MiB")] = Field(default=10, examples=[10])
    """MiB of a layer that are sent at a time. An upload holds about twice as much memory, and a layer can have at most
    10,000 times as much."""

    redirect: bool = False
    """Whether clients fetch layers from the store itself, by a URL that is good for 20 minutes. They must reach and
    trust it, and who has the URL needs no account. With false all goes through the registry. Not with `cacheSize`."""

    cache_size: Annotated[str, PlainValidator(_cache_size, json_schema_input_type=str | int)] | None = Field(
        default=None, validate_default=True, examples=["10G"]
    )
    """How much of what was pulled the host keeps on its disk, below `storage.root`, in megabytes (M) or gigabytes (G);
    what was not used for the longest goes first, and all of it before the disk is full. 0: nothing, each pull goes to
    the store. Absent: 10G, and 0 with `redirect` or an nginx before 1.26. To turn it on or off replaces the proxy's
    container."""

    remember_seconds: Annotated[int, Whole(0, 3600, "seconds")] = Field(default=60, examples=[60])
    """Seconds for which the host trusts, without asking the store, that a repository has a blob or manifest which is
    kept: what is deleted elsewhere is gone so much later. A tag is asked for each time. While the store doesn't
    answer, what it said lately counts as long again. 0: all is asked each time."""

    @property
    def place(self) -> str:
        """Store, bucket and prefix: where the images are. Amazon's buckets have one name in all regions."""
        return "/".join(part for part in (self.endpoint, self.bucket, self.prefix) if part)

    @property
    def cache_bytes(self) -> int:
        """How much the host keeps; 0: nothing."""
        return bytes_of(self.cache_size or (_NOTHING if self.redirect else _USUAL_CACHE))

    @property
    def region_name(self) -> str:
        """The region, also where the store has none."""
        return self.region or _NO_REGION

    @field_validator("endpoint")
    @classmethod
    def _secure(cls, value: str | None, info: ValidationInfo) -> str | None:
        return agrees_with_insecure(value, info, "images")

    @field_validator("region")
    @classmethod
    def _somewhere(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and "endpoint" in info.data and info.data["endpoint"] is None:
            raise refused("the region of the bucket, because there is no endpoint, for example eu-central-1")
        return value

    @field_validator("path_style")
    @classmethod
    def _in_the_path(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        endpoint = info.data.get("endpoint")
        if value is False and endpoint is not None:
            raise refused("true, or no value, because with an endpoint the registry needs it")
        return endpoint is not None if value is None else value

    @field_validator("server_ca")
    @classmethod
    def _only_with_tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        return only_with_tls(value, info)

    @field_validator("cache_size")
    @classmethod
    def _through_the_proxy(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value not in (None, _NOTHING) and info.data.get("redirect"):
            raise refused("0, or no value, because redirect is true: layers don't come by this host")
        return value

    @field_validator("secret_key")
    @classmethod
    def _both_or_neither(cls, value: object, info: ValidationInfo) -> object:
        if "access_key" in info.data and (value is None) != (info.data["access_key"] is None):
            raise refused("accessKey and secretKey, both or neither")
        return value
