"""What all setting models share: strictness, naming, and the way a validator states what it expected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

NAMESPACE = "docker-registry"
"""The configuration namespace of the program: the part before the colon of each key."""

MUST_BE_SECRET = frozenset(
    {
        *("privateKey", "password", "httpSecret", "eabHmacKey", "restPassword", "secret", "webhook"),
        *("accessKey", "secretKey"),
    }
)
"""Settings whose value may only be stored encrypted in the stack file."""

CONTAIN_SECRETS = frozenset(
    {"host", "users", "certificate", "storage", "registry", "backup", "notifications", "status", "mirrors"}
)
"""Concerns with such settings."""

NEVER_SHOWN = MUST_BE_SECRET | {"hash"}
"""Settings whose value never appears in a message. A hash may be stored in plain text all the same."""


HIDDEN = PlainSerializer(lambda _: "[secret]", return_type=str)
"""How a dump of the settings shows what is known of a secret."""


@dataclass(frozen=True)
class Supplied:
    """That a secret was given; the secret itself is not kept here."""


class Concern(BaseModel):
    """The settings of one concern, as one structured value of the stack configuration.

    Immutable; unknown keys are refused; a value of the wrong type is refused rather than converted.
    The stack file writes names in camelCase, Python code in snake_case.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def refused(expected: str, *, found: str | None = None) -> PydanticCustomError:
    """The error a validator raises.

    `expected` completes "expected …". `found` replaces the value in the message where the value itself
    says too little or must not be shown.
    """
    return PydanticCustomError("refused", "{expected}", {"expected": expected, "found": found})


def as_text(value: object) -> str:
    """The value, when it is text; the common first step of validators that turn text into something else."""
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "text")
    return value


def is_printable(text: str) -> bool:
    """Whether the text has no control character, line break or unprintable code point."""
    return text.isprintable()


@dataclass(frozen=True)
class Whole:
    """Marks a whole number that lies between two others; `unit` completes "a whole number of"."""

    low: int
    high: int
    unit: str = ""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return handler(schema) | {"minimum": self.low, "maximum": self.high}

    def _check(self, value: int) -> int:
        if not self.low <= value <= self.high:
            of = f" of {self.unit}" if self.unit else ""
            raise refused(f"a whole number{of} from {self.low} to {self.high}")
        return value


def bytes_of(size: str) -> int:
    """How many bytes a size with its unit is, as logrotate counts; 0: it is none."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([kMG])", size)
    return int(found[1]) << {"k": 10, "M": 20, "G": 30}[found[2]] if found else 0


LAST_PORT = 65535

Port = Annotated[int, Whole(1, LAST_PORT)]
"""A TCP port."""

Seconds = Annotated[int, Whole(1, 86400, "seconds")]
"""A duration of up to a day, in seconds."""

MOST_PER_MINUTE = 6000

PerMinute = Annotated[int, Whole(1, MOST_PER_MINUTE)]
"""A rate: how often in a minute."""

Mebibytes = Annotated[int, Whole(128, 1048576, "MiB")]
"""An amount of memory in MiB."""

Processes = Annotated[int, Whole(64, 32768)]
"""A number of processes and threads."""
