"""The container images, by name and tag or digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, field_validator

from config.base import Concern, as_text, refused

# The grammar of github.com/distribution/reference.
_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"(?:{_DOMAIN}/)?{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:$|[-_+.].*)")
_LONGEST_NAME = 255
_DISTRIBUTION_MAJORS = (2, 3)


@dataclass(frozen=True)
class ImageReference:
    """A container image: a name, and a tag or a digest or both."""

    name: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        """The reference as Docker writes it."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def version(self) -> tuple[int, ...] | None:
        """The numbers with which the tag begins; None without any.

        `3.1.2-alpine` is (3, 1, 2), `2` is (2,).
        """
        match = _VERSION.fullmatch(self.tag or "")
        return tuple(int(number) for number in match[1].split(".")) if match else None

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read a reference. Raises a validation error that says which part is wrong."""
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise refused("a digest such as sha256: and 64 hexadecimal digits after the @")
        # A colon before the last slash belongs to a port.
        head, slash, last = rest.rpartition("/")
        last, colon, tag = last.partition(":")
        name = head + slash + last
        if colon and not _TAG.fullmatch(tag):
            raise refused("a tag of letters, digits and inner _.- after the colon, for example nginx:1.28.0")
        if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
            raise refused("an image name, for example nginx:1.28.0 or registry.example.net/team/nginx:1.28.0")
        if not colon and not at:
            raise refused(f"a tag or a digest too, for example {name}:1.28.0")
        return cls(name=name, tag=tag or None, digest=digest or None)


def _image(value: object) -> ImageReference:
    return value if isinstance(value, ImageReference) else ImageReference.parse(as_text(value))


Image = Annotated[ImageReference, PlainValidator(_image, json_schema_input_type=str), PlainSerializer(str)]


class Images(Concern):
    """The container images. A change pulls the image and replaces its container.

    The old image stays on the host. A tag that moved is not noticed: a digest pins the content.
    """

    nginx: Image = Field(default="nginx:1.28.0", validate_default=True, examples=["nginx:1.28.0"])
    """The proxy. The default is the stable branch of nginx, on Debian. Images called `slim` lack its
    JavaScript module, which lets pushes wait while the host cleans up."""

    registry: Image = Field(default="registry:3.1.2", validate_default=True, examples=["registry:3.1.2"])
    """CNCF Distribution 3, or 2 down to what still pulls. The default is the first with all fixes of the
    vulnerabilities known for 3.0 and 3.1. Without a version in the tag, 3 is assumed."""

    ui: Image = Field(
        default="joxit/docker-registry-ui:2.6.0",
        validate_default=True,
        examples=["joxit/docker-registry-ui:2.6.0"],
    )
    """Joxit's page. The default is the current release."""

    certbot: Image = Field(default="certbot/certbot:v5.1.0", validate_default=True, examples=["certbot/certbot:v5.1.0"])
    """The client of certificate authorities, only for `certificate.mode: acme`. It runs when a certificate
    is issued or renewed; a change replaces no container."""

    @field_validator("nginx")
    @classmethod
    def _with_javascript(cls, value: ImageReference) -> ImageReference:
        if "slim" in (value.tag or "").split("-"):
            whole = ImageReference(value.name, value.tag.removesuffix("-slim") if value.tag else None)
            raise refused(f"an image with nginx's JavaScript module, which those called slim lack, for example {whole}")
        return value

    @field_validator("registry")
    @classmethod
    def _distribution(cls, value: ImageReference, info: ValidationInfo) -> ImageReference:
        if value.version and value.version[0] not in _DISTRIBUTION_MAJORS:
            raise refused("version 2 or 3 of the registry, for example registry:3.1.2")
        return value
